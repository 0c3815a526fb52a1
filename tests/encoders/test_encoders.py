"""Both encoders: sizes, masks of the design, losses, invariances. Parity with the official code: tests/checkpoints."""

import math

import pytest
import torch

from spatial_llm import (
    DSpASTConfig,
    DSpASTForLocalization,
    DSpASTModel,
    SpatialASTConfig,
    SpatialASTForLocalization,
    SpatialASTModel,
)
from spatial_llm.encoders.heads import AdaCosHead
from spatial_llm.encoders.layers import PatchEmbeddings
from spatial_llm.errors import CheckpointError, SpatialLLMError

SMALL = {
    "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96, "duration_s": 1,
    "num_mel_bins": 32, "hop_length": 640, "num_frames": 60, "patch_size": (10, 16), "num_event_classes": 5,
}  # fmt: skip
PAIRS = [(SpatialASTConfig, SpatialASTForLocalization, SpatialASTModel), (DSpASTConfig, DSpASTForLocalization, DSpASTModel)]


def build(config_class, model_class, **changes):
    torch.manual_seed(0)
    return model_class(config_class(**{**SMALL, **changes})).eval()


def features(model, batch=2, frames=51):
    torch.manual_seed(1)
    return torch.randn(batch, len(model.config.cues), frames, model.config.num_mel_bins)


@pytest.mark.parametrize(("config_class", "model_class", "trainable"), [
    (SpatialASTConfig, SpatialASTForLocalization, 85_963_194),
    (DSpASTConfig, DSpASTForLocalization, 86_085_127),
])  # fmt: skip
def test_published_sizes(config_class, model_class, trainable):
    """The released SpatialAST and DSpAST have 85.96 M and 86.09 M, to the parameter."""
    with torch.device("meta"):
        model = model_class(config_class())
    assert sum(p.numel() for p in model.parameters()) == trainable
    config = model.config
    layout = config.token_layout
    assert (layout.num_tokens, layout.num_cls_tokens, layout.grid, config.window_samples) == (515, 3, (64, 8), 320_000)
    assert layout.seconds_per_row == pytest.approx(0.15625)


