"""The connector for each slice: the formula of both kinds, what a slice hears, order, marks, times, refusals."""

import pytest
import torch

from spatial_llm.encoders import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors import SlicesProjector, SlicesProjectorConfig
from tests.projectors.formulas import changed_tokens, q_former

LAYOUT = TokenLayout(2, (4, 3), ((0, 5), (5, 9)), seconds_per_row=0.5)
SIZES = {
    "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12, "encoder_hidden_size": 9,
    "text_hidden_size": 10, "slice_sizes": [5, 4], "slots_per_slice": 3, "rows_per_token": 2, "columns_per_token": 3,
    "initializer_range": 0.3,
}  # fmt: skip


def tiny(**fields):
    torch.manual_seed(0)
    return SlicesProjector(SlicesProjectorConfig(**SIZES | fields)).eval()


def test_q_formers_written_out():
    projector = tiny()
    tokens = torch.randn(2, LAYOUT.num_tokens, 9)
    given = projector(tokens, layout=LAYOUT).last_hidden_state
    assert given.shape == (2, 2 * 3, 10)
    for clip in range(2):
        for number, (start, stop) in enumerate(LAYOUT.channel_slices):
            heard = tokens[clip, :, start:stop]  # with the CLS tokens
            states = q_former(projector.connectors[number], projector.query[number], heard, heads=2)
            expected = projector.norm(projector.linear(states + projector.marks[number]))
            torch.testing.assert_close(given[clip, 3 * number : 3 * number + 3], expected, atol=2e-5, rtol=1e-4)


def test_regions_are_those_of_the_connector_on_each_slice_alone():
    projector = tiny(connector="regions")
    tokens = torch.randn(2, LAYOUT.num_tokens, 9)
    output = projector(tokens, layout=LAYOUT)
    assert output.last_hidden_state.shape == (2, 2 * 2, 10)
    assert output.seconds.tolist() == [0.5, 1.5, 0.5, 1.5]
    grid = tokens[:, 2:].reshape(2, 4, 3, 9)
    for number, (start, stop) in enumerate(LAYOUT.channel_slices):
        states = projector.connectors[number]([grid[..., start:stop]], [(1, 1)]) + projector.marks[number]
        expected = projector.norm(projector.linear(states))
        torch.testing.assert_close(output.last_hidden_state[:, 2 * number : 2 * number + 2], expected)


@pytest.mark.parametrize("connector", ["qformer", "regions"])
def test_tokens_of_a_slice_hear_its_channels_alone(connector):
    projector = tiny(connector=connector)
    tokens = torch.randn(1, LAYOUT.num_tokens, 9)
    before = projector(tokens, layout=LAYOUT).last_hidden_state
    each = before.shape[1] // 2
    for number, (start, stop) in enumerate(LAYOUT.channel_slices):
        changed = tokens.clone()
        changed[..., start:stop] += torch.randn(stop - start)
        moved = (projector(changed, layout=LAYOUT).last_hidden_state - before).abs().amax(-1)[0] > 1e-6
        assert moved.nonzero().flatten().tolist() == list(range(each * number, each * number + each))


def test_regions_leave_the_cls_tokens_out_and_hear_their_own_place():
    moved = changed_tokens(tiny(connector="regions"), LAYOUT, torch.randn(1, LAYOUT.num_tokens, 9))
    assert moved.pop("cls") == []
    assert moved == {(row, column): [row // 2, 2 + row // 2] for row in range(4) for column in range(3)}


def test_each_token_of_a_coarser_slice_is_read_once():
    projector = tiny()
    fine, coarse = torch.randn(1, 4, 3, 5), torch.randn(1, 2, 1, 4)
    cls = torch.randn(1, 2, 9)

    def tokens(rows, columns):
        repeated = coarse.repeat_interleave(rows, 1).repeat_interleave(columns, 2)
        return torch.cat([cls, torch.cat([fine, repeated], -1).flatten(1, 2)], 1)

    layout = TokenLayout(2, (4, 3), ((0, 5), (5, 9)), 0.5, slice_cells=((1, 1), (2, 3)))
    given = projector(tokens(2, 3), layout=layout).last_hidden_state[:, 3:]
    heard = torch.cat([cls[..., 5:], coarse.flatten(1, 2)], 1)
    states = q_former(projector.connectors[1], projector.query[1], heard[0], heads=2)
    torch.testing.assert_close(given[0], projector.norm(projector.linear(states + projector.marks[1])), atol=2e-5, rtol=1e-4)
    assert not torch.allclose(projector(tokens(2, 3), layout=LAYOUT).last_hidden_state[:, 3:], given, atol=1e-3)


def test_slots_begin_apart_and_slices_are_marked():
    projector = tiny()
    assert projector.query.shape == (2, 3, 8)
    assert torch.pdist(projector.query.flatten(0, 1)).min() > 0.5
    before = projector(torch.ones(1, LAYOUT.num_tokens, 9), layout=LAYOUT).last_hidden_state
    with torch.no_grad():
        projector.marks[1] += 1
    after = projector(torch.ones(1, LAYOUT.num_tokens, 9), layout=LAYOUT).last_hidden_state
    assert torch.equal(after[:, :3], before[:, :3])
    assert not torch.allclose(after[:, 3:], before[:, 3:], atol=1e-3)


def test_q_former_tokens_have_no_time():
    assert tiny()(torch.randn(1, LAYOUT.num_tokens, 9), layout=LAYOUT).seconds is None


@pytest.mark.parametrize("connector", ["qformer", "regions"])
def test_start_standardises_each_channel_and_survives_saving(connector, tmp_path):
    projector = tiny(connector=connector, standardize_inputs=True)
    tokens = 5 + 100 * torch.randn(40, LAYOUT.num_tokens, 9)
    projector.start(lambda: tokens, 0.02)
    torch.testing.assert_close(projector.input_std, tokens.flatten(0, 1).std(0))
    output = projector(tokens, layout=LAYOUT).last_hidden_state
    assert output.std().item() == pytest.approx(0.02, rel=0.02)
    projector.save_pretrained(tmp_path)
    assert torch.equal(SlicesProjector.from_pretrained(tmp_path)(tokens, layout=LAYOUT)[0], output)


def test_one_slice_is_refused_with_what_to_give():
    one = TokenLayout(2, (4, 3), ((0, 9),), 0.5)
    words = "single channel slice .9 channels.: it needs several slices, .* such as the three branches of DSpAST"
    for refused in (lambda: SlicesProjectorConfig().fit(one), lambda: tiny()(torch.randn(1, 14, 9), layout=one)):
        with pytest.raises(SpatialLLMError, match=words):
            refused()


def test_fields_that_cannot_be_are_refused():
    with pytest.raises(SpatialLLMError, match="connector is 'mlp'; expected one of qformer, regions"):
        SlicesProjectorConfig(connector="mlp")
    with pytest.raises(SpatialLLMError, match="slots_per_slice is 0"):
        SlicesProjectorConfig(slots_per_slice=0)
    with pytest.raises(SpatialLLMError, match="rows_per_token 3 and columns_per_token 3 do not divide"):
        tiny(connector="regions", rows_per_token=3)(torch.randn(1, 14, 9), layout=LAYOUT)
