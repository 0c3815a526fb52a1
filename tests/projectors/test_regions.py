"""The connector of regions: the formula, locality, coarser grids read once, context, positions, refusals."""

import pytest
import torch
from torch.nn import functional

from spatial_llm.encoders import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors import RegionsProjector, RegionsProjectorConfig
from tests.projectors.formulas import attend, changed_tokens

# The second slice is stored from a grid of 2 x 3: each of its tokens stands in 2 rows.
CELLS = ((1, 1), (2, 1))
LAYOUT = TokenLayout(1, (4, 3), ((0, 5), (5, 9)), seconds_per_row=0.5, slice_cells=CELLS)
SIZES = {
    "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12, "encoder_hidden_size": 9,
    "text_hidden_size": 10, "slice_sizes": [5, 4], "rows_per_token": 2, "columns_per_token": 3, "initializer_range": 0.3,
}  # fmt: skip


def tiny(**fields):
    torch.manual_seed(0)
    return RegionsProjector(RegionsProjectorConfig(**SIZES | fields)).eval()


def stored(fine, coarse, repeats=(2, 1), cls=1):
    """Tokens as an encoder stores them: (B, 4, 3, 5) beside a coarser grid, repeated."""
    repeated = coarse.repeat_interleave(repeats[0], 1).repeat_interleave(repeats[1], 2)
    grid = torch.cat([fine, repeated], dim=-1).flatten(1, 2)
    return torch.cat([torch.randn(len(grid), cls, grid.shape[-1]), grid], dim=1)


def by_hand(projector, fine, coarse, context):
    """One clip, region by region: fine (4, 3, 5), coarse (2, 3, 4), of which each region of 2 x 3 holds 6 and 3 tokens."""
    connector, outputs = projector.connector, []
    project_fine, project_coarse = connector.projections
    latent = connector.latent
    if context == "mean":
        means = [project_fine(fine).flatten(0, 1).mean(0), project_coarse(coarse).flatten(0, 1).mean(0)]
        latent = connector.with_context(torch.cat([latent, *means]))
    for region in range(2):
        tokens = [
            project_fine(fine[2 * region + row, column]) + connector.positions[row, column]
            for row in range(2)
            for column in range(3)
        ]
        tokens += [project_coarse(coarse[region, column]) + connector.positions[0, column] for column in range(3)]
        states, tokens = latent[None], torch.stack(tokens)
        for layer in connector.layers:
            states = states + attend(layer.attention, layer.latent_norm(states), layer.token_norm(tokens))
            grow, _, shrink, _ = layer.feed_forward
            states = states + shrink(functional.gelu(grow(layer.norm(states))))
        first, _, second = projector.projection
        outputs.append(second(functional.gelu(first(states[0]))))
    return torch.stack(outputs)


@pytest.mark.parametrize("context", ["none", "mean"])
def test_the_formula_written_out_region_by_region(context):
    projector = tiny(context=context)
    fine, coarse = torch.randn(2, 4, 3, 5), torch.randn(2, 2, 3, 4)
    given = projector(stored(fine, coarse), layout=LAYOUT).last_hidden_state
    assert given.shape == (2, projector.config.num_tokens(LAYOUT), 10) == (2, 2, 10)
    for clip in range(2):
        expected = by_hand(projector, fine[clip], coarse[clip], context)
        torch.testing.assert_close(given[clip], expected, atol=1e-5, rtol=1e-4)


