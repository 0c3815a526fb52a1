"""Patches made finer: exact where a plane repeats itself, refused where nothing would be kept."""

import pytest
import torch

from spatial_llm.encoders import DSpASTConfig, DSpASTForLocalization, SpatialASTConfig, SpatialASTForLocalization
from spatial_llm.encoders.finer_patches import with_finer_patches
from spatial_llm.errors import SpatialLLMError

SIZES = {
    "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 48, "num_mel_bins": 16,
    "num_frames": 12, "fusion_channels": 2, "patch_size": [6, 8], "num_event_classes": 3,
}  # fmt: skip
KINDS = [(SpatialASTConfig, SpatialASTForLocalization), (DSpASTConfig, DSpASTForLocalization)]


@pytest.mark.parametrize(("config_class", "model_class"), KINDS)
@pytest.mark.parametrize("patch_size", [[2, 8], [6, 4], [3, 2], [6, 8]])
def test_a_plane_that_repeats_itself_embeds_as_before(config_class: type, model_class: type, patch_size: list[int]) -> None:
    torch.manual_seed(0)
    coarse = model_class(config_class(**SIZES))
    finer = with_finer_patches(coarse, patch_size)
    old, new = coarse.encoder.patch_embeddings, finer.encoder.patch_embeddings
    assert new.grid == (12 // patch_size[0], 16 // patch_size[1])
    tile = torch.randn(3, 2, *patch_size)
    plane = tile.repeat(1, 1, *new.grid)
    before, after = old(plane) - old.positions[:, 1:], new(plane) - new.positions[:, 1:]
    torch.testing.assert_close(after, before[:, :1].expand_as(after), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(new.positions, new.sine_cosine_table())


def test_all_else_stays_and_the_first_model_is_left_alone() -> None:
    coarse = DSpASTForLocalization(DSpASTConfig(**SIZES)).eval()
    finer = with_finer_patches(coarse, [2, 8])
    assert (coarse.config.patch_size, finer.config.patch_size) == ([6, 8], [2, 8])
    assert not finer.training
    kept, state = coarse.state_dict(), finer.state_dict()
    changed = {name for name in kept if kept[name].shape != state[name].shape or not torch.equal(kept[name], state[name])}
    assert changed == {f"encoder.patch_embeddings.{name}" for name in ("projection.weight", "positions")}
    assert finer(torch.randn(1, 6, 12, 16)).last_hidden_state.shape == (1, 3 + 6 * 2, 24)


@pytest.mark.parametrize("patch_size", [[4, 8], [12, 8], [6, 0], [6]])
def test_patches_that_are_no_parts_are_refused(patch_size: list[int]) -> None:
    with pytest.raises(SpatialLLMError, match=r"to follow on \[6, 8\]"):
        with_finer_patches(DSpASTForLocalization(DSpASTConfig(**SIZES)), patch_size)
