"""Compresses an encoder's grid in time: neighbouring rows become one, by their mean, by the first of them, or by segments.

The three ways are those of arXiv 2511.20973 to compress audio tokens, which finds means better than samples. Its rule of
segments is not public. Here a segment ends where adjacent rows differ most: at the largest local maxima of 1 - cosine
similarity, as many as make the wanted number of segments, so that all clips have the same number of tokens. Channel slices
are compared one by one and their differences averaged, so that no slice outvotes another by its scale, and all slices are
cut at the same boundaries. The CLS tokens of the encoder, which have no place on the grid, are left out.
"""

import torch
from torch.nn import functional

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.projectors.reading import grid_tokens, slice_grids
from spatial_llm.projectors.shared_fields import PoolingConfig


def pooled(
    config: PoolingConfig, audio_hidden_states: torch.Tensor, layout: TokenLayout, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns the positions of each clip and their times.

    Args:
        config: what is kept.
        audio_hidden_states: (B, tokens, encoder_hidden_size).
        layout: layout of these tokens.
        dtype: number type of the result.

    Returns:
        The compressed grid (B, positions, pooled_size), positions in the order of time, then of frequency where columns are
        kept, and the middle of each position in seconds (positions,), with method "segments" (B, positions).
    """
    kept, rows = config.kept_rows(layout), layout.grid[0]
    grid = grid_tokens(audio_hidden_states, layout).to(dtype)
    if config.method == "segments":
        number = segment_rows(slice_grids(audio_hidden_states, layout), kept)
    else:
        number = even_groups(rows, kept, config.factor, grid.device)[None]
    member = number[:, None] == torch.arange(kept, device=grid.device)[:, None]  # (B or 1, kept, rows)
    row = torch.arange(rows, device=grid.device)
    if config.method == "sample":
        first = member[0].int().argmax(dim=-1)
        compressed, middle = grid[:, first], first + 0.5
    else:
        share = member / member.sum(dim=-1, keepdim=True)
        weights = share.to(grid.dtype).expand(len(grid), -1, -1)
        compressed = torch.einsum("bkr,brcw->bkcw", weights, grid)
        middle = (share * (row + 0.5)).sum(dim=-1)
        middle = middle if config.method == "segments" else middle[0]
    seconds = middle * layout.seconds_per_row
    if config.columns == "keep":
        return compressed.flatten(1, 2), seconds.repeat_interleave(layout.grid[1], dim=-1)
    return compressed.mean(dim=2) if config.columns == "mean" else compressed.flatten(2), seconds


def even_groups(rows: int, groups: int, factor: int | None, device: torch.device) -> torch.Tensor:
    """Returns the number of the group of each row (rows,): `factor` rows a group, the last one fewer; without a factor
    groups as even as possible."""
    row = torch.arange(rows, device=device)
    # Group g begins at row ceil(g * rows / groups).
    return row // factor if factor is not None else row * groups // rows


def segment_rows(grids: list[torch.Tensor], segments: int) -> torch.Tensor:
    """Returns the number of the segment of each row (B, rows), for exactly `segments` segments.

    Args:
        grids: each channel slice (B, rows, columns, channels); a row is compared with all columns side by side.
        segments: at least 1 and at most the number of rows. Boundaries are the largest local maxima of the mean over the
            slices of 1 - cosine similarity; if there are fewer, the largest of the other differences.
    """
    rows = [grid.detach().float().flatten(2) for grid in grids]
    changes = [1 - functional.cosine_similarity(each[:, 1:], each[:, :-1], dim=-1) for each in rows]
    change = torch.stack(changes).mean(dim=0)  # (B, rows - 1): between row r and row r + 1
    beyond = functional.pad(change, (1, 1), value=-torch.inf)
    peak = (change > beyond[:, :-2]) & (change >= beyond[:, 2:])
    # Sorted by size, then by being a peak; both sorts keep the order of time among equals.
    by_size = change.argsort(dim=1, descending=True, stable=True)
    first = peak.gather(1, by_size).int().argsort(dim=1, descending=True, stable=True)
    boundaries = by_size.gather(1, first)[:, : segments - 1]
    ends = torch.zeros_like(change, dtype=torch.long).scatter(1, boundaries, 1)
    return functional.pad(ends.cumsum(dim=1), (1, 0))
