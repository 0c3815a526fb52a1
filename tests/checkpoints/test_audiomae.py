"""AudioMAE's trunk, patches and positions by name; what it has not stays fresh; gaps are errors."""

import pytest
import torch

from spatial_llm.checkpoints.audiomae import load_audiomae
from spatial_llm.encoders import DSpASTConfig, DSpASTForLocalization, SpatialASTConfig, SpatialASTForLocalization
from spatial_llm.errors import CheckpointError
from tests.encoders.test_encoders import SMALL

KINDS = [(SpatialASTConfig, SpatialASTForLocalization), (DSpASTConfig, DSpASTForLocalization)]


def audiomae() -> dict[str, torch.Tensor]:
    """The tensors of a pretrained AudioMAE of the sizes SMALL, in its names."""
    width, shapes = 48, {"cls_token": (1, 1, 48), "pos_embed": (1, 13, 48), "patch_embed.proj.weight": (48, 1, 10, 16),
                         "patch_embed.proj.bias": (48,), "norm.weight": (48,), "norm.bias": (48,), "mask_token": (1, 1, 16),
                         "decoder_pos_embed": (1, 13, 16), "decoder_blocks.0.norm1.weight": (16,)}  # fmt: skip
    for layer in range(2):
        for name, rows, columns in (("attn.qkv", 3, 1), ("attn.proj", 1, 1), ("mlp.fc1", 2, 1), ("mlp.fc2", 1, 2)):
            shapes[f"blocks.{layer}.{name}.weight"] = (rows * width, columns * width)
            shapes[f"blocks.{layer}.{name}.bias"] = (rows * width,)
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"):
            shapes[f"blocks.{layer}.{name}"] = (width,)
    torch.manual_seed(0)
    return {name: torch.randn(shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("config_class, model_class", KINDS)
def test_loads_by_name_and_reports(config_class: type, model_class: type) -> None:
    model, given = model_class(config_class(**SMALL)), audiomae()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    report, fresh = load_audiomae(model, {"model": given})
    after = model.state_dict()
    assert torch.equal(after["encoder.patch_embeddings.positions"], given["pos_embed"])
    assert torch.equal(after["encoder.patch_embeddings.projection.weight"], given["patch_embed.proj.weight"])
    assert torch.equal(after["encoder.layers.1.attention.qkv.weight"], given["blocks.1.attn.qkv.weight"])
    assert len(report.loaded) == 3 + 2 * 12 and set(report.loaded.values()) | set(fresh) == set(after)
    assert set(report.unused) == {"cls_token", "norm.weight", "norm.bias", "mask_token", "decoder_pos_embed",
                                  "decoder_blocks.0.norm1.weight"}  # fmt: skip
    assert all(torch.equal(before[name], after[name]) for name in fresh)
    assert "encoder.cls_tokens" in fresh and "event_head.weight" in fresh
    assert "CC BY 4.0" in report.summary() and "27 tensors loaded" in report.summary() and "0 missing" in report.summary()


@pytest.mark.parametrize("change, message", [
    (lambda state: state.pop("blocks.1.mlp.fc1.bias"), r"missing: blocks\.1\.mlp\.fc1\.bias"),
    (lambda state: state.pop("pos_embed"), r"missing: pos_embed"),
    (lambda state: state.update(unknown=torch.zeros(1)), r"unexpected: unknown"),
    (lambda state: state.update(pos_embed=torch.zeros(1, 7, 48)), r"mismatched: pos_embed is \(1, 7, 48\)"),
])  # fmt: skip
def test_gaps_are_named(change, message: str) -> None:
    state = audiomae()
    change(state)
    with pytest.raises(CheckpointError, match=message):
        load_audiomae(SpatialASTForLocalization(SpatialASTConfig(**SMALL)), state)
