"""Reads an encoder's tokens as their `TokenLayout` describes them: CLS tokens, grid, channel slices, coarser cells."""

import torch

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError


def check_tokens(audio_hidden_states: torch.Tensor, layout: TokenLayout | None) -> TokenLayout:
    """Returns the layout.

    Args:
        audio_hidden_states: (B, tokens, encoder width).
        layout: layout of these tokens.

    Raises:
        SpatialLLMError: there is no layout, or its number of tokens differs.
    """
    if layout is None or audio_hidden_states.shape[1] != layout.num_tokens:
        raise SpatialLLMError(
            f"audio_hidden_states has {audio_hidden_states.shape[1]} tokens, and the layout is {layout}; expected the "
            "layout of these tokens, which is token_layout of the encoder's config."
        )
    return layout


def grid_tokens(audio_hidden_states: torch.Tensor, layout: TokenLayout) -> torch.Tensor:
    """Returns the patch tokens on their grid, without the CLS tokens: (B, tokens, width) -> (B, rows, columns, width)."""
    return audio_hidden_states[:, layout.num_cls_tokens :].unflatten(1, layout.grid)


def slice_grids(audio_hidden_states: torch.Tensor, layout: TokenLayout) -> list[torch.Tensor]:
    """Returns the grid of each channel slice: (B, rows, columns, channels of the slice), repeated tokens included."""
    grid = grid_tokens(audio_hidden_states, layout)
    return [grid[..., start:stop] for start, stop in layout.channel_slices]


def slice_tokens(audio_hidden_states: torch.Tensor, layout: TokenLayout) -> list[torch.Tensor]:
    """Returns the tokens of each channel slice, CLS tokens first, each token once: (B, tokens, channels of the slice).

    A slice on a coarser grid has fewer tokens than the others, because its repetitions are left out.
    """
    grids = slice_grids(audio_hidden_states, layout)
    return [
        torch.cat(
            [audio_hidden_states[:, : layout.num_cls_tokens, start:stop], grid[:, ::rows, ::columns].flatten(1, 2)], dim=1
        )
        for (start, stop), grid, (rows, columns) in zip(layout.channel_slices, grids, layout.cells, strict=True)
    ]
