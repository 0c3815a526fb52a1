"""SPUR's six families as one task: its questions about simulated scenes are all written, and eval/score.py scores them."""

import json
import runpy
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatial_llm.commands.questions import QuestionsArguments
from spatial_llm.data.checks import check_files
from spatial_llm.data.records import read_manifest
from spatial_llm.data.simulate.questions import write_questions
from spatial_llm.data.simulate.scene_sampling import DrawConfig
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig, simulate
from spatial_llm.evaluation.metrics import compute_metrics, read_answers
from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
from spatial_llm.evaluation.predicting.predictions import PREDICTIONS, prediction_line
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.jsonl import write_jsonl
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.settings import parse_arguments

SIX = {
    "direction": {"AZIMUTH_DEG", "AZIMUTH_CLOCK", "WRONG_PLACE"},
    "elevation": {"ELEVATION_DEG"},
    "distance": {"DISTANCE", "NEAREST", "FARTHEST"},
    "overlap": {"OVERLAP"},
    "grouping and relation": {"SAME_CLASS", "RELATION_LEFT", "RELATION_RIGHT", "RELATION_FRONT", "RELATION_BEHIND"},
    "rotated scene": {"ROTATED", "ROTATED_AZIMUTH"},
}


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    """Forty scenes with two short sounds each, asked about as data/configs/spur_questions.yaml says."""
    folder = tmp_path_factory.mktemp("spur")
    config = SimulationConfig(
        scenes=DrawConfig(duration_s=3.0, onset_s=(0.0, 2.0), sound_s=(0.5, 1.2), same_class_share=0.25),
        room=RoomConfig(
            positions_per_room=6, max_order=0, duration_s=0.1, absorption=(0.8, 0.9), ray_tracing=False, axis_margin_deg=15.0
        ),
        train=SplitConfig(rooms=1, clips_one_source=0, clips_two_sources=1),
        eval=SplitConfig(rooms=3, clips_one_source=0, clips_two_sources=40),
        sounds=SoundsConfig(synthesized_train=2, synthesized_eval=2),
    )
    simulate(config, folder, progress=False)
    asked = ["--config", str(repository / "data/configs/spur_questions.yaml"), "--data", str(folder)]
    write_questions(folder, parse_arguments(QuestionsArguments, asked).writing, progress=False)
    return folder / "eval.jsonl"


def test_every_one_of_the_six_is_asked(manifest: Path) -> None:
    check_files([manifest])
    records = read_manifest(manifest)
    assert {record.question_type for record in records} == set().union(*SIX.values())
    overlaps = [record for record in records if record.question_type == "OVERLAP"]
    for record in overlaps:  # as the scene's own truth lists them
        pairs = {frozenset((each.first, each.second)) for each in record.scene.truth.overlaps}
        assert record.truth == {"yes": frozenset(record.about.sources) in pairs}
    said = Counter(record.answer for record in overlaps)
    assert min(said["Yes"], said["No"]) >= 3 and abs(said["Yes"] - said["No"]) <= 1


def test_the_task_scores_every_one_of_the_six(manifest: Path, repository: Path) -> None:
    records, task = read_manifest(manifest), read_task(repository / "eval/tasks/spur.yaml")
    metrics = compute_metrics(read_answers(records, [record.answer for record in records]), None)
    shown = {name: metric for name, metric in metrics.items() if metric.protocol in task.protocols}
    for kind in set().union(*SIX.values()):
        exact = shown[f"{kind}_exact"].strict
        assert exact(np.ones((1, exact.items)))[0] == 100.0, kind


def scored(manifest: Path, out: Path, texts: list[str], repository: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What eval/score.py writes of predictions with these texts."""
    questions = read_evaluation_set(manifest)
    out.mkdir()
    write_jsonl(out / PREDICTIONS, [prediction_line(*pair) for pair in zip(questions.items, texts, strict=True)])
    options = {"task": "spur", "predictions": out / PREDICTIONS, "data": manifest, "out": out, "resamples": 20}
    monkeypatch.setattr(sys, "argv", ["score", *(f"--{name}={value}" for name, value in options.items())])
    runpy.run_path(str(repository / "eval/score.py"), run_name="__main__")
    return json.loads((out / "scores.json").read_text())


@pytest.mark.slow  # three seconds, most of them for the embedding that every task names
def test_its_own_truth_is_right_in_full_and_shuffled_answers_are_not(
    manifest: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = read_manifest(manifest)
    answers = [record.answer for record in records]
    right = scored(manifest, tmp_path / "right", answers, repository, monkeypatch)
    assert right["task"]["name"] == "spur" and right["items"] == len(records) > 200
    for name, metric in right["metrics"].items():
        best = 100 if metric["unit"] == "%" else 1
        best = 50 if name.endswith("yes_rate") else best if metric["higher_is_better"] else 0
        assert metric["value"] == pytest.approx(best), name
    shuffled = list(answers)
    rng = np.random.default_rng(0)
    for kind in set().union(*SIX.values()):  # among the questions of one type, so that all of them still parse
        rows = [row for row, record in enumerate(records) if record.question_type == kind]
        for row, other in zip(rows, rng.permutation(rows), strict=True):
            shuffled[row] = answers[other]
    wrong = scored(manifest, tmp_path / "wrong", shuffled, repository, monkeypatch)
    for family, kinds in SIX.items():
        exact = {kind: (right["metrics"][f"{kind}_exact"], wrong["metrics"][f"{kind}_exact"]) for kind in kinds}
        assert all(best["value"] == 100 and best["n"] == worse["n"] for best, worse in exact.values()), family
        assert any(worse["value"] < 80 for _, worse in exact.values()), family
