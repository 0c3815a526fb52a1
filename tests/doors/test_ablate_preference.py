"""The comparison of preferences: each door knows its options, all trainings start from one model; it runs to the table."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from spatial_llm import workflow
from spatial_llm.settings import read_yaml
from tests.doors.test_recipes import run
from tests.doors.test_train_tiny import SMALL, given, merged, small_configs, understood

__all__ = ["given"]  # the fixture: clips of two classes

CONFIGS = Path("recipes/configs/preference/tiny")
KINDS = ("finetuned", "dpo", "grpo")


def test_every_stage_is_understood_by_its_door(repository: Path, given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[workflow.Stage] = []
    monkeypatch.chdir(repository)
    monkeypatch.setattr(workflow, "run_stages", made.extend)
    monkeypatch.setattr(sys, "argv", ["ablate_preference", given[0], "--seeds=[0, 1]", "--steps=7"])
    runpy.run_path("recipes/ablate_preference.py", run_name="__main__")
    # Sounds, scenes, questions, two files of pairs; a model, its answers; three kinds trained, answered, scored, compared.
    assert len(made) == 5 + 2 + 2 * (1 + 3 * 4) + 1
    taught, *trained = [stage for stage in made if stage.launch]
    assert "--start_from=tiny" in taught.command
    assert all(f"--start_from={taught.folder / 'model'}" in stage.command for stage in trained)
    assert len(trained) == 6 and all("--schedule.steps=7" in stage.command for stage in trained)
    assert sum(stage.folder.name == "before" for stage in made) == 1, "one model before, answered once"
    pairs = [stage for stage in made if stage.command[0] == "-m"]
    assert [stage.command[2] for stage in pairs] == ["pairs", "pairs"]
    assert len({(stage.folder, stage.marker) for stage in made}) == len(made), "each has a marker of its own"
    assert len(understood([stage for stage in made if stage not in pairs], monkeypatch)) == 9


def test_the_control_learns_as_much_as_dpo_from_the_same_model(repository: Path) -> None:
    control, dpo, grpo = (read_yaml(repository / CONFIGS / f"{kind}.yaml").content for kind in KINDS)
    assert control["schedule"] == dpo["schedule"]
    assert control["start_from"] == dpo["start_from"] == grpo["start_from"] == "tiny", "unless the recipe says otherwise"


@pytest.mark.slow  # some twenty processes
def test_small_it_runs_to_the_table(repository: Path, given: list[str], tmp_path: Path) -> None:
    schedule = {"schedule": {"steps": 2, "batch_size": 4, "log_every": 1}}
    small = {"scenes": merged(SMALL["scenes"], {"simulation": {"scenes": {"duration_s": 2.0}}}), "questions": {},
             **dict.fromkeys(("taught", *KINDS), schedule)}  # fmt: skip
    options = small_configs(repository, CONFIGS, tmp_path / "configs", small)
    runs = tmp_path / "runs"
    options += [given[0], f"--runs={runs}", "--seeds=[0, 1]", "--until=scores"]
    done = run(repository, "recipes/ablate_preference.py", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    scores = {path.parent.name: json.loads(path.read_text()) for path in (runs / "scores").glob("*/scores.json")}
    assert sorted(scores) == sorted(f"{kind}-{seed}" for kind in ("before", *KINDS) for seed in (0, 1))
    assert len({one["provenance"]["manifest_sha256"] for one in scores.values()}) == 1
    assert scores["before-0"]["metrics"] == scores["before-1"]["metrics"]
    for kind in KINDS:
        assert "rgi" in json.loads((runs / "compared" / f"{kind}-0" / "compare.json").read_text())
