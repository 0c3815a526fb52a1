"""A packed model: half the bytes, float32 in memory, vectors exact, matrices within the rounding of float16."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from spatial_llm.encoders.readout import HEADS
from spatial_llm.encoders.seal import MODEL, write_seal
from spatial_llm.errors import CheckpointError
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.model.packing import pack
from spatial_llm.shipped import find_model
from spatial_llm.testing import tiny_config, tiny_processor


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("saved") / "model"
    model = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration"))
    SpatialLLM(model, tiny_processor()).save_pretrained(folder)
    return folder


def test_packed_is_smaller_and_nearly_the_same(saved, tmp_path):
    size = pack(saved, tmp_path / "packed")
    assert size < 0.75 * sum(path.stat().st_size for path in saved.iterdir())
    assert {path.name for path in (tmp_path / "packed").iterdir()} == {path.name for path in saved.iterdir()}
    whole, packed = SpatialLLM.from_pretrained(saved).model, SpatialLLM.from_pretrained(tmp_path / "packed").model
    expected = whole.state_dict()
    for key, tensor in packed.state_dict().items():
        assert tensor.dtype == expected[key].dtype, key
        if tensor.ndim < 2:
            assert torch.equal(tensor, expected[key]), key
        else:
            torch.testing.assert_close(tensor, expected[key], rtol=2**-11, atol=2**-24)


def test_heads_know_the_rounded_encoder(tmp_path):
    model = SpatialLLM.from_pretrained("tiny")
    with torch.no_grad():
        for parameter in model.model.encoder.parameters():
            parameter *= 1.003  # no longer numbers of float16
    model.save_pretrained(tmp_path / "saved")
    pack(tmp_path / "saved", tmp_path / "packed")
    assert SpatialLLM.from_pretrained(tmp_path / "packed").heads is not None
    expected, found = (load_file(tmp_path / name / HEADS) for name in ("saved", "packed"))
    assert found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in found)
    shutil.copy(Path(find_model("tiny"), HEADS), tmp_path / "saved")
    write_seal(tmp_path / "saved", MODEL)
    with pytest.raises(CheckpointError, match="the heads of another encoder"):
        pack(tmp_path / "saved", tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_what_cannot_be_packed_is_said(saved, tmp_path):
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        pack(tmp_path, tmp_path / "out")
    folder = tmp_path / "large"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"dtype": "float32"}))
    save_file({"weight": torch.full((2, 2), 1e6)}, folder / "model.safetensors")
    with pytest.raises(CheckpointError, match="weight holds 1e"):
        pack(folder, tmp_path / "out")
    (folder / "config.json").write_text(json.dumps({"dtype": "bfloat16"}))
    with pytest.raises(CheckpointError, match="bfloat16, expected float32"):
        pack(folder, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert load_file(saved / "model.safetensors"), "the source is left as it was"
