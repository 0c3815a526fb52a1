"""Small files in the released layouts of STAR-Bench and MMAU-Pro, with every field that the releases have."""

import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import soundfile

RATE = 16_000
STATIC, RELATION, TRAJECTORY = (
    "Single-Source Static Localization",
    "Multi-Source Spatial Relation",
    "Dynamic Trajectory Tracking",
)
STAR_ROWS = [
    {
        "id": "spatial_single_000",
        "question": "Where does the bell ring?",
        "options": ["Left", "Right", "Left front"],
        "answer": "Left front",
        "audio_paths": ["starbench_audios/holistic_reasoning/spatial/single_000.wav"],
        "task": "Spatial Reasoning",
        "category": STATIC,
        "source": "In-the-wild",
    },
    {
        "id": "spatial_relation_000",
        "question": "Is the dog left of the cat?",
        "options": ["Yes", "No", "They are at the same place"],
        "answer": "No",
        "audio_paths": ["starbench_audios/holistic_reasoning/spatial/relation_000.wav"],
        "task": "Spatial Reasoning",
        "category": RELATION,
        "source": "In-the-wild",
    },
    {
        "id": "spatial_trajectory_000",
        "question": "What is the motion trajectory of the carriage?",
        "options": ["From left to right", "From right to left", "Remains unchanged"],
        "answer": "From right to left",
        "audio_paths": ["starbench_audios/holistic_reasoning/spatial/trajectory_000.wav"],
        "task": "Spatial Reasoning",
        "category": TRAJECTORY,
        "source": "In-the-wild",
    },
    {
        "id": "spatial_trajectory_001",
        "question": "Does the carriage come nearer?",
        "options": ["Yes", "No"],
        "answer": "Yes",
        "audio_paths": ["starbench_audios/holistic_reasoning/spatial/trajectory_000.wav"],
        "task": "Spatial Reasoning",
        "category": TRAJECTORY,
        "source": "In-the-wild",
    },
]


def mmau_row(id: str, question: str, choices: list[str] | None, answer: str | None, audio: list[str], **other) -> dict:
    """A row of test.parquet."""
    return {
        "id": id,
        "audio_path": audio,
        "question": question,
        "answer": answer,
        "choices": choices,
        "length_type": "short",
        "perceptual_skills": ["Spatial Sound Perception"],
        "reasoning_skills": [],
        "category": "spatial_audio",
        "transcription": None,
        "task_classification": None,
        "task_identifier": None,
        "kwargs": None,
        "sub-cat": None,
    } | other


MMAU_ROWS = [
    mmau_row("m-music", "Which key is it in?", ["C", "G"], "C", ["data/music.mp3"], category="music"),
    mmau_row("m-0", "Where is the speaker?", ["front left", "front right", "behind"], "front right", ["data/a.wav"]),
    mmau_row("m-1", "Who is nearer?", ["the woman", "the man"], "the man", ["data/a.wav"]),
    mmau_row("m-open", "Describe the scene.", None, "A man speaks.", ["data/a.wav"], category="open"),
    mmau_row("m-2", "From where does it come?", ["left", "right", "above", "below"], "left", ["data/b.wav"]),
    mmau_row("m-3", "Which is higher?", ["bell", "drum"], "the bell", ["data/b.wav"]),  # the answer is no choice
    mmau_row("m-4", "How many speakers are there?", ["two"], "two", ["data/b.wav"]),
]


def write_wav(path: Path, channels: int = 2, seed: int = 0) -> None:
    """A quarter of a second of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(seed).normal(0, 0.1, (RATE // 4, channels)), RATE)


def write_star_bench(folder: Path, rows: list[dict] | None = None, audio: bool = True) -> Path:
    """The released folder with these questions; returns it."""
    rows = STAR_ROWS if rows is None else rows
    questions = folder / "meta_info" / "holistic_reasoning_spatial.json"
    questions.parent.mkdir(parents=True, exist_ok=True)
    questions.write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
    for seed, name in enumerate(sorted({name for row in rows for name in row["audio_paths"]} if audio else [])):
        write_wav(folder / name, seed=seed)
    return folder


def write_mmau_pro(folder: Path, rows: list[dict] | None = None, audio: bool = True) -> Path:
    """The released folder with these questions; returns it."""
    rows = MMAU_ROWS if rows is None else rows
    folder.mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "test.parquet")
    wavs = sorted({name for row in rows for name in row["audio_path"] if name.endswith(".wav")})
    for seed, name in enumerate(wavs if audio else []):
        write_wav(folder / name, seed=seed)
    return folder


def parse_letter(text: str, choices, reading: str) -> int | None:
    """A stand-in for the library's parser of choices: strict takes the letter alone, lenient takes its case as it comes."""
    letters = "ABCDEFGH"[: len(choices)]
    text = text if reading == "strict" else text.strip(" .").upper()
    return letters.index(text) if len(text) == 1 and text in letters else None
