"""What every projector promises: its number of tokens, gradients everywhere, saving, kernels, refusals of unknown fields."""

import pytest
import torch
from transformers import AutoConfig, AutoModel

from spatial_llm.encoders import TokenLayout
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.projectors import AudioTokens, RVQProjectorConfig
from spatial_llm.projectors.kinds import PROJECTORS
from spatial_llm.projectors.settings import projector_config
from spatial_llm.projectors.shared_fields import TwoLayerConfig
from spatial_llm.testing import TINY_PROJECTORS, tiny_config, tiny_inputs

LAYOUTS = [
    TokenLayout(num_cls_tokens=cls, grid=grid, channel_slices=((0, 16), (16, 32), (32, 48)), seconds_per_row=0.25)
    for cls, grid in ((3, (4, 2)), (0, (7, 2)), (1, (1, 4)))
]
# Two layers of an encoder of full size.
FULL_SIZE = TokenLayout(num_cls_tokens=3, grid=(64, 8), channel_slices=((0, 768), (768, 1536)), seconds_per_row=0.15625)
# One variant of each kind beside the tiny one.
VARIANTS = {
    "spatial_window_qformer_projector": {"rows_per_window": 3, "queries_per_window": 2},
    "spatial_pool_projector": {"method": "segments", "columns": "keep", "factor": 3, "num_columns": None},
    "spatial_regions_projector": {"context": "mean", "columns_per_token": 1},
    "spatial_slices_projector": {"connector": "regions", "columns_per_token": 2},
    "spatial_rvq_projector": {"method": "segments", "tokens": "one_a_code", "learned": True, "factor": 3},
}
CASES = [(kind, {}) for kind in TINY_PROJECTORS] + list(VARIANTS.items())


def build(kind, **fields):
    config = type(tiny_config(kind))(**{**tiny_config(kind).to_dict(), **fields})
    torch.manual_seed(0)
    return AutoModel.from_config(config).eval()


def test_every_kind_has_a_tiny_one_and_is_of_its_model_type():
    assert set(PROJECTORS) == set(TINY_PROJECTORS)
    for kind, (config, model) in PROJECTORS.items():
        assert config.model_type == kind == model.config_class.model_type


