"""The comparison of objectives and the door of retrieval: stages are understood, kinds differ in one thing."""

import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from spatial_llm import workflow
from spatial_llm.evaluation.scoring.seeds import REPORTS
from spatial_llm.files import sha256_of
from spatial_llm.settings import read_yaml
from spatial_llm.training.encoder.objectives import OBJECTIVES, read_objective
from tests.doors.test_recipes import run
from tests.doors.test_train_tiny import SMALL, given, merged, small_configs, understood

__all__ = ["given"]  # the fixture: clips of two classes

CONFIGS = Path("recipes/configs/alignment/tiny")


def stages(monkeypatch: pytest.MonkeyPatch, repository: Path, *options: str) -> list[workflow.Stage]:
    made: list[workflow.Stage] = []
    monkeypatch.chdir(repository)
    monkeypatch.setattr(workflow, "run_stages", made.extend)
    monkeypatch.setattr(sys, "argv", ["ablate_alignment", *options])
    runpy.run_path("recipes/ablate_alignment.py", run_name="__main__")
    return made


def test_every_stage_is_understood_by_its_door(repository: Path, given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made = stages(monkeypatch, repository, given[0], "--seeds=[0, 1]")
    assert len(made) == 4 + 2 + 2 * 5 * 7 + 1
    commands = [stage for stage in made if stage.command[0] == "-m"]
    assert [stage.command[2] for stage in commands] == ["parts"]
    doors = understood([stage for stage in made if stage not in commands], monkeypatch)
    assert len(doors) == 10
    assert len({(stage.folder, stage.marker) for stage in made}) == len(made), "each has a marker of its own"


def test_without_clips_it_takes_the_simulators_own_sounds(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = stages(monkeypatch, repository, "--kinds=[both, teacher]", "--seeds=[3]", "--steps=7", "--answer_steps=9",
                  "--until=scores")  # fmt: skip
    assert len(made) == 3 + 2 + 2 * 7
    assert not any("index.csv" in part for stage in made for part in stage.command)
    encoders = [s for s in made if "recipes/train_encoder.py" in s.command and s.folder.parent.name == "encoders"]
    assert all("--schedule.steps=7" in stage.command for stage in encoders) and len(encoders) == 2
    assert "--objective.teacher=runs/alignment/parts/language_model" in encoders[1].command
    (answers, _) = [stage for stage in made if "recipes/finetune_bat.py" in stage.command]
    assert "--schedule.steps=9" in answers.command
    manifests = {part for stage in encoders for part in stage.command if part.startswith("--train_manifest")}
    assert manifests == {"--train_manifest=runs/alignment/data/train.jsonl"}
    assert "--train_manifest=runs/alignment/answers/train.jsonl" in answers.command, "no encoder was trained on these"


def test_until_encoders_makes_nothing_for_answers_and_what_comes_later_reuses_all_of_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = "--kinds=[both, teacher]", "--seeds=[0]"
    some, all_of_it = (stages(monkeypatch, repository, *options, f"--until={until}") for until in ("encoders", "scores"))
    assert len(some) == 3 + 2 * 4 and not any("answer" in str(stage.folder) for stage in some)
    assert {stage.fingerprint() for stage in some} < {stage.fingerprint() for stage in all_of_it}


def test_the_kinds_differ_in_their_objective_and_in_nothing_else(repository: Path) -> None:
    configs = {kind: read_yaml(repository / CONFIGS / f"{kind}.yaml").content for kind in OBJECTIVES}
    objectives = {kind: read_objective(config.pop("objective", None)) for kind, config in configs.items()}
    assert all(objective.name == kind for kind, objective in objectives.items())
    assert len({one.supervised_weight for kind, one in objectives.items() if kind != "supervised"}) == 1
    rest = [{key: value for key, value in config.items() if key != "run_folder"} for config in configs.values()]
    assert all(one == rest[0] for one in rest)


@pytest.mark.slow  # some twenty processes
def test_small_it_runs_to_the_table(repository: Path, tmp_path: Path) -> None:
    kinds = ("supervised", "both")
    sounds = {"synthesized_train": 3, "synthesized_eval": 2, "synthesized_classes": ["alarm", "bird"]}
    scenes = merged(SMALL["scenes"], {"simulation": {"scenes": {"duration_s": 2.0}, "sounds": sounds}})
    scenes["simulation"]["eval"] = {"rooms": 2, "clips_one_source": 24, "clips_two_sources": 8}
    schedule = {"steps": 2, "batch_size": 4}
    encoder = {"model": {"num_hidden_layers": 1}, "schedule": schedule}
    asked = merged(scenes, {"simulation": {"seed": 2, "eval": {"rooms": 1, "clips_one_source": 1, "clips_two_sources": 0}}})
    small = {"scenes": scenes, "answer_scenes": asked, "questions": {}, "supervised": encoder, "both": encoder,
             "projection": {"schedule": schedule}, "bat": {"schedule": schedule}}  # fmt: skip
    options = small_configs(repository, CONFIGS, tmp_path / "configs", small)
    runs = tmp_path / "runs"
    options += [f"--runs={runs}", "--seeds=[0, 1]", f"--kinds={list(kinds)}"]
    done = run(repository, "recipes/ablate_alignment.py", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    table = (runs / "seeds.md").read_text()
    assert all(f"| {kind}" in table for kind in kinds) and table.strip() in done.stdout
    compared = json.loads((runs / "seeds.json").read_text())["kinds"]["both"]
    assert set(compared) == {name for metrics in REPORTS.values() for name in metrics}
    again = run(repository, "recipes/ablate_alignment.py", *options)
    assert again.returncode == 0 and again.stdout.count("reused") == 3 + 2 + 2 * 2 * 7 + 1
    check_retrieval(repository, runs, tmp_path)


def check_retrieval(repository: Path, runs: Path, out: Path) -> None:
    """The report of one run, and what the door refuses."""
    manifest, model = runs / "data" / "eval.jsonl", runs / "text" / "both-0" / "model"
    report = json.loads((runs / "scores" / "both-0" / "retrieval.json").read_text())
    assert report["provenance"]["manifest_sha256"] == sha256_of(manifest) and report["recordings"] == 24
    assert set(report["provenance"]["model_sha256"]) == {"model.safetensors", "text_projection.safetensors"}
    assert len(report["metrics"]) == 12
    assert all(0 <= one["low"] <= one["value"] <= one["high"] <= 100 for one in report["metrics"].values())

    def door(model: Path, *options: str) -> subprocess.CompletedProcess:
        return run(repository, "eval/retrieve.py", f"--model={model}", f"--data={manifest}", f"--out={out / 'r'}", *options)

    first = door(model, "--resamples=20", f"--manifest_sha256={sha256_of(manifest)}")
    assert first.returncode == 0, first.stderr
    values = {name: one["value"] for name, one in json.loads((out / "r" / "retrieval.json").read_text())["metrics"].items()}
    assert values == {name: one["value"] for name, one in report["metrics"].items()}, "equal data, equal scores"
    other = door(model, f"--manifest_sha256={'0' * 64}")
    assert other.returncode == 1 and "another manifest" in other.stderr
    without = door(runs / "encoders" / "supervised-0" / "model")
    assert without.returncode == 1 and "--trains text" in without.stderr