@pytest.mark.parametrize(("config_class", "model_class", "base_class"), PAIRS)
class TestBoth:
    def test_tokens_and_logits_have_the_promised_shapes(self, config_class, model_class, base_class):
        model = build(config_class, model_class)
        output = model(features(model))
        assert output.last_hidden_state.shape == (2, model.config.token_layout.num_tokens, 48) == (2, 3 + 6 * 2, 48)
        assert output.event_logits.shape == (2, 5)
        assert output.distance_logits.shape == (2, 21)
        assert output.azimuth_logits.shape == (2, 360)
        assert output.elevation_logits.shape == (2, 180)
        assert output.loss is None

    def test_a_one_million_parameter_encoder_for_two_seconds_is_a_config(self, config_class, model_class, base_class):
        model = build(config_class, base_class, hidden_size=144, num_hidden_layers=4, intermediate_size=576, duration_s=2,
                      num_mel_bins=64, num_frames=110, fusion_channels=4)  # fmt: skip
        assert 0.8e6 < sum(p.numel() for p in model.parameters()) < 1.4e6
        assert model(features(model, frames=101)).last_hidden_state.shape == (2, 3 + 11 * 4, 144)

    def test_a_sample_does_not_depend_on_its_batch(self, config_class, model_class, base_class):
        model = build(config_class, model_class)
        x = features(model, 3)
        together, alone = model(x), model(x[1:2])
        torch.testing.assert_close(together.last_hidden_state[1:2], alone.last_hidden_state, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together.azimuth_logits[1:2], alone.azimuth_logits, atol=1e-5, rtol=1e-5)

    def test_eager_and_sdpa_agree(self, config_class, model_class, base_class):
        model = build(config_class, base_class)
        x = features(model)
        sdpa = model(x).last_hidden_state
        model.set_attn_implementation("eager")
        eager = model(x, output_attentions=True)
        torch.testing.assert_close(eager.last_hidden_state, sdpa, atol=1e-5, rtol=1e-5)
        rows = 2 * (3 if config_class is DSpASTConfig else 1)
        assert eager.attentions[0].shape == (rows, 4, 15, 15)
        torch.testing.assert_close(eager.attentions[0].sum(-1), torch.ones(rows, 4, 15))

    def test_folder_round_trip_and_heads_left_out_by_name(self, config_class, model_class, base_class, tmp_path):
        model = build(config_class, model_class)
        model.save_pretrained(tmp_path)
        x = features(model)
        again = model_class.from_pretrained(tmp_path).eval()
        assert torch.equal(again(x).azimuth_logits, model(x).azimuth_logits)
        base = base_class.from_pretrained(tmp_path).eval()
        assert torch.equal(base(x).last_hidden_state, model(x).last_hidden_state)
        settings = set(config_class().to_dict()) - {"transformers_version", "dtype", "architectures", "_name_or_path"}
        assert {name: again.config.to_dict()[name] for name in settings} == {
            name: model.config.to_dict()[name] for name in settings
        }

    def test_gaps_in_a_folder_are_errors(self, config_class, model_class, base_class, tmp_path):
        """Missing, left over and not finite tensors; transformers alone loads all three."""
        build(config_class, base_class).save_pretrained(tmp_path / "base")
        with pytest.raises(CheckpointError, match=r"missing: .*azimuth_head"):
            model_class.from_pretrained(tmp_path / "base")
        model = build(config_class, model_class)
        state = model.state_dict()
        state["encoder.layers.0.fc1.weight_old"] = state.pop("encoder.layers.0.fc1.weight")
        model.save_pretrained(tmp_path / "renamed", state_dict=state)
        with pytest.raises(
            CheckpointError, match=r"missing: encoder\.layers\.0\.fc1\.weight; unexpected: .*fc1\.weight_old"
        ):
            model_class.from_pretrained(tmp_path / "renamed")
        with torch.no_grad():
            model.event_head.bias[1] = math.nan
        model.save_pretrained(tmp_path / "nan")
        with pytest.raises(CheckpointError, match=r"not finite: event_head\.bias"):
            model_class.from_pretrained(tmp_path / "nan")

    def test_loss_is_the_weighted_sum_of_its_parts(self, config_class, model_class, base_class):
        model = build(config_class, model_class)
        x = features(model)
        labels = {
            "event_labels": torch.eye(5)[:2],
            "distance_labels": torch.tensor([3, 4]),
            "azimuth_labels": torch.tensor([0, 359]),
            "elevation_labels": torch.tensor([90, 10]),
        }
        parts = sum(model(x, **{name: value}).loss for name, value in labels.items())
        torch.testing.assert_close(model(x, **labels).loss, parts)
        weight = model.config.loss_weights["event"]
        expected = weight * torch.nn.functional.binary_cross_entropy_with_logits(
            model(x).event_logits, labels["event_labels"]
        )
        torch.testing.assert_close(model(x, event_labels=labels["event_labels"]).loss, expected)

    def test_every_parameter_gets_a_gradient(self, config_class, model_class, base_class):
        model = build(config_class, model_class).train()
        output = model(features(model), torch.eye(5)[:2], torch.tensor([3, 4]), torch.tensor([1, 2]), torch.tensor([5, 6]))
        output.loss.backward()
        assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []

    @pytest.mark.parametrize(("shape", "message"), [
        ((2, 3, 51, 32), "expected .B, "),
        ((2, 51, 32), "expected .B, "),
        ((2, -1, 61, 32), "61 frames, the encoder takes at most 60"),
    ])  # fmt: skip
    def test_wrong_input_is_refused_in_words(self, config_class, model_class, base_class, shape, message):
        model = build(config_class, base_class)
        shape = tuple(len(model.config.cues) if n == -1 else n for n in shape)
        with pytest.raises(SpatialLLMError, match=message):
            model(torch.zeros(shape))

    @pytest.mark.parametrize(("changes", "message"), [
        ({"patch_size": (7, 16)}, "does not tile"),
        ({"hidden_size": 50}, "multiple of 4"),
        ({"cues": ("logmel_left", "loudness")}, "loudness"),
        ({"normalized_cues": ("ild",), "cues": ("logmel_left",)}, "ild"),
        ({"event_labels": ["bell"]}, "1 event_labels for 5"),
        ({"loss_weights": {"event": 1}}, "expected .'azimuth', 'distance'"),
    ])  # fmt: skip
    def test_sizes_that_do_not_fit_are_refused(self, config_class, model_class, base_class, changes, message):
        with pytest.raises(SpatialLLMError, match=message):
            config_class(**{**SMALL, **changes})


