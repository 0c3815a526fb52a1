"""What encoders drop in training, and that nothing is dropped outside it."""

import pytest
import torch

from spatial_llm import DSpASTConfig, DSpASTForLocalization, DSpASTModel, SpatialASTConfig, SpatialASTModel
from spatial_llm.encoders.augmentation import DropPath, PatchMask, SpecAugment
from spatial_llm.errors import SpatialLLMError
from tests.encoders.test_encoders import SMALL

MASKS = {
    "drop_path_rate": 0.1,
    "spec_augment_mel_bins": 8,
    "spec_augment_frames": 12,
    "mask_rows": 0.25,
    "mask_columns": 0.5,
}


def test_patches_kept_are_random_rows_times_random_columns_of_each_sample() -> None:
    mask = PatchMask(SpatialASTConfig(mask_rows=0.25, mask_columns=0.25)).train()
    index = torch.arange(512.0).expand(5, -1)[:, :, None]
    kept = mask(index)[:, :, 0].long()
    assert kept.shape == (5, 288)
    for sample in kept:
        rows, columns = set((sample // 8).tolist()), set((sample % 8).tolist())
        assert (len(rows), len(columns), len(set(sample.tolist()))) == (48, 6, 288)
    assert len({frozenset((sample // 8).tolist()) for sample in kept}) == 5, "each sample its own"
    assert torch.equal(mask.eval()(index), index)


def test_spec_augment_blanks_one_band_and_one_stretch_for_the_whole_batch() -> None:
    torch.manual_seed(0)
    augment = SpecAugment(SpatialASTConfig(spec_augment_mel_bins=48, spec_augment_frames=192)).train()
    plane = torch.ones(3, 1, 1024, 128)
    widths = []
    for _ in range(50):
        blank = augment(plane) == 0
        assert torch.equal(blank[0], blank[2])
        bins, frames = blank[0, 0].all(dim=0).sum().item(), blank[0, 0].all(dim=1).sum().item()
        assert blank[0].sum() == bins * 1024 + frames * 128 - bins * frames
        widths.append((bins, frames))
    assert 40 < max(bins for bins, _ in widths) < 48 and 160 < max(frames for _, frames in widths) < 192
    assert torch.equal(augment.eval()(plane), plane)


def test_drop_path_keeps_the_mean_and_rises_linearly() -> None:
    torch.manual_seed(0)
    dropped = DropPath(0.1).train()(torch.ones(20_000, 1, 1)).flatten()
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / 0.9])
    assert dropped.mean() == pytest.approx(1.0, abs=0.01)
    with torch.device("meta"):
        model = SpatialASTModel(SpatialASTConfig(drop_path_rate=0.1))
    assert [layer.drop_path.share for layer in model.layers] == pytest.approx([0.1 * k / 11 for k in range(12)])


@pytest.mark.parametrize("config_class, model_class", [(SpatialASTConfig, SpatialASTModel), (DSpASTConfig, DSpASTModel)])
def test_masks_are_for_training_alone(config_class: type, model_class: type) -> None:
    torch.manual_seed(0)
    plain = model_class(config_class(**SMALL)).eval()
    masked = model_class(config_class(**SMALL, **MASKS))
    masked.load_state_dict(plain.state_dict())  # no tensor more, none less
    x = torch.randn(2, len(plain.config.cues), 51, 32)
    assert torch.equal(masked.eval()(x).last_hidden_state, plain(x).last_hidden_state)
    # 6 rows and 2 columns: int(6 * 0.75) = 4 and int(2 * 0.5) = 1 stay
    assert masked.train()(x).last_hidden_state.shape == (2, 3 + 4, 48)


def test_branches_of_dspast_are_masked_each_for_itself() -> None:
    torch.manual_seed(0)
    model = DSpASTModel(DSpASTConfig(**SMALL, mask_rows=0.5)).train()
    seen = {}
    model.patch_mask.register_forward_hook(lambda module, given, kept: seen.update(given=given[0], kept=kept))
    model(torch.randn(2, 6, 51, 32))
    rows = [
        frozenset((seen["given"][branch][:, None] == seen["kept"][branch][None]).all(-1).any(1).nonzero()[:, 0].tolist())
        for branch in range(3)
    ]
    assert [len(kept) for kept in rows] == [6, 6, 6] and len(set(rows)) > 1


def test_without_feature_attention_there_is_no_gate() -> None:
    config = DSpASTConfig(**SMALL, feature_attention=False, cues=["logmel_left", "logmel_right", "cos_ipd", "sin_ipd"],
                          normalized_cues=["logmel_left", "logmel_right"])  # fmt: skip
    model = DSpASTForLocalization(config).eval()
    output = model(torch.randn(2, 4, 51, 32))
    assert output.feature_attention is None and output.azimuth_logits.shape == (2, 360)
    assert not [name for name, _ in model.named_parameters() if "gate" in name]


@pytest.mark.parametrize("changes, message", [
    ({"mask_rows": 1.0}, "below 1"),
    ({"drop_path_rate": -0.1}, "at least 0"),
    ({"spec_augment_frames": 61}, "60 frames there are"),
    ({"adacos_target_term": "mine"}, "adacos_target_term is 'mine'"),
])  # fmt: skip
def test_shares_and_widths_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(SpatialLLMError, match=message):
        DSpASTConfig(**SMALL, **changes)
