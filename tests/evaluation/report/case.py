"""A small scored evaluation that the report's tests share: simulated scenes, questions, answers right and wrong, scores.

The scores are counted here from the items by plain means, in the schema of scores.json; the intervals are made up (five
points to either side), for a report prints them and computes none of them.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.data.records import Record, write_manifest
from spatial_llm.evaluation.published import published_scores
from spatial_llm.files import sha256_of, write_json
from spatial_llm.geometry import direction_to_vector, region_distance_deg, wrap_azimuth_deg
from spatial_llm.jsonl import write_jsonl
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.types import format_value, parse_value
from spatial_llm.scenes.scene import Noise, Scene, SceneTruth, Source, SourceTruth, direction_of
from tests.scenes.small import LISTENER, RATE, ROOM, position

LABELS = ("engine", "bell", "bark")
INJECTED = '<script>alert("x")</script> & "where" is `it`|?'
UNREADABLE = "I cannot tell </dd><b>"


def write_case(folder: Path, recordings: int = 24) -> tuple[Path, Path]:
    """Writes data/eval.jsonl and scores/{scores.json, items.jsonl} into `folder`; returns manifest and folder of scores."""
    rng = np.random.default_rng(0)
    records = [record for number in range(recordings) for record in _records(number, rng)]
    records[1] = replace(records[1], question=INJECTED)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    manifest = folder / "data" / "eval.jsonl"
    write_manifest(manifest, records)
    lines = [item_line(record, _answer(record, rng)) for record in records]
    write_jsonl(folder / "scores" / "items.jsonl", lines)
    write_json(folder / "scores" / "scores.json", scores_of(lines, sha256_of(manifest)))
    return manifest, folder / "scores"


def _scene(number: int, rng: np.random.Generator) -> Scene:
    count = 1 + number % 2
    places = [position(float(rng.uniform(10, 80) + 90 * rng.integers(4)), float(rng.uniform(8, 25)),
                       float(rng.uniform(0.8, 1.6))) for _ in range(count)]  # fmt: skip
    labels = [LABELS[(number + index) % 3] for index in range(count)]
    sources = tuple(Source(label, f"synth:{label}/{number}", place) for label, place in zip(labels, places, strict=True))
    truths = []
    for place in places:
        azimuth_deg, elevation_deg, distance_m = (round(each, 4) for each in direction_of(LISTENER, place))
        truths.append(SourceTruth(azimuth_deg, elevation_deg, distance_m, 0.0, 0.5, float(rng.normal(3, 4))))
    truth = SceneTruth(tuple(truths), rt60_s=float(rng.uniform(0.2, 0.8)), volume_m3=90.0)
    return Scene(f"scene{number}", "eval", number, 0.5, RATE, ROOM, LISTENER, sources, noise=Noise(snr_db=20.0), truth=truth)


def _records(number: int, rng: np.random.Generator) -> list[Record]:
    scene = _scene(number, rng)
    heard = HeardScene.from_scene(scene).sources
    labels = sorted(source.label for source in heard)
    asked = [
        ("A", "CLASSIFICATION", "What sounds?", {"labels": labels}) if len(heard) == 1 else
        ("E", "MIXUP_DIRECTION", f"Is the {heard[0].label} left of the {heard[1].label}?",
         {"yes": heard[0].xyz[1] > heard[1].xyz[1]}),
        ("B" if len(heard) == 1 else "D", "DOA" if len(heard) == 1 else "MIXUP_SINGLE_DOA",
         f"Where is the {heard[0].label}?", heard[0].location.to_dict()),
        ("azimuth", "AZIMUTH_DEG", f"At what azimuth is the {heard[0].label}?", {"azimuth_deg": heard[0].whole_azimuth_deg}),
    ]  # fmt: skip
    made = []
    for index, (kind, question_type, question, truth) in enumerate(asked):
        answer = format_value(question_type, truth)
        made.append(Record(f"q{number}-{index}", scene.id, kind, question_type, question, answer,
                           parse_value(question_type, answer), "eval", RATE, scene=scene))  # fmt: skip
    return made


def _answer(record: Record, rng: np.random.Generator) -> str:
    """Right in half of the cases. Of the first recording only the hostile question is answered wrong, and it cannot be read:
    so it is among the worst for sure."""
    if record.recording_id == "scene0":
        return UNREADABLE if record.question == INJECTED else record.answer
    lot, value = rng.uniform(), dict(record.truth)
    if lot < 0.5:
        return record.answer
    if lot < 0.55:
        return UNREADABLE
    if "left_right" in value:
        value |= {"front_behind": "behind" if value["front_behind"] == "front" else "front"}
        value |= {"distance_m": value["distance_m"] + float(rng.integers(0, 4)) / 2}
    elif "azimuth_deg" in value:
        value = {"azimuth_deg": float(wrap_azimuth_deg(round(value["azimuth_deg"] + rng.normal(0, 40))))}
    elif "yes" in value:
        value = {"yes": not value["yes"]}
    else:
        value = {"labels": [LABELS[(LABELS.index(value["labels"][0]) + 1) % 3]]}
    return format_value(record.question_type, value)


def item_line(record: Record, prediction: str) -> dict[str, Any]:
    """One line of items.jsonl."""
    strict, truth, scene = parse_value(record.question_type, prediction), record.truth, record.scene
    where = None
    if scene is not None and {"left_right", "azimuth_deg", "distance_m"} & truth.keys():
        known = scene.truth.sources[0]
        where = {"azimuth_deg": known.azimuth_deg, "elevation_deg": known.elevation_deg, "distance_m": known.distance_m}
    context = {"sources": None, "rt60_s": None, "drr_db": None, "snr_db": None, "labels": []}
    if scene is not None:
        context = {"sources": len(scene.sources), "rt60_s": scene.truth.rt60_s, "drr_db": scene.truth.sources[0].drr_db,
                   "snr_db": None if scene.noise is None else scene.noise.snr_db,
                   "labels": sorted({source.label for source in scene.sources})}  # fmt: skip
    names = ("id", "recording_id", "type", "question_type", "question", "answer")
    line = {name: getattr(record, name) for name in names} | {"prediction": prediction, "strict": strict, "lenient": strict}
    return line | {"refused": "cannot tell" in prediction, "measures": _measures(truth, strict, where), "where": where,
                   "context": context}  # fmt: skip


def _measures(truth: dict[str, Any], strict: dict[str, Any] | None, where: dict[str, float] | None) -> dict[str, Any]:
    axes = {"left_right", "front_behind", "above_below"}
    if not axes <= truth.keys():
        right = float(strict == truth)
    else:
        right = float(strict is not None and all(strict.get(axis) == truth[axis] for axis in axes))
    measures: dict[str, Any] = {"right": right}
    if strict is None:
        return measures
    if axes <= truth.keys() and axes <= strict.keys() and where is not None:
        signs = [
            1 if strict[axis] == word else -1
            for axis, word in (("front_behind", "front"), ("left_right", "left"), ("above_below", "above"))
        ]
        apart = region_distance_deg(direction_to_vector(where["azimuth_deg"], where["elevation_deg"]), signs)
        measures |= {"direction_right": right, "region_distance_deg": float(apart)}
    if "azimuth_deg" in truth and "azimuth_deg" in strict:
        measures["azimuth_error_deg"] = float(abs(wrap_azimuth_deg(truth["azimuth_deg"] - strict["azimuth_deg"])))
    if "distance_m" in truth and "distance_m" in strict:
        measures["distance_error_m"] = abs(truth["distance_m"] - strict["distance_m"])
    return measures


def scores_of(lines: Sequence[dict[str, Any]], manifest_sha256: str, benchmark: str | None = None) -> dict[str, Any]:
    """scores.json of some items: accuracies by question type, with controls, random and published rows."""
    metrics, names = {}, {"CLASSIFICATION": "A_mAP", "DOA": "B_direction_acc", "MIXUP_SINGLE_DOA": "D_direction_acc",
                          "MIXUP_DIRECTION": "E_direction_acc"}  # fmt: skip
    rows = list(published_scores())
    for question_type in sorted({line["question_type"] for line in lines}):
        mine = [line for line in lines if line["question_type"] == question_type]
        name = names.get(question_type, f"{question_type}_exact")
        value = 100 * float(np.mean([line["measures"]["right"] for line in mine]))
        unparsed = sum(line["strict"] is None for line in mine)
        protocol = "bat, all-MiniLM-L6-v2" if name.endswith("mAP") else "bat" if name[1] == "_" else "exact"
        published = [row.to_dict() | {"comparable": benchmark == row.benchmark and row.protocol == protocol}
                     for row in rows if row.metric == name]  # fmt: skip
        metrics[name] = _interval(value) | {
            "lenient": None if name.endswith("mAP") else _interval(min(100.0, value + 2)) | {"unparsed": unparsed},
            "n": len(mine), "recordings": len({line["recording_id"] for line in mine}), "unparsed": unparsed,
            "refused": sum(line["refused"] for line in mine), "unit": "%", "higher_is_better": True, "protocol": protocol,
            "rule": "share of right answers", "random": 25.0, "details": {}, "published": published,
        }  # fmt: skip
    return {
        "task": {"name": "toy", "version": 1, "sha256": "0" * 64}, "benchmark": benchmark, "items": len(lines),
        "recordings": len({line["recording_id"] for line in lines}), "confidence": 0.95, "resamples": 100, "seed": 0,
        "metrics": metrics, "controls_missing": [],
        "controls": {"no_audio": control_of(metrics, 20.0), "question_only": control_of(metrics, 30.0)},
        "random": "Expected score of a random answer.", "reading": "strict", "responses": {"simulated": "fixed"},
        "protocols": {"bat": "As BAT has it.", "exact": "The value itself."}, "unreadable_truths": {},
        "provenance": {"manifest_sha256": manifest_sha256, "seed": 0, "versions": {}, "git_hash": None},
        "run": {"decoding": {"num_beams": 1, "max_new_tokens": 200}, "manifest_sha256": manifest_sha256},
    }  # fmt: skip


def control_of(metrics: dict[str, Any], value: float) -> dict[str, Any]:
    """A control that scores `value` on every metric."""
    return {
        "from": "model", "recordings": 12, "note": "",
        "metrics": {
            name: _interval(value) | {"n": entry["n"], "unparsed": 0, "same_items": _interval(entry["value"])}
            for name, entry in metrics.items()
        },
    }  # fmt: skip


def _interval(value: float) -> dict[str, float]:
    return {"value": value, "low": max(0.0, value - 5), "high": min(100.0, value + 5)}
