"""What the tokens of an encoder's `last_hidden_state` are: the contract between encoders and projectors."""

from dataclasses import dataclass

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
        slice_cells: for each channel slice, the (rows, columns) of grid cells that hold copies of one token of a coarser
            encoder; None where every slice has a token of its own in every cell.
    """

    num_cls_tokens: int
    grid: tuple[int, int]
    channel_slices: tuple[tuple[int, int], ...]
    seconds_per_row: float
    slice_cells: tuple[tuple[int, int], ...] | None = None

    @property
    def num_tokens(self) -> int:
        """Tokens in all."""
        return self.num_cls_tokens + self.grid[0] * self.grid[1]


# A projector that takes the layout can be exported: torch.export then treats its numbers as constants.
torch.export.register_dataclass(TokenLayout)
