"""Models that come with the package: found by name, loaded as float32, listed where a name leads nowhere."""

import configparser

import numpy as np
import pytest
import soundfile
import torch

import spatial_llm.shipped
from spatial_llm import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.cli import main
from spatial_llm.errors import CheckpointError
from spatial_llm.evaluation.predicting.predict import model_sha256
from spatial_llm.shipped import find_model, is_shipped, shipped_models
from spatial_llm.testing import tiny_config, tiny_processor


def save(folder, seed, dtype=torch.float32):
    torch.manual_seed(seed)
    model = SpatialLLMForConditionalGeneration(tiny_config("spatial_llm")).to(dtype)
    SpatialLLM(model, tiny_processor()).save_pretrained(folder)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package that ships the model "toy", stored in float16; the current folder is an empty one."""
    save(tmp_path / "package" / "toy", 0, torch.float16)
    (tmp_path / "package" / "recordings").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(spatial_llm.shipped, "_HERE", tmp_path / "package")
    return tmp_path / "package" / "toy"


def embedding(model):
    return model.model.get_input_embeddings().weight


def test_a_name_is_a_model_in_float32_whatever_it_is_stored_in(shipped):
    assert shipped_models() == {"toy": shipped}
    bat = SpatialLLM.from_pretrained("toy")
    assert {parameter.dtype for parameter in bat.model.parameters()} == {torch.float32}
    assert {buffer.dtype for buffer in bat.model.buffers() if buffer.is_floating_point()} == {torch.float32}
    assert SpatialLLM.from_pretrained(shipped).model.dtype == torch.float32, "the folder itself, likewise"
    assert SpatialLLM.from_pretrained("toy", dtype=torch.float16).model.dtype == torch.float16
    assert model_sha256("toy") == model_sha256(shipped)


def test_a_local_folder_wins_if_it_holds_a_model_and_only_then(shipped, tmp_path):
    (tmp_path / "here" / "toy").mkdir()
    assert find_model("toy") == shipped and is_shipped("toy"), "a folder without a model hides nothing"
    save("toy", 1)
    assert find_model("toy") == "toy" and not is_shipped("toy")
    assert not torch.allclose(embedding(SpatialLLM.from_pretrained("toy")), embedding(SpatialLLM.from_pretrained(shipped)))


def test_a_name_that_leads_nowhere_lists_those_that_do(shipped):
    with pytest.raises(CheckpointError, match=r"^nope: no such folder; .*comes with the package \(toy\)"):
        SpatialLLM.from_pretrained("nope")
    assert find_model("nope") == "nope" and not is_shipped("nope")


def test_ask_takes_the_name_in_either_place(shipped, capsys, monkeypatch):
    soundfile.write("two.wav", 0.1 * np.random.default_rng(0).standard_normal((8_000, 2)), 32_000)
    answers = []
    for arguments in (["--model", "toy", "two.wav", "Where?"], ["toy", "two.wav", "Where?"], ["two.wav", "Where?"]):
        if len(arguments) == 2:  # the default is "tiny"
            shipped.rename(shipped.with_name("tiny"))
        assert main(["ask", *arguments]) == 0
        answers.append(capsys.readouterr().out)
    assert len(set(answers)) == 1
    assert main(["ask", "--model", "tiny", "tiny", "two.wav", "Where?"]) == 1
    assert "two models, tiny and tiny" in capsys.readouterr().err


def test_everything_shipped_is_package_data(repository):
    config = configparser.ConfigParser()
    config.read(repository / "setup.cfg")
    package = repository / "spatial_llm"
    globs = config["options.package_data"]["spatial_llm"].split()
    packed = {path for glob in globs for path in package.glob(glob)}
    data = {path for path in (package / "shipped").rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
    assert data and data <= packed
    assert sum(path.stat().st_size for path in data) < 25e6