@pytest.mark.parametrize(("kind", "fields"), CASES)
@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{layout.grid}")
def test_it_returns_as_many_tokens_as_its_configuration_promises(kind, fields, layout):
    projector = build(kind, **fields)
    output = projector(torch.randn(2, layout.num_tokens, 48), layout=layout)
    assert isinstance(output, AudioTokens)
    assert output.last_hidden_state.shape == (2, projector.config.num_tokens(layout), 32)
    assert torch.isfinite(output.last_hidden_state).all()
    if output.seconds is not None:
        seconds = output.seconds[~output.seconds.isnan()]
        assert output.seconds.shape[-1] == output.last_hidden_state.shape[1]
        assert seconds.min() > 0
        assert seconds.max() < layout.grid[0] * layout.seconds_per_row
        assert set(output.seconds.shape[:-1]) <= {2}


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_gradients_reach_every_weight_and_every_patch(kind, fields):
    projector, layout = build(kind, **{**fields, "initializer_range": 0.3}).double(), LAYOUTS[0]
    tokens = torch.randn(2, layout.num_tokens, 48, dtype=torch.float64, requires_grad=True)
    # Codes have no gradient: what makes them learns by a loss of its own.
    output = projector.train(not projector.config.passes_gradients)(tokens, layout=layout)
    (output.last_hidden_state.pow(3).sum() + (0 if output.loss is None else output.loss)).backward()
    # The bias of the keys adds the same to all scores of a query, so its gradient is zero but for rounding.
    weights = {name: each.grad for name, each in projector.named_parameters() if not name.endswith("key.bias")}
    assert [name for name, gradient in weights.items() if gradient is None or not gradient.abs().max() > 1e-9] == []
    assert tokens.grad[:, layout.num_cls_tokens :].abs().sum((0, 2)).min() > 0


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_it_is_loaded_as_it_was_saved(kind, fields, tmp_path):
    projector, layout = build(kind, **fields), LAYOUTS[1]
    projector.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    assert type(loaded) is type(projector)
    assert AutoConfig.from_pretrained(tmp_path).to_json_string() == projector.config.to_json_string()
    tokens = torch.randn(2, layout.num_tokens, 48)
    assert torch.equal(loaded(tokens, layout=layout)[0], projector(tokens, layout=layout)[0])


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_a_chosen_kernel_of_attention_reaches_every_part_and_changes_nothing_else(kind, fields):
    projector, layout = build(kind, **fields), LAYOUTS[1]
    tokens = torch.randn(2, layout.num_tokens, 48)
    fused = projector(tokens, layout=layout).last_hidden_state
    projector.set_attn_implementation("eager")
    assert projector.config._attn_implementation == "eager"
    assert all(module.config is projector.config for module in projector.modules() if hasattr(module, "config"))
    torch.testing.assert_close(projector(tokens, layout=layout).last_hidden_state, fused, atol=1e-5, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:.gradient_checkpointing_enable. is deprecated")
@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_checkpointing_changes_no_gradient_behind_a_frozen_encoder(kind, fields, reentrant):
    silent = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    with_dropout = set(silent) <= set(tiny_config(kind).to_dict())
    projector, layout = build(kind, **fields, **(silent if with_dropout else {})), LAYOUTS[1]
    if not projector.supports_gradient_checkpointing:
        assert isinstance(projector.config, TwoLayerConfig | RVQProjectorConfig)
        return
    projector.train()
    tokens, gradients = torch.randn(2, layout.num_tokens, 48), []
    for _ in range(2):
        projector(tokens, layout=layout).last_hidden_state[..., 0].sum().backward()
        gradients.append({name: weight.grad.clone() for name, weight in projector.named_parameters()})
        projector.zero_grad()
        projector.gradient_checkpointing_enable({"use_reentrant": reentrant})
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_a_clip_does_not_depend_on_its_batch(kind, fields):
    projector, layout = build(kind, **fields), LAYOUTS[1]
    tokens = torch.randn(3, layout.num_tokens, 48)
    together, alone = projector(tokens, layout=layout), projector(tokens[1:2], layout=layout)
    torch.testing.assert_close(together.last_hidden_state[1:2], alone.last_hidden_state, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("kind", "fields"), CASES)
def test_it_runs_on_the_meta_device_and_in_half_precision(kind, fields):
    projector, layout = build(kind, **fields), LAYOUTS[1]
    tokens = torch.randn(2, layout.num_tokens, 48)
    half = projector.to(torch.bfloat16)(tokens, layout=layout).last_hidden_state
    assert half.dtype == torch.bfloat16
    assert torch.isfinite(half).all()
    with torch.device("meta"):
        planned = AutoModel.from_config(projector.config)
        assert planned(tokens.to("meta"), layout=layout).last_hidden_state.shape == half.shape


@pytest.mark.parametrize("kind", sorted(set(TINY_PROJECTORS) - {"spatial_qformer_projector"}))
def test_tokens_without_their_layout_are_refused(kind):
    projector = build(kind)
    inputs = tiny_inputs(projector.config)
    with pytest.raises(SpatialLLMError, match="7 tokens, and the layout is None; expected the layout of these tokens"):
        projector(inputs["audio_hidden_states"])
    with pytest.raises(SpatialLLMError, match="6 tokens, and the layout is"):
        projector(inputs["audio_hidden_states"][:, 1:], layout=inputs["layout"])


@pytest.mark.parametrize("kind", sorted(TINY_PROJECTORS))
def test_settings_take_the_fields_of_each_kind_and_no_other(kind):
    config = projector_config({"model_type": kind, "hidden_size": 48}, FULL_SIZE, text_hidden_size=64)
    assert type(config) is PROJECTORS[kind][0]
    assert (config.hidden_size, config.text_hidden_size) == (48, 64)
    assert getattr(config, "slice_sizes", [768, 768]) == [768, 768]
    assert getattr(config, "num_columns", 8) == 8
    with pytest.raises(SpatialLLMError, match=f"projector.sizes is no field of a {kind}; its fields are"):
        projector_config({"model_type": kind, "sizes": 4})


def test_the_number_of_tokens_at_full_size():
    counts = {kind: projector_config({"model_type": kind}, FULL_SIZE).num_tokens(FULL_SIZE) for kind in PROJECTORS}
    assert counts == {
        "spatial_qformer_projector": 64,
        "spatial_mlp_projector": 64,
        "spatial_window_qformer_projector": 32,
        "spatial_pool_projector": 32,
        "spatial_aggregator_projector": 32 + 64,
        "spatial_regions_projector": 64,
        "spatial_slices_projector": 2 * 8,
        "spatial_rvq_projector": 32,
    }


def test_a_config_that_claims_wider_slices_than_the_weights_have_is_refused_before_anything_is_built(tmp_path):
    projector = build("spatial_regions_projector")
    projector.save_pretrained(tmp_path)
    config = (tmp_path / "config.json").read_text()
    assert "16" in config
    (tmp_path / "seal.json").unlink()
    (tmp_path / "config.json").write_text(config.replace("16,", str(2**40) + ",", 1))
    with pytest.raises(CheckpointError, match="slice_sizes is 1,099,511,627,776, but no dimension"):
        AutoModel.from_pretrained(tmp_path)
