"""The comparison of ways to write times: each door knows its options, no two kinds are alike; it runs to the scores."""

import json
import runpy
import sys
from pathlib import Path

import pytest

from spatial_llm import workflow
from spatial_llm.model import SpatialLLM
from tests.doors.test_recipes import run
from tests.doors.test_train_tiny import SMALL, given, merged, small_configs, understood

__all__ = ["given"]  # the fixture: clips of two classes

CONFIGS = Path("recipes/configs/time/tiny")


def test_every_stage_is_understood_by_its_door(repository: Path, given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[workflow.Stage] = []
    monkeypatch.chdir(repository)
    monkeypatch.setattr(workflow, "run_stages", made.extend)
    monkeypatch.setattr(sys, "argv", ["ablate_time", given[0], "--seeds=[0, 1]", "--steps=7"])
    kinds = runpy.run_path("recipes/ablate_time.py", run_name="__main__")["KINDS"]
    assert len(made) == 4 + 2 * len(kinds) * 4 + 2
    trained = [stage for stage in made if "recipes/finetune_bat.py" in stage.command]
    assert all("--schedule.steps=7" in stage.command for stage in trained)
    options = {frozenset(option for option in stage.command if "time_" in option) for stage in trained}
    assert len(trained) == 2 * len(kinds) and len(options) == len(kinds), "no two kinds alike"
    assert set().union(*options) == {
        "--time_tokens=digits", "--time_tokens=absolute", "--longest_time_s=2.0", "--time_weight=5.0",
    }  # fmt: skip
    assert len(understood([stage for stage in made if stage.command[0] != "-m"], monkeypatch)) == 8


@pytest.mark.slow  # some twenty processes
def test_small_it_runs_to_the_scores(repository: Path, given: list[str], tmp_path: Path) -> None:
    kinds = ["vocabulary", "absolute_weighted"]
    # The recordings are those of the shipped encoder, 2 s long, with sounds that begin and end within them.
    times = {"duration_s": 2.0, "onset_s": [0.0, 1.3], "sound_s": [0.3, 1.2]}
    small = {"scenes": merged(SMALL["scenes"], {"simulation": {"scenes": times}}), "questions": {},
             "base": {"schedule": {"steps": 2, "batch_size": 4}}}  # fmt: skip
    options = small_configs(repository, CONFIGS, tmp_path / "configs", small)
    runs = tmp_path / "runs"
    options += [given[0], f"--runs={runs}", "--seeds=[0, 1]",
               f"--kinds={kinds}", "--until=scores"]  # fmt: skip
    done = run(repository, "recipes/ablate_time.py", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    for table in ("spans", "events"):
        found = {path.parent.name: json.loads(path.read_text()) for path in (runs / table / "scores").glob("*/scores.json")}
        assert sorted(found) == sorted(f"{kind}-{seed}" for kind in kinds for seed in (0, 1))
        assert len({scores["provenance"]["manifest_sha256"] for scores in found.values()}) == 1
    times = SpatialLLM.from_pretrained(runs / "models" / "absolute_weighted-0" / "model").model.config.time_tokens
    assert times == {"form": "absolute", "longest_s": 2.0}
    assert SpatialLLM.from_pretrained(runs / "models" / "vocabulary-0" / "model").model.config.time_tokens is None
