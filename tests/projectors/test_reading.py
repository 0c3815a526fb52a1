"""How tokens are read by their layout: numbers that say where they stand come back from their place."""

import torch

from spatial_llm.encoders import DSpASTConfig, TokenLayout
from spatial_llm.projectors.reading import grid_tokens, slice_grids, slice_tokens

# 2 CLS tokens, then 3 rows x 4 columns; the second slice is stored from a grid of 2 x 2, whose last row is cut.
LAYOUT = TokenLayout(2, (3, 4), ((0, 2), (2, 3)), seconds_per_row=0.5, slice_cells=((1, 1), (2, 2)))
# Channels: number of the token, hundred times it, and the number of the coarse token.
NUMBER = torch.arange(14.0)
COARSE = torch.tensor([-1, -2, 0, 0, 1, 1, 0, 0, 1, 1, 2, 2, 3, 3.0])
TOKENS = torch.stack([NUMBER, 100 * NUMBER, COARSE], dim=-1)[None]


def test_the_grid_is_row_by_row_behind_the_cls_tokens():
    assert torch.equal(grid_tokens(TOKENS, LAYOUT)[0, :, :, 0], torch.arange(2, 14).reshape(3, 4).float())


def test_slices_are_channels_of_the_grid_as_it_is_stored():
    fine, coarse = slice_grids(TOKENS, LAYOUT)
    assert fine.shape == (1, 3, 4, 2)
    assert coarse[0, ..., 0].tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3]]


def test_tokens_of_a_slice_are_its_own_ones_each_once():
    fine, coarse = slice_tokens(TOKENS, LAYOUT)
    assert torch.equal(fine, TOKENS[..., :2])
    assert coarse[0, :, 0].tolist() == [-1, -2, 0, 1, 2, 3]


def test_a_layout_without_coarser_slices_has_cells_of_one():
    layout = DSpASTConfig().token_layout
    assert layout.slice_cells is None
    assert layout.cells == ((1, 1),) * 3
    assert layout.slice_sizes == (256, 256, 256)
    assert LAYOUT.cells == ((1, 1), (2, 2))
    assert LAYOUT.slice_sizes == (2, 1)