def test_a_latent_attends_to_its_own_region_alone_in_every_slice():
    layout = TokenLayout(1, (4, 6), ((0, 5), (5, 9)), 0.5)
    moved = changed_tokens(tiny(), layout, torch.randn(1, layout.num_tokens, 9))
    assert moved.pop("cls") == []
    assert moved == {(row, column): [2 * (row // 2) + column // 3] for row in range(4) for column in range(6)}


def test_repeating_a_coarse_token_does_not_change_its_weight():
    """The same two encoders on a reference grid of twice as many rows, whose fine tokens are repeated too."""
    projector = tiny(learned_positions=False)
    fine, coarse = torch.randn(2, 4, 3, 5), torch.randn(2, 2, 3, 4)
    once = projector(stored(fine, coarse), layout=LAYOUT).last_hidden_state
    twice = TokenLayout(1, (8, 6), LAYOUT.channel_slices, 0.25, slice_cells=((2, 2), (4, 2)))
    large = tiny(learned_positions=False, rows_per_token=4, columns_per_token=6)
    doubled = stored(fine.repeat_interleave(2, 1).repeat_interleave(2, 2), coarse, repeats=(4, 2))
    torch.testing.assert_close(large(doubled, layout=twice).last_hidden_state, once, atol=1e-6, rtol=1e-5)
    # Without slice_cells the repetitions are tokens of their own, and weigh more.
    counted = TokenLayout(1, (4, 3), LAYOUT.channel_slices, 0.5)
    assert not torch.allclose(projector(stored(fine, coarse), layout=counted).last_hidden_state, once, atol=1e-3)


def test_regions_inside_a_coarse_token_all_read_it():
    """PAL's setting: a region for each cell of the finer grid, and a coarse token that covers several of them."""
    layout = TokenLayout(0, (4, 4), ((0, 5), (5, 9)), 0.5, slice_cells=((1, 1), (2, 4)))
    projector = tiny(rows_per_token=1, columns_per_token=1)
    fine, coarse = torch.randn(1, 4, 4, 5), torch.randn(1, 2, 1, 4)
    before = projector(stored(fine, coarse, (2, 4), cls=0), layout=layout).last_hidden_state
    assert before.shape == (1, 16, 10)
    changed = coarse.clone()
    changed[:, 1] += torch.randn(4)
    after = projector(stored(fine, changed, (2, 4), cls=0), layout=layout).last_hidden_state
    assert ((after - before).abs().amax(-1)[0] > 1e-6).tolist() == [False] * 8 + [True] * 8


def test_slices_are_one_set_of_keys_and_tokens_of_a_region_are_a_set_without_positions():
    projector = tiny(learned_positions=False)
    fine, coarse = torch.randn(1, 4, 3, 5), torch.randn(1, 2, 3, 4)
    expected = projector(stored(fine, coarse), layout=LAYOUT).last_hidden_state
    mixed = fine.clone()
    mixed[:, :2] = fine[:, :2].flip(1, 2)
    torch.testing.assert_close(projector(stored(mixed, coarse), layout=LAYOUT).last_hidden_state, expected)
    placed = tiny()
    assert not torch.allclose(
        placed(stored(mixed, coarse), layout=LAYOUT).last_hidden_state,
        placed(stored(fine, coarse), layout=LAYOUT).last_hidden_state,
        atol=1e-3,
    )


def test_the_mean_of_the_clip_reaches_every_region():
    projector = tiny(context="mean")
    moved = changed_tokens(projector, LAYOUT, torch.randn(1, LAYOUT.num_tokens, 9))
    assert moved.pop("cls") == []
    assert set(map(tuple, moved.values())) == {(0, 1)}


def test_the_mean_of_a_slice_counts_a_token_once_also_where_the_end_of_the_grid_cuts_it():
    layout = TokenLayout(1, (3, 3), ((0, 5), (5, 9)), 0.5, slice_cells=((1, 1), (2, 3)))
    projector = tiny(context="mean", rows_per_token=1)
    seen = []
    projector.connector.with_context.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    fine, coarse = torch.randn(1, 3, 3, 5), torch.randn(1, 2, 1, 4)
    tokens = torch.cat([fine, coarse[:, [0, 0, 1]].expand(-1, -1, 3, -1)], dim=-1).flatten(1, 2)
    projector(torch.cat([torch.randn(1, 1, 9), tokens], dim=1), layout=layout)
    latent, _, mean = seen[0][0, 0].split(8)
    assert torch.equal(latent, projector.connector.latent)
    torch.testing.assert_close(mean, projector.connector.projections[1](coarse[0, :, 0]).mean(0))


def test_every_region_starts_from_the_same_latent():
    projector = tiny()
    fine, coarse = torch.randn(1, 2, 3, 5).repeat(1, 2, 1, 1), torch.randn(1, 1, 3, 4).repeat(1, 2, 1, 1)
    output = projector(stored(fine, coarse), layout=LAYOUT).last_hidden_state
    torch.testing.assert_close(output[:, 0], output[:, 1])


def test_seconds_are_the_middle_of_a_region():
    layout = TokenLayout(1, (4, 6), ((0, 5), (5, 9)), 0.5)
    assert tiny()(torch.randn(2, layout.num_tokens, 9), layout=layout).seconds.tolist() == [0.5, 0.5, 1.5, 1.5]


def test_full_size_for_three_slices_counts_its_parameters():
    with torch.device("meta"):
        projector = RegionsProjector(RegionsProjectorConfig(slice_sizes=[256] * 3))
    square, wide = 768 * 769, (768 + 1) * 3072 + (3072 + 1) * 768
    connector = 768 + 3 * (257 * 768 + 2 * 768) + 8 * 768 + 4 * square + wide + 3 * 2 * 768
    assert sum(each.numel() for each in projector.parameters()) == connector + 769 * 4096 + 4097 * 4096


def test_latent_and_positions_are_drawn_at_the_scale_that_is_said():
    projector = tiny(hidden_size=4000, num_hidden_layers=1, initializer_range=0.02)
    assert projector.connector.latent.std().item() == pytest.approx(4000**-0.5, rel=0.05)
    assert projector.connector.positions.std().item() == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        ((3, 3), "rows_per_token 3 and columns_per_token 3 do not divide the encoder's 4 rows x 3 columns"),
        ((2, 2), "rows_per_token 2 and columns_per_token 2 do not divide"),
    ],
)
def test_regions_that_do_not_tile_the_grid_are_refused(sides, words):
    with pytest.raises(SpatialLLMError, match=words):
        tiny(rows_per_token=sides[0], columns_per_token=sides[1])(torch.randn(1, 13, 9), layout=LAYOUT)


def test_regions_that_do_not_fit_a_coarser_slice_are_refused_with_both_grids():
    layout = TokenLayout(0, (12, 4), ((0, 5), (5, 9)), 0.5, slice_cells=((1, 1), (3, 4)))
    words = (
        "rows_per_token 2 and columns_per_token 2 of a grid of 12 x 4, but a token of channel slice 1 covers 3 rows x 4 "
        "columns of it"
    )
    config = RegionsProjectorConfig(**SIZES | {"columns_per_token": 2})
    with pytest.raises(SpatialLLMError, match=words):
        config.num_tokens(layout)
    with pytest.raises(SpatialLLMError, match=words):
        RegionsProjector(config)(torch.randn(1, 48, 9), layout=layout)


def test_fields_that_cannot_be_are_refused():
    with pytest.raises(SpatialLLMError, match="context is 'max'"):
        RegionsProjectorConfig(context="max")
    with pytest.raises(SpatialLLMError, match="rows_per_token is 0"):
        RegionsProjectorConfig(rows_per_token=0)
    with pytest.raises(SpatialLLMError, match=r"slice_sizes is \[0\]; expected whole numbers"):
        RegionsProjectorConfig(slice_sizes=[0])


def test_slices_are_filled_in_from_the_layout_and_contradictions_refused():
    config = RegionsProjectorConfig(**SIZES | {"slice_sizes": None})
    config.fit(LAYOUT)
    assert config.slice_sizes == [5, 4]
    with pytest.raises(SpatialLLMError, match=r"slice_sizes is \[4, 5\], but the slices .* \[5, 4\] channels; leave"):
        RegionsProjectorConfig(**SIZES | {"slice_sizes": [4, 5]}).fit(LAYOUT)
    alone = RegionsProjector(RegionsProjectorConfig(**SIZES | {"slice_sizes": None}))
    assert alone.config.slice_sizes == [9], "built alone it reads all channels as one slice"
