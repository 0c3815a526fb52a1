"""The pool projector: neighbouring time rows of the encoder's grid become one; a layer norm and two linear layers follow.

Means, every k-th row, and unsupervised segments are the three ways of arXiv 2511.20973 to compress audio tokens, which finds
means better than samples. Its rule of segments is not public. Here a segment ends where adjacent rows differ most: at the
largest local maxima of 1 - cosine similarity, as many as make the wanted number of segments, so that all clips have the
same number of tokens. Channel slices are compared one by one and their differences averaged, so that no slice outvotes
another by its scale, and all slices are cut at the same boundaries. What follows are the two layers of `MLPProjector`. The
CLS tokens of the encoder, which have no place on the grid, are left out.
"""

import torch
from torch.nn import functional
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors.base import AudioTokens
from spatial_llm.projectors.configuration_pool import PoolProjectorConfig
from spatial_llm.projectors.modeling_mlp import TwoLayerProjector
from spatial_llm.projectors.reading import check_tokens, grid_tokens, slice_grids


class PoolProjector(TwoLayerProjector):
    """Maps rows of patch tokens -> fewer rows -> layer norm -> linear layer -> activation -> linear layer."""

    config: PoolProjectorConfig
    config_class = PoolProjectorConfig

    def __init__(self, config: PoolProjectorConfig) -> None:
        if config.columns == "concat" and config.num_columns is None:
            raise SpatialLLMError(
                "num_columns is None with columns: concat; give the number of frequency columns of the encoder's grid, or "
                "join the configuration to an encoder's."
            )
        super().__init__(config, config.encoder_hidden_size * (config.num_columns or 1))

    @can_return_tuple
    def forward(
        self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> AudioTokens:
        """Projects the patch tokens, compressed in time.

        Args:
            audio_hidden_states: (B, tokens, encoder_hidden_size).
            layout: layout of these tokens.

        Returns:
            `last_hidden_state` (B, rows kept, text_hidden_size), or with columns "keep" (B, rows kept * columns, ...) in the
            order of time, then of frequency; `seconds` (tokens,), with method "segments" (B, tokens).

        Raises:
            SpatialLLMError: there is no layout, its number of tokens differs, or it has fewer rows than are wanted.
        """
        layout = check_tokens(audio_hidden_states, layout)
        self.config.num_tokens(layout)
        kept, rows = self.config.kept_rows(layout), layout.grid[0]
        grid = grid_tokens(audio_hidden_states, layout).to(self.up.weight.dtype)
        if self.config.method == "segments":
            number = segment_rows(slice_grids(audio_hidden_states, layout), kept)
        else:
            number = even_groups(rows, kept, self.config.factor, grid.device)[None]
        member = number[:, None] == torch.arange(kept, device=grid.device)[:, None]  # (B or 1, kept, rows)
        row = torch.arange(rows, device=grid.device)
        if self.config.method == "sample":
            first = member[0].int().argmax(dim=-1)
            compressed, middle = grid[:, first], first + 0.5
        else:
            share = member / member.sum(dim=-1, keepdim=True)
            weights = share.to(grid.dtype).expand(len(grid), -1, -1)
            compressed = torch.einsum("bkr,brcw->bkcw", weights, grid)
            middle = (share * (row + 0.5)).sum(dim=-1)
            middle = middle if self.config.method == "segments" else middle[0]
        seconds = middle * layout.seconds_per_row
        if self.config.columns == "keep":
            compressed, seconds = compressed.flatten(1, 2), seconds.repeat_interleave(layout.grid[1], dim=-1)
        else:
            compressed = compressed.mean(dim=2) if self.config.columns == "mean" else compressed.flatten(2)
        return AudioTokens(last_hidden_state=self.two_layers(compressed), seconds=seconds)


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
