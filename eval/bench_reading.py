"""Measures the speed of manifests, dry sounds and answers, each against the straightforward way.

    make bench        or        python eval/bench_reading.py [--questions 20000] [--repeats 3] [--out bench_reading.json]

1. a manifest of scenes, ten questions about each, opened the first time and again, against `json.loads` of its lines;
2. dry sounds of sources that share them, each sound synthesised once, against once for each source;
3. questions about shipped recordings, the audio projected once a recording, and LoRA merged besides, against neither.
Numbers are seconds of processor time with one thread, the best of the repeats. It takes about two minutes.
"""

import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from spatial_llm import SpatialLLM
from spatial_llm.audio.io import prepare_waveform
from spatial_llm.data.manifest import open_manifest
from spatial_llm.data.record import Record
from spatial_llm.data.records import write_manifest
from spatial_llm.data.simulate.synthesized import SynthesizedOnce, make_room
from spatial_llm.door import door
from spatial_llm.evaluation.predicting.answering import Answerer
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.files import write_json
from spatial_llm.provenance import provenance
from spatial_llm.ranges import Count
from spatial_llm.scenes.events import EVENT_CLASSES, parse_synth_reference, synthesize_event
from spatial_llm.scenes.scene import Listener, Room, Scene, Source
from spatial_llm.settings import parse_arguments
from spatial_llm.shipped import RECORDINGS

A_SCENE, RATE, SOUND_S, BATCH = 10, 32_000, 2.0, 16
QUESTIONS = ("Where is the sound coming from?", "What do you hear?", "How far away is the sound?", "Which sounds are there?")


@dataclass
class BenchArguments:
    """Sets how much to read, how often to measure, and where to write."""

    questions: Count = 20_000
    repeats: Count = 3
    out: str = "bench_reading.json"


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Returns the processor time of the fastest of the repeats."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def bench_manifest(count: int, repeats: int, folder: Path) -> dict[str, float]:
    """Returns the seconds to parse the lines of a manifest, to open it, and to open it again."""
    room, path = Room("room", (6.0, 5.0, 3.0), absorption=0.5), folder / "questions.jsonl"
    labels = [EVENT_CLASSES[number // A_SCENE % len(EVENT_CLASSES)] for number in range(count)]

    def scene(index: int, label: str) -> Scene:
        source = Source(label, f"synth:{label}/{index}", (round(1 + 4 * index / count, 4), 4.0, 1.0))
        return Scene(f"s{index}", "eval", index, SOUND_S, RATE, room, Listener((3.0, 2.0, 1.5)), (source,))

    write_manifest(path, (
        Record(f"q{number}", f"s{number // A_SCENE}", "A", "CLASSIFICATION", QUESTIONS[number % 4], label,
               {"labels": [label]}, "eval", RATE, scene=scene(number // A_SCENE, label))
        for number, label in enumerate(labels)
    ))  # fmt: skip
    parsed = seconds(lambda: [json.loads(line) and None for line in path.open()], repeats)
    fresh = iter(range(repeats))
    opened = seconds(lambda: open_manifest(path, cache_dir=folder / f"cache{next(fresh)}"), repeats)
    again = seconds(lambda: open_manifest(path, cache_dir=folder / "cache0"), repeats)
    return {"json_loads_s": parsed, "open_s": opened, "open_again_s": again}


def bench_sounds(repeats: int, folder: Path) -> dict[str, float]:
    """Returns the seconds for the dry sounds of 420 sources that share 140 sounds, three sources each."""
    names = [f"synth:{label}/{seed}" for label in EVENT_CLASSES for seed in range(10)]
    every = np.random.default_rng(0).permutation(names * 3).tolist()

    def once() -> list:
        sounds = SynthesizedOnce(make_room(folder, names, SOUND_S, RATE), names, SOUND_S, RATE)
        return [sounds[name].sum() for name in every]

    def each_time() -> list:
        return [synthesize_event(*parse_synth_reference(name), SOUND_S, RATE).sum() for name in every]

    return {"once_s": seconds(once, repeats), "each_time_s": seconds(each_time, repeats)}


def bench_answers(repeats: int) -> dict[str, float]:
    """Returns the seconds for 48 questions about one recording of the shipped model, in batches."""
    model, task = SpatialLLM.from_pretrained("tiny"), read_task(Path(__file__).parent / "tasks" / "ours.yaml")
    net, config = model.model, model.model.config.encoder_config
    waveform = prepare_waveform(RECORDINGS / "one_source.flac", None, config.sampling_rate, config.window_samples)
    items = [SimpleNamespace(id=f"q{i}", recording_id="r", question=QUESTIONS[i % 4]) for i in range(48)]
    answerer = Answerer(model, task, BATCH)

    def ours() -> list:
        return list(answerer.answer({"r": items}, lambda *_: waveform, {}))

    @torch.inference_mode()
    def projected_for_each_question() -> None:
        cues = model.processor.feature_extractor(waveform, sampling_rate=config.sampling_rate, return_tensors="pt")
        hidden = net.encoder(cues["input_features"]).last_hidden_state
        for start in range(0, len(items), BATCH):
            texts = [item.question for item in items[start : start + BATCH]]
            inputs = model.processor(text=texts, return_tensors="pt")
            audio = {"audio_hidden_states": hidden.expand(len(texts), -1, -1)}
            options = {"max_new_tokens": task.decoding.max_new_tokens, "suppress_tokens": model.suppressed_token_ids}
            net.generate(**inputs, **audio, **options, do_sample=False)

    found = {"for_each_question_s": seconds(projected_for_each_question, repeats), "once_s": seconds(ours, repeats)}
    with model.lora_merged():
        return found | {"once_and_lora_merged_s": seconds(ours, repeats)}


def main(arguments: BenchArguments) -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        results = {
            "manifest": bench_manifest(arguments.questions, arguments.repeats, Path(name)),
            "dry sounds": bench_sounds(arguments.repeats, Path(name) / "sounds"),
            "answers": bench_answers(arguments.repeats),
        }
    write_json(arguments.out, {"results": results} | provenance())
    for what, row in results.items():
        print(f"{what}: " + ", ".join(f"{key} {value:.3f}" for key, value in row.items()))


if __name__ == "__main__":
    with door():
        main(parse_arguments(BenchArguments, description=__doc__))
