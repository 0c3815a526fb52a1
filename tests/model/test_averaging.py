"""The average of two models: between them, their own at the ends, and refused for models that do not belong together."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spatial_llm.errors import CheckpointError, OutputError, SpatialLLMError
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.model.averaging import average
from spatial_llm.testing import tiny_config, tiny_processor


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model before a training and after it: only the projector differs."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("two")
    model = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration"))
    SpatialLLM(model, tiny_processor()).save_pretrained(folder / "before")
    with torch.no_grad():
        for parameter in model.projector.parameters():
            parameter += torch.randn_like(parameter)
    SpatialLLM(model, tiny_processor()).save_pretrained(folder / "after")
    return folder / "before", folder / "after"


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_weights_lie_on_the_line(two: tuple[Path, Path], tmp_path: Path, share: float) -> None:
    before, after = two
    average(before, after, share, tmp_path / "out")
    first, last, found = weights(before), weights(after), weights(tmp_path / "out")
    assert found.keys() == first.keys()
    assert sum(not torch.equal(first[name], last[name]) for name in first) > 10
    for name, tensor in found.items():
        expected = (1 - share) * first[name].double() + share * last[name].double()
        torch.testing.assert_close(tensor.double(), expected, rtol=1e-6, atol=1e-7)
        if torch.equal(first[name], last[name]):
            assert torch.equal(tensor, first[name]), f"{name} is frozen, so that it stays to the bit"
    assert {path.name for path in (tmp_path / "out").iterdir()} == {path.name for path in after.iterdir()}
    assert SpatialLLM.from_pretrained(tmp_path / "out") is not None, "the seal is that of the new weights"


def test_what_does_not_belong_together_is_refused(two: tuple[Path, Path], tmp_path: Path) -> None:
    before, after = two
    with pytest.raises(SpatialLLMError, match=r"share is 1\.5; give a number from 0"):
        average(before, after, 1.5, tmp_path / "out")
    with pytest.raises(CheckpointError, match=r"not those of .*before in name or shape"):
        average(before, "tiny", 0.5, tmp_path / "out")
    with pytest.raises(CheckpointError, match=r"no model\.safetensors"):
        average(tmp_path, after, 0.5, tmp_path / "out")
    for share in (True, "0.5", None):
        with pytest.raises(SpatialLLMError, match="give a number from 0"):
            average(before, after, share, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    content = (after / "model.safetensors").read_bytes()
    with pytest.raises(OutputError, match=r"holds files.* give a new folder"):
        average(before, after, 0.5, after)
    assert (after / "model.safetensors").read_bytes() == content


def test_heads_of_an_encoder_that_moved_are_refused(tmp_path: Path) -> None:
    """They would be those of neither encoder: the model could not be loaded."""
    tiny = SpatialLLM.from_pretrained("tiny")
    with torch.no_grad():
        next(tiny.model.encoder.parameters()).mul_(1.01)
    tiny.save_pretrained(tmp_path / "moved")
    with pytest.raises(CheckpointError, match=r"changed the encoder, so that encoder_heads\.safetensors"):
        average("tiny", tmp_path / "moved", 0.5, tmp_path / "out")
    assert not (tmp_path / "out").exists()
