"""The aggregator: the formula, that earlier layers are heard in turn, order and times of its tokens, refusals."""

import pytest
import torch
from torch.nn import functional

from spatial_llm.encoders import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors import AggregatorProjector, AggregatorProjectorConfig
from tests.projectors.formulas import attend, q_former

SLICES = ((0, 5), (5, 11), (11, 19))
LAYOUT = TokenLayout(num_cls_tokens=2, grid=(4, 3), channel_slices=SLICES, seconds_per_row=0.5)
SIZES = {
    "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 14, "encoder_hidden_size": 19,
    "text_hidden_size": 10, "slice_sizes": [5, 6, 8], "num_query_tokens": 3, "initializer_range": 0.3,
}  # fmt: skip


def tiny(**fields):
    torch.manual_seed(0)
    return AggregatorProjector(AggregatorProjectorConfig(**SIZES | fields)).eval()


def path(projection, states):
    first, _, second = projection
    return second(functional.gelu(first(functional.layer_norm(states, states.shape[-1:]))))


def test_the_formula_written_out():
    projector = tiny()
    tokens = torch.randn(2, LAYOUT.num_tokens, 19)
    given = projector(tokens, layout=LAYOUT).last_hidden_state
    assert given.shape == (2, 3 + 4, 10)
    for clip in range(2):
        layers = [norm(tokens[clip, :, a:b]) for norm, (a, b) in zip(projector.layer_norms, SLICES, strict=True)]
        last = layers[-1]  # with the CLS tokens
        queries = q_former(projector.qformer, projector.query[0], last, heads=2)
        torch.testing.assert_close(given[clip, :3], path(projector.query_projection, queries), atol=2e-5, rtol=1e-4)
        first, second, rows = (layer[2:].reshape(4, 3, -1).mean(1) for layer in layers)
        for block, layer in zip(projector.blocks, (first, second), strict=True):
            rows = block.self_norm(rows + attend(block.self_attention, rows, rows))
            rows = block.cross_norm(rows + attend(block.cross_attention, rows, layer))
            grow, _, shrink, _ = block.feed_forward
            rows = block.norm(rows + shrink(functional.gelu(grow(rows))))
        torch.testing.assert_close(given[clip, 3:], path(projector.row_projection, rows), atol=2e-5, rtol=1e-4)


def test_each_earlier_layer_reaches_the_rows_and_none_reaches_the_queries():
    """The released code drops the output of the cross-attention; this one must not."""
    projector = tiny()
    tokens = torch.randn(1, LAYOUT.num_tokens, 19)
    before = projector(tokens, layout=LAYOUT).last_hidden_state
    for start, stop in LAYOUT.channel_slices:
        changed = tokens.clone()
        changed[..., start:stop] = torch.randn(1, LAYOUT.num_tokens, stop - start)
        after = projector(changed, layout=LAYOUT).last_hidden_state
        assert ((after - before).abs().amax(-1)[0, 3:] > 1e-3).all()
        assert torch.equal(after[:, :3], before[:, :3]) == (stop != 19)


def test_columns_are_a_set_and_rows_keep_their_place():
    projector = tiny()
    tokens = torch.randn(1, LAYOUT.num_tokens, 19)
    grid = tokens[:, 2:].reshape(1, 4, 3, 19)
    before = projector(tokens, layout=LAYOUT).last_hidden_state
    turned = projector(torch.cat([tokens[:, :2], grid.flip(2).flatten(1, 2)], 1), layout=LAYOUT).last_hidden_state
    torch.testing.assert_close(turned, before, atol=1e-5, rtol=1e-5)
    late = projector(torch.cat([tokens[:, :2], grid.flip(1).flatten(1, 2)], 1), layout=LAYOUT).last_hidden_state
    torch.testing.assert_close(late[:, 3:], before[:, 3:].flip(1), atol=1e-5, rtol=1e-5)


def test_cls_tokens_are_read_by_the_queries_alone():
    projector = tiny()
    tokens = torch.randn(1, LAYOUT.num_tokens, 19)
    changed = tokens.clone()
    changed[:, :2] += torch.randn(19)
    before, after = (projector(each, layout=LAYOUT).last_hidden_state for each in (tokens, changed))
    assert torch.equal(after[:, 3:], before[:, 3:])
    assert not torch.allclose(after[:, :3], before[:, :3], atol=1e-3)


def test_only_rows_have_a_time():
    seconds = tiny()(torch.randn(1, LAYOUT.num_tokens, 19), layout=LAYOUT).seconds
    assert seconds[:3].isnan().all()
    assert seconds[3:].tolist() == [0.25, 0.75, 1.25, 1.75]


def test_each_path_ends_at_unit_scale_before_its_two_layers_whatever_the_scale_of_the_encoder():
    projector = tiny()
    assert projector.query_norm.weight is None
    assert projector.row_norm.weight is None
    seen = []
    projector.row_projection.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    tokens = torch.randn(1, LAYOUT.num_tokens, 19)
    loud, soft = (projector(scale * tokens, layout=LAYOUT).last_hidden_state for scale in (1000, 1))
    torch.testing.assert_close(loud, soft, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(seen[0].var(-1, unbiased=False), torch.ones(1, 4), atol=1e-3, rtol=0)


def test_full_size_with_two_middle_layers_as_in_the_paper():
    with torch.device("meta"):
        config = AggregatorProjectorConfig(slice_sizes=[768] * 3, encoder_hidden_size=3 * 768)
        projector = AggregatorProjector(config)
    square, wide = 768 * 769, (768 + 1) * 3072 + (3072 + 1) * 768
    block = 8 * square + wide + 3 * 2 * 768
    ends = 2 * (769 * 4096 + 4097 * 4096)
    q_former_size = 32 * 768 + 2 * 768 + 4 * block + 4 * (block - 4 * square - 2 * 768)
    counted = sum(parameter.numel() for parameter in projector.parameters())
    assert counted == 2 * block + q_former_size + 3 * 2 * 768 + ends
    layout = TokenLayout(0, (64, 8), ((0, 768), (768, 1536), (1536, 2304)), 0.15625)
    assert config.num_tokens(layout) == 96


def test_one_layer_is_refused_with_what_to_give():
    one = TokenLayout(2, (4, 3), ((0, 19),), 0.5)
    for refused in (
        lambda: AggregatorProjectorConfig(slice_sizes=[19]),
        lambda: AggregatorProjector(AggregatorProjectorConfig(encoder_hidden_size=19)),
        lambda: AggregatorProjectorConfig().fit(one),
        lambda: AggregatorProjectorConfig().num_tokens(one),
        lambda: tiny()(torch.randn(1, one.num_tokens, 19), layout=one),
    ):
        with pytest.raises(SpatialLLMError, match=r"single channel slice .* needs several layers of the encoder"):
            refused()


def test_other_slices_than_those_of_the_weights_are_refused():
    other = TokenLayout(2, (4, 3), ((0, 6), (6, 11), (11, 19)), 0.5)
    with pytest.raises(SpatialLLMError, match=r"slice_sizes is \[5, 6, 8\], but the slices.* have \[6, 5, 8\] channels"):
        tiny()(torch.randn(1, other.num_tokens, 19), layout=other)
    with pytest.raises(SpatialLLMError, match="the last slice has 7 channels, with 2 heads"):
        AggregatorProjectorConfig(**SIZES | {"slice_sizes": [5, 6, 7]})
