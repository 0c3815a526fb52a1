"""What the tokens of an encoder's `last_hidden_state` are: the contract between encoders and projectors."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch


@dataclass(frozen=True)
class TokenLayout:
    """The order of tokens (CLS tokens, then the patch grid row by row) and of channels in (B, tokens, width).

    Token number `num_cls_tokens + row * columns + column` is the patch at (row, column).

    Attributes:
        num_cls_tokens: tokens before the grid.
        grid: (time rows, frequency columns) of the patch tokens.
        channel_slices: (start, stop) of the channels that belong together; one slice where nothing divides them.
        seconds_per_row: time that one row spans.
        slice_cells: (rows, columns) of grid cells that one token of a slice covers, for each slice. An encoder on a coarser
            grid is stored repeated on this grid: each of its tokens stands in so many rows and columns, beginning with the
            first, and at the end of the grid in fewer where they do not divide it. None: no slice is repeated.
    """

    num_cls_tokens: int
    grid: tuple[int, int]
    channel_slices: tuple[tuple[int, int], ...]
    seconds_per_row: float
    slice_cells: tuple[tuple[int, int], ...] | None = None

    @property
    def slice_sizes(self) -> tuple[int, ...]:
        """Number of channels of each slice."""
        return tuple(stop - start for start, stop in self.channel_slices)

    @property
    def cells(self) -> tuple[tuple[int, int], ...]:
        """`slice_cells`, with (1, 1) for each slice where it is None."""
        return ((1, 1),) * len(self.channel_slices) if self.slice_cells is None else self.slice_cells

    @property
    def num_tokens(self) -> int:
        """Tokens in all."""
        return self.num_cls_tokens + self.grid[0] * self.grid[1]

    @property
    def width(self) -> int:
        """Channels in all."""
        return self.channel_slices[-1][1]

    def select(self, slices: Sequence[int]) -> "TokenLayout":
        """Returns the layout of what `channels_of` gives for the same slices: the same tokens, with these channels alone."""
        if self._is_all(slices):
            return self
        sizes = [self.slice_sizes[index] for index in slices]
        packed = tuple((stop - size, stop) for size, stop in zip(sizes, accumulate(sizes), strict=True))
        cells = None if self.slice_cells is None else tuple(self.slice_cells[index] for index in slices)
        return TokenLayout(self.num_cls_tokens, self.grid, packed, self.seconds_per_row, cells)

    def channels_of(self, slices: Sequence[int], audio_hidden_states: torch.Tensor) -> torch.Tensor:
        """Selects from (..., width) the channels of slices, side by side in the order given: (..., their channels).

        Of all slices it returns the very tensor.
        """
        if self._is_all(slices):
            return audio_hidden_states
        ends = [self.channel_slices[index] for index in slices]
        return torch.cat([audio_hidden_states[..., start:stop] for start, stop in ends], dim=-1)

    def _is_all(self, slices: Sequence[int]) -> bool:
        return list(slices) == list(range(len(self.channel_slices)))


# A projector that takes the layout can be exported: torch.export then treats its numbers as constants.
torch.export.register_dataclass(TokenLayout)
