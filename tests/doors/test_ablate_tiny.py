"""The ablation's recipe: each door knows its options; small, it runs from sounds to the table."""

import runpy
import sys
from pathlib import Path

import pytest

from spatial_llm import workflow
from spatial_llm.settings import read_yaml
from tests.doors.test_recipes import run
from tests.doors.test_train_tiny import SMALL, given, merged, small_configs, understood

__all__ = ["given"]  # the fixture: clips of two classes

KINDS = ("spatial_ast", "dspast", "dspast_original_cues", "dspast_no_attention")
CONFIGS = Path("recipes/configs/ablation")


def test_every_stage_is_understood_by_its_door(repository: Path, given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[workflow.Stage] = []
    monkeypatch.chdir(repository)
    monkeypatch.setattr(workflow, "run_stages", made.extend)
    monkeypatch.setattr(sys, "argv", ["ablate_tiny", given[0]])
    runpy.run_path("recipes/ablate_tiny.py", run_name="__main__")
    assert len(made) == 3 + 2 * 4 * 3 + 1
    assert len(understood(made, monkeypatch)) == 6


def test_the_kinds_differ_in_what_they_are_compared_for_and_in_nothing_else(repository: Path) -> None:
    configs = {kind: read_yaml(repository / CONFIGS / f"{kind}.yaml").content for kind in KINDS}
    for config in configs.values():
        del config["run_folder"]
        assert config["model"]["cues"] == config["model"].pop("normalized_cues")
    cues = {kind: set(config["model"].pop("cues")) for kind, config in configs.items()}
    assert cues.pop("dspast") - cues["spatial_ast"] == {"gcc_phat"} and len({*map(frozenset, cues.values())}) == 1
    assert configs["dspast_no_attention"]["model"].pop("feature_attention") is False
    assert configs["spatial_ast"].pop("model_type") == "spatial_ast"
    assert {configs[kind].pop("model_type") for kind in KINDS[1:]} == {"dspast"}
    assert all(config == configs["dspast"] for config in configs.values()), "the same sizes, steps and data"


@pytest.mark.slow  # twenty processes
def test_small_it_runs_to_the_table(repository: Path, given: list[str], tmp_path: Path) -> None:
    small = {**dict.fromkeys(KINDS, SMALL["encoder"]), "scenes": SMALL["scenes"], "questions": {}}
    small["scenes"] = merged(
        small["scenes"], {"simulation": {"train": {"clips_two_sources": 0}, "eval": {"clips_two_sources": 0}}}
    )
    options = small_configs(repository, CONFIGS, tmp_path / "configs", small)
    runs = tmp_path / "runs"
    options += [given[0], f"--runs={runs}", "--seeds=[0, 1]"]
    done = run(repository, "recipes/ablate_tiny.py", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    table = (runs / "seeds.md").read_text()
    assert all(f"| {kind}" in table for kind in KINDS) and table.strip() in done.stdout