def test_dspast_stacked_branches_equal_one_branch_at_a_time():
    model = build(DSpASTConfig, DSpASTModel)
    x = features(model)
    together = model(x)
    cues = model.cue_norm(x)
    for k, (start, stop) in enumerate(model.config.token_layout.channel_slices):
        plane, weights = model.branches[k](cues, cues.mean(dim=(2, 3)))
        hidden = torch.cat([model.cls_tokens[k].expand(2, -1, -1), model.patch_embeddings(plane)], dim=1)
        for layer in model.layers:
            hidden = layer(hidden)
        alone = model.branch_heads[k](hidden)
        torch.testing.assert_close(together.last_hidden_state[..., start:stop], alone, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together.feature_attention[:, k], weights)
    assert together.feature_attention.shape == (2, 3, 6)
    assert ((together.feature_attention > 0) & (together.feature_attention < 1)).all()


def test_dspast_spatial_logits_are_cosines():
    model = build(DSpASTConfig, DSpASTForLocalization)
    output = model(100 * features(model))
    for logits in (output.distance_logits, output.azimuth_logits, output.elevation_logits):
        assert logits.abs().max() <= 1 + 1e-6


def test_adacos_scale_against_a_worked_example():
    """AdaCos (Zhang et al., CVPR 2019) written out in a loop, on random cosines."""
    torch.manual_seed(0)
    head = AdaCosHead(8, 21).train()
    torch.nn.init.normal_(head.weight)
    assert head.scale.item() == pytest.approx(4.237, abs=1e-3)
    hidden, labels = torch.randn(5, 8), torch.tensor([0, 3, 3, 20, 7])
    cosines = head(hidden)
    scale = head.scale.item()
    rows = cosines.tolist()
    largest = max(scale * c for row in rows for c in row)
    sums = [
        sum(math.exp(scale * c - largest) for k, c in enumerate(row) if k != label) + math.exp(-largest)
        for row, label in zip(rows, labels.tolist(), strict=True)
    ]
    angles = sorted(math.acos(row[label]) for row, label in zip(rows, labels.tolist(), strict=True))
    expected = (largest + math.log(sum(sums) / 5)) / (math.cos(min(math.pi / 4, angles[2])) + 1e-12)
    loss = head.loss(cosines, labels)
    assert head.scale.item() == pytest.approx(expected, rel=1e-5)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(expected * cosines, labels))
    head.eval().loss(cosines, labels)
    assert head.scale.item() == pytest.approx(expected, rel=1e-5)  # no adapting outside training


def test_positions_are_zero_for_the_unused_row_and_distinct_elsewhere():
    patches = PatchEmbeddings(SpatialASTConfig(**SMALL))
    table = patches.positions[0]
    assert table.shape == (1 + 12, 48) and not table[0].any()
    assert torch.cdist(table[1:], table[1:]).fill_diagonal_(1).min() > 0.1


@pytest.mark.parametrize("made", ["loaded", "new"])
def test_cue_norm_stays_in_float32_when_the_rest_is_half(tmp_path, made):
    model = build(DSpASTConfig, DSpASTForLocalization)
    model.save_pretrained(tmp_path)
    if made == "loaded":
        half = DSpASTForLocalization.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    else:
        half = DSpASTForLocalization._from_config(model.config, dtype=torch.bfloat16).eval()
    assert half.encoder.cue_norm.norm.running_var.dtype == torch.float32
    assert half.azimuth_head.weight.dtype == half.encoder.branches[0].gate.fc1.weight.dtype == torch.float32
    assert half.encoder.layers[0].fc1.weight.dtype == torch.bfloat16
    x = features(model)
    x[:, 3] *= 1e20  # an ILD plane as loud transients make it
    assert torch.isfinite(half(x).last_hidden_state).all()
