"""YAML files found by name: every one, for the command that can read it and no other; paths as they always were."""

import configparser
import os
from pathlib import Path

import pytest

from spatial_llm.commands.questions import QuestionsArguments
from spatial_llm.commands.simulate import SimulateArguments
from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.predicting.tasks import read_task
from spatial_llm.named_yamls import FOLDERS, find_yaml, named_yamls, yaml_root
from spatial_llm.ranges import field_types
from spatial_llm.settings import parse_arguments, read_yaml
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.finetune.arguments import BatArguments

KINDS = (SimulateArguments, QuestionsArguments, EncoderArguments, BatArguments)


def test_every_file_has_a_name_and_each_kind_of_settings_finds_one_file_of_a_name():
    files = [path for folder in FOLDERS for path in (yaml_root() / folder).rglob("*.yaml")]
    named = list(named_yamls())
    assert {path for _, path in named} == set(files) and len(files) > 80
    for kind in KINDS:
        fitting = [name for name, path in named if set(read_yaml(path).content) <= set(field_types(kind))]
        assert len(fitting) == len(set(fitting)) > 0, kind


def test_the_wheel_is_told_of_every_folder(repository):
    told = configparser.ConfigParser()
    told.read(repository / "setup.cfg")
    packages = {f"spatial_llm.yamls.{folder.replace('/', '.')}" for folder in FOLDERS}
    data = {name for name in told["options.package_data"] if name.startswith("spatial_llm.yamls.")}
    assert data == packages
    assert f"FOLDERS = {FOLDERS!r}".replace("'", '"') in (repository / "setup.py").read_text()


def test_a_name_is_the_file_of_the_command_that_asks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scenes = parse_arguments(SimulateArguments, ["--output", "x", "--config", "demo"])
    assert scenes == parse_arguments(
        SimulateArguments, ["--output", "x", "--config", str(yaml_root() / "data/configs/demo.yaml")]
    )
    assert parse_arguments(BatArguments, ["--config", "demo"]).start_from == "tiny"
    assert parse_arguments(BatArguments, ["--config=demo_train/bat"]).run_folder == "runs/demo_train/bat"
    assert parse_arguments(BatArguments, [], default_config="demo").start_from == "tiny"
    # A file that includes others, and one that includes across folders.
    assert parse_arguments(EncoderArguments, ["--config", "dspast_no_attention", "--train_manifest", "t", "--eval_manifest",
                                              "e"]).model["feature_attention"] is False  # fmt: skip
    assert (
        read_task("spatialsoundqa").name == "spatialsoundqa" and read_task("fusion/tiny/task").questions.format == "manifest"
    )


def test_a_path_stays_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").write_text("start_from: mine\n")
    assert find_yaml("demo", lambda _: True) == Path("demo"), "a file of that path wins"
    assert find_yaml("none.yaml", lambda _: True) == Path("none.yaml"), "whoever reads it says that it is missing"
    assert find_yaml(os.devnull + ".yml", lambda _: True) == Path(os.devnull + ".yml")
    inside = find_yaml("data/configs/demo.yaml", lambda _: True)
    assert inside == yaml_root() / "data/configs/demo.yaml", "as the documents name it"
    (tmp_path / "data/configs").mkdir(parents=True)
    (tmp_path / "data/configs/demo.yaml").write_text("{}")
    assert find_yaml("data/configs/demo.yaml", lambda _: True) == Path("data/configs/demo.yaml")
    outside = "eval/tasks/../../data/none.yaml"
    assert find_yaml(outside, lambda _: True) == Path(outside)


def test_an_unknown_name_lists_those_that_fit():
    with pytest.raises(SpatialLLMError, match=r"^dem: no such file, .*; did you mean demo\? Give .*\bdemo_train\b"):
        parse_arguments(SimulateArguments, ["--output", "x", "--config", "dem"])
    with pytest.raises(SpatialLLMError, match=r"^spatial: no such file, and no task .*mmau_pro_spatial, ours, ") as at:
        read_task("spatial")
    assert "common/" not in str(at.value), "what other tasks include is none"
    with pytest.raises(SpatialLLMError, match=r"all_families: .* is no config of this command\. Give .* demo"):
        parse_arguments(SimulateArguments, ["--output", "x", "--config", "all_families"])


def test_a_package_without_its_files_still_says_what_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr("spatial_llm.named_yamls._PACKAGE", tmp_path / "spatial_llm")
    with pytest.raises(SpatialLLMError, match=r"^demo: no such file.*Give the path of a YAML file\.$"):
        find_yaml("demo", lambda _: True)
    (tmp_path / "spatial_llm/yamls/eval/tasks").mkdir(parents=True)
    (tmp_path / "spatial_llm/yamls/eval/tasks/mine.yaml").write_text("{}")
    assert find_yaml("mine", lambda _: True) == tmp_path / "spatial_llm/yamls/eval/tasks/mine.yaml", "as in a wheel"
