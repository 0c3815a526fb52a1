"""The comparison of fusions: each door knows its options, the kinds differ in one thing; small, it runs to the table."""

import runpy
import sys
from pathlib import Path

import pytest
import yaml

from spatial_llm import workflow
from spatial_llm.encoders import SpatialASTConfig
from spatial_llm.model import SpatialLLM
from spatial_llm.projectors.settings import projector_config
from spatial_llm.settings import read_yaml
from tests.doors.test_recipes import run
from tests.doors.test_train_tiny import SMALL, given, merged, small_configs, understood

__all__ = ["given"]  # the fixture: clips of two classes

CONFIGS = Path("recipes/configs/fusion/tiny")
KINDS = {"fusions": 6, "projectors": 6, "compression": 10, "codes": 3}
SCHEDULE = {"steps": 2, "batch_size": 4}


@pytest.mark.parametrize("compare", ["fusions", *(pytest.param(one, marks=pytest.mark.slow) for one in list(KINDS)[1:])])
def test_every_stage_is_understood_by_its_door(
    compare: str, repository: Path, given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[workflow.Stage] = []
    monkeypatch.chdir(repository)
    monkeypatch.setattr(workflow, "run_stages", made.extend)
    monkeypatch.setattr(sys, "argv", ["ablate_fusion", given[0], f"--compare={compare}", "--seeds=[0, 1]"])
    runpy.run_path("recipes/ablate_fusion.py", run_name="__main__")
    second = 2 if compare == "fusions" else 0
    assert len(made) == 4 + second + 2 * KINDS[compare] * 3 + 1
    commands = [stage for stage in made if stage.command[0] == "-m"]
    assert [stage.command[2] for stage in commands] == ["parts", "join-encoders"][: 1 + second // 2]
    doors = understood([stage for stage in made if stage not in commands], monkeypatch)
    assert len(doors) == 7 + second // 2


def test_the_kinds_differ_in_what_they_are_compared_for_and_in_nothing_else(repository: Path) -> None:
    kinds = runpy.run_path(str(repository / "recipes/ablate_fusion.py"))["COMPARISONS"]
    configs = {path.stem: read_yaml(path).content for path in (repository / CONFIGS).glob("*.yaml")}
    for compare, part in (("fusions", "fusion"), ("projectors", "projector"), ("compression", None)):
        files = {file: dict(configs[file]) for file, _ in kinds[compare].values()}
        compared = [config.pop(part) for config in files.values() if part]
        assert len({str(one) for one in compared}) == len(compared), "no two alike"
        rest = [{key: value for key, value in one.items() if key != "run_folder"} for one in files.values()]
        assert all(one == rest[0] for one in rest)
    options = [tuple(options) for _, options in kinds["compression"].values()]
    assert len(set(options)) == len(options)


def test_codes_are_compared_at_an_equal_budget(repository: Path) -> None:
    kinds = runpy.run_path(str(repository / "recipes/ablate_fusion.py"))["COMPARISONS"]["codes"]
    layout = SpatialLLM.from_pretrained("tiny").model.encoder.config.token_layout
    tokens, rest = {}, []
    for kind, (file, options) in kinds.items():
        content = read_yaml(repository / CONFIGS / f"{file}.yaml").content
        changed = {name: yaml.safe_load(value) for name, _, value in (one[12:].partition("=") for one in options)}
        tokens[kind] = projector_config(content.pop("projector") | changed, layout).num_tokens(layout)
        rest.append({key: value for key, value in content.items() if key != "run_folder"})
    assert set(tokens.values()) == {6}
    assert all(one == rest[0] for one in rest)


def test_the_second_encoder_has_the_grid_of_the_first(repository: Path) -> None:
    second = SpatialASTConfig(**read_yaml(repository / CONFIGS / "spatial_ast.yaml").content["model"])
    first = SpatialLLM.from_pretrained("tiny").model.encoder.config
    assert second.token_layout.grid == first.token_layout.grid
    assert (second.window_samples, second.sampling_rate) == (first.window_samples, first.sampling_rate)


def test_the_number_of_steps_can_be_given(repository: Path, given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[workflow.Stage] = []
    monkeypatch.chdir(repository)
    monkeypatch.setattr(workflow, "run_stages", made.extend)
    monkeypatch.setattr(sys, "argv", ["ablate_fusion", given[0], "--kinds=[lal]", "--seeds=[0]", "--steps=7"])
    runpy.run_path("recipes/ablate_fusion.py", run_name="__main__")
    (trained,) = [stage for stage in made if "recipes/finetune_bat.py" in stage.command]
    assert "--schedule.steps=7" in trained.command


@pytest.mark.slow  # some twenty processes
def test_small_it_runs_to_the_table(repository: Path, given: list[str], tmp_path: Path) -> None:
    kinds = ("prefix", "lal_two_encoders")
    # The recordings are those of the shipped encoder, 2 s long.
    scenes = merged(SMALL["scenes"], {"simulation": {"scenes": {"duration_s": 2.0}}})
    one_layer = {"model": {"num_hidden_layers": 1}, "schedule": SCHEDULE}
    small = {"scenes": scenes, "questions": {}, "spatial_ast": one_layer, "prefix": {"schedule": SCHEDULE}}
    small["lal"] = small["prefix"]
    options = small_configs(repository, CONFIGS, tmp_path / "configs", small)
    runs = tmp_path / "runs"
    options += [given[0], f"--runs={runs}", "--seeds=[0, 1]",
               f"--kinds={list(kinds)}"]  # fmt: skip
    done = run(repository, "recipes/ablate_fusion.py", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    table = (runs / "fusions" / "seeds.md").read_text()
    assert all(f"| {kind}" in table for kind in kinds) and table.strip() in done.stdout
    model = SpatialLLM.from_pretrained(runs / "fusions" / "lal_two_encoders-0" / "model").model
    assert [one.config.model_type for one in model.encoder.encoders] == ["dspast", "spatial_ast"]
    assert model.fusion.name == "lal" and model.config.projector_config.encoder_hidden_size == 2 * 192
    assert SpatialLLM.from_pretrained(runs / "fusions" / "prefix-0" / "model").model.encoder.config.model_type == "dspast"
