"""Measures how long scoring takes: 17,000 synthetic answers in SpatialSoundQA's proportions, 355 labels, embeddings and
intervals.

    make bench        or        python eval/bench_scores.py [--items 17000] [--resamples 1000] [--out bench_scores.json]

The parts are timed one by one, then `score_run` as eval/score.py calls it, which runs all of them and the question-only
control. Goal: under 3 minutes on 2 cores. Measured: 30 s of processor time, on one core; the bench takes twice as long,
because the last part repeats all others.
"""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spatial_llm.answers import Location, format_labels, format_location
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.record import Pair, Record
from spatial_llm.door import door
from spatial_llm.evaluation.metrics import compute_metrics, embedded_texts, interval_of, read_answers
from spatial_llm.evaluation.predicting.evaluation_set import EvaluationSet
from spatial_llm.evaluation.predicting.predictions import PREDICTIONS, prediction_line
from spatial_llm.evaluation.scoring.score import score_run
from spatial_llm.evaluation.scoring.settings import ScoreSettings
from spatial_llm.evaluation.statistics.bootstrap import CONFIDENCE, Bootstrap
from spatial_llm.files import write_json, write_text
from spatial_llm.geometry import direction_words, vector_to_direction
from spatial_llm.jsonl import write_jsonl
from spatial_llm.provenance import provenance
from spatial_llm.questions.facts import step_distance_m
from spatial_llm.questions.types import QUESTION_TYPES, parse_value
from spatial_llm.ranges import Count, Seed
from spatial_llm.sentences.embedding import EmbedOnce, TextEmbedder
from spatial_llm.settings import parse_arguments

# Shares of the training questions (BAT's project page); the two published kinds of type E together have 0.412.
SHARES = {"CLASSIFICATION": 0.159, "DOA": 0.159, "MIXUP_SINGLE_CLASSIFICATION": 0.135, "MIXUP_SINGLE_DOA": 0.135,
          "MIXUP_DIRECTION": 0.206, "MIXUP_DISTANCE_BOTH": 0.206}  # fmt: skip
QUALITIES = ("small", "large", "wooden", "electric", "distant", "wet", "old", "metal", "heavy", "soft", "low", "high",
             "slow", "fast", "broken", "rural", "urban", "dry", "marine")  # fmt: skip
THINGS = ("dog", "bell", "engine", "drum", "door", "bird", "siren", "rain", "voice", "guitar", "saw", "train", "clock",
          "horn", "river", "whistle", "crowd", "printer", "kettle")  # fmt: skip
LABELS = [f"{quality} {thing}".capitalize() for thing in THINGS for quality in QUALITIES][:355]
GOAL_S = 180.0


@dataclass
class BenchArguments:
    """Sets how much to score, how often to resample, and where to write."""

    items: Count = 17_000
    resamples: Count = 1000
    out: str = "bench_scores.json"
    seed: Seed = 0


def synthetic(n: int, seed: int) -> tuple[list[Record], list[str]]:
    """Returns questions, four about each recording of one source, and answers to them of which half are right."""
    rng = np.random.default_rng(seed)
    records, texts = [], []
    for index, kind in enumerate(map(str, rng.choice(list(SHARES), size=n, p=list(SHARES.values())))):
        if index % 4 == 0:
            xyz = rng.uniform(0.5, 5, 3) * rng.choice([-1, 1], 3)
            pair = Pair("a.wav", "r.npy", None, *map(float, vector_to_direction(xyz)))
        answer = _answer(kind, xyz, rng)
        record = Record(
            id=f"q{index}", recording_id=f"r{index // 4}", type=QUESTION_TYPES[kind], question_type=kind,
            question=f"What about the {LABELS[index % 355].lower()}?", answer=answer, truth=parse_value(kind, answer),
            split="eval", sampling_rate=32_000, pairs=(pair,), protocol="official_bat",
        )  # fmt: skip
        records.append(record)
        texts.append(answer if rng.random() < 0.5 else _answer(kind, rng.uniform(-5, 5, 3), rng))
    return records, texts


def _answer(kind: str, xyz: np.ndarray, rng: np.random.Generator) -> str:
    if kind.endswith("CLASSIFICATION"):
        return format_labels(rng.choice(LABELS, size=rng.integers(1, 4), replace=False))
    if kind.endswith("DOA"):
        return format_location(Location(*direction_words(xyz), step_distance_m(np.linalg.norm(xyz))))
    return str(rng.choice(["Yes", "No"]))


@contextmanager
def timed(seconds: dict[str, dict[str, float]], part: str) -> Iterator[None]:
    """Records wall-clock seconds and processor seconds; the latter are reliable on a busy machine."""
    start, busy = time.perf_counter(), time.process_time()
    yield
    seconds[part] = {"wall": round(time.perf_counter() - start, 1), "cpu": round(time.process_time() - busy, 1)}
    print(f"{seconds[part]['wall']:7.1f} s ({seconds[part]['cpu']:.1f} s of processor time)  {part}", flush=True)


def main(arguments: BenchArguments) -> None:
    seconds: dict[str, dict[str, float]] = {}
    cache = tempfile.TemporaryDirectory()  # no cached vectors of an earlier run
    os.environ["SPATIAL_LLM_CACHE"] = cache.name
    items, texts = synthetic(arguments.items, arguments.seed)
    with timed(seconds, "embedding model loaded"):
        embedder = TextEmbedder()
    with timed(seconds, "answers read, both readings"):
        run = read_answers(items, texts)
    embed = EmbedOnce(embedder)
    with timed(seconds, "texts embedded"):
        embed.prepare([embedded_texts(run, LABELS)])
    with timed(seconds, "the same vectors again, from the disk"):
        EmbedOnce(TextEmbedder()).prepare([embedded_texts(run, LABELS)])
    with timed(seconds, "metrics and their chance"):
        metrics = compute_metrics(run, embed, embedder.name, LABELS)
    bootstrap = Bootstrap([item.recording_id for item in items], arguments.resamples, arguments.seed)
    with timed(seconds, f"values and intervals of {len(metrics)} metrics, one reading"):
        for metric in metrics.values():
            interval_of(metric.strict, metric.rows, bootstrap, CONFIDENCE)
    with tempfile.TemporaryDirectory() as folder, timed(seconds, "eval/score.py, whole, with the question-only control"):
        path, csv = Path(folder) / PREDICTIONS, Path(folder) / "labels.csv"
        write_jsonl(path, (prediction_line(item, text) for item, text in zip(items, texts, strict=True)))
        write_text(csv, "index,mid,display_name\n" + "".join(f"{i},/m/{i},{label}\n" for i, label in enumerate(LABELS)))
        questions = EvaluationSet(items, "synthetic", None, None, DataRoot(Path(folder)))
        settings = ScoreSettings(arguments.resamples, arguments.seed)
        score_run(path, questions, embedder, embedder.name, csv, settings)
    write_json(
        arguments.out,
        {"goal_s": GOAL_S, "items": len(items), "resamples": arguments.resamples, "seconds": seconds,
         "recordings": bootstrap.recordings} | provenance(arguments.seed),
    )  # fmt: skip
    print(f"written: {arguments.out}; goal: the whole in under {GOAL_S:g} s")


if __name__ == "__main__":
    with door():
        main(parse_arguments(BenchArguments, description=__doc__))
