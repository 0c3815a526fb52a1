"""A small evaluation set that the tests share: a few noise recordings, every question type asked about them."""

from pathlib import Path

import numpy as np
import soundfile

from spatial_llm.data.records import Record, write_manifest
from spatial_llm.questions.types import QUESTION_TYPES, parse_value

RATE = 32_000
ANSWERS = {
    "CLASSIFICATION": ["bell", "dog; speech", "rain"],
    "DOA": ["left, front, above; 2m", "right, behind, below; 3.5m", "left, behind, above; 0.5m"],
    "MIXUP_SINGLE_CLASSIFICATION": ["bell", "rain", "dog"],
    "MIXUP_SINGLE_DOA": ["left, front, below; 2m", "right, front, below; 7m", "right, behind, above; 1.5m"],
    "MIXUP_DIRECTION": ["Yes", "No", "No"],
    "MIXUP_DISTANCE_BOTH": ["No", "Yes", "Yes"],
    "MIXUP_NONBINARY_DIRECTION": ["left", "behind", "above"],
    "MIXUP_NONBINARY_DISTANCE": ["1.5m", "2m", "4m"],
    "MIXUP_NONBINARY_SOURCE": ["bell", "dog; speech", "rain"],
}
QUESTIONS = {"A": "What is it?", "B": "Where is it?", "C": "Which sound is on the left?", "D": "Where is the bell?"}


def write_small_set(folder: Path) -> Path:
    """Writes three binaural WAV files and a manifest of 27 questions about them; returns the manifest's path."""
    folder.mkdir(parents=True, exist_ok=True)
    # noise, a low tone on the left, a high tone on the right: recordings that even an untrained model tells apart
    time = np.arange(9000) / RATE
    noise = np.random.default_rng(0).normal(0, 0.1, (9000, 2))
    low, high = (np.sin(2 * np.pi * frequency * time) for frequency in (300, 9000))
    waveforms = [noise, np.stack([low, 0.01 * low], axis=1), np.stack([0.01 * high, high], axis=1) + 0.01 * noise]
    for index, waveform in enumerate(waveforms):
        soundfile.write(folder / f"r{index}.wav", waveform, RATE, subtype="FLOAT")
    records = []
    for question_type, answers in ANSWERS.items():
        letter = QUESTION_TYPES[question_type]
        for index, answer in enumerate(answers):
            question = QUESTIONS.get(letter, "Is the bell nearer than the dog" + ", or not" * index + "?")
            records.append(
                Record(
                    id=f"q{len(records)}",
                    recording_id=f"r{index}",
                    type=letter,
                    question_type=question_type,
                    question=question,
                    answer=answer,
                    truth=parse_value(question_type, answer),
                    split="eval",
                    sampling_rate=RATE,
                    audio=f"r{index}.wav",
                )
            )
    write_manifest(folder / "eval.jsonl", records)
    return folder / "eval.jsonl"
