"""The window-level Q-Former of SALMONN: a few learned queries attend to each short window of the clip in turn.

The windows are folded into the batch of one `Blip2QFormerModel`, so no query sees another window. Source: SALMONN (Tang et
al., arXiv 2310.13289, section 3.1). Deviations: the last window of a clip may be shorter than the others and is heard all
the same, as in Granite Speech (SALMONN's code drops it), and its padding gets no attention; a layer norm follows the last
linear layer, as in `QFormerProjector`; a window is a number of rows of a time-frequency grid, with all frequency columns.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.projectors.base import AudioTokens
from spatial_llm.projectors.configuration_window_qformer import WindowQFormerProjectorConfig
from spatial_llm.projectors.modeling_qformer import QFormer, StandardizingProjector
from spatial_llm.projectors.reading import check_tokens, grid_tokens


class WindowQFormerProjector(StandardizingProjector):
    """Maps each window through `queries_per_window` learned queries, a Q-Former, a linear layer, a layer norm (eps 1e-5).

    The CLS tokens of the encoder, which belong to no window, are left out.
    """

    config: WindowQFormerProjectorConfig
    config_class = WindowQFormerProjectorConfig

    def __init__(self, config: WindowQFormerProjectorConfig) -> None:
        super().__init__(config)
        self.query = nn.Parameter(torch.empty(1, config.queries_per_window, config.hidden_size))
        self.qformer = QFormer(config)
        self.end_with_norm()

    @can_return_tuple
    def forward(
        self, audio_hidden_states: torch.Tensor, layout: TokenLayout | None = None, **kwargs: Unpack[TransformersKwargs]
    ) -> AudioTokens:
        """Projects the patch tokens window by window.

        Args:
            audio_hidden_states: (B, tokens, encoder_hidden_size).
            layout: layout of these tokens.
            **kwargs: `output_attentions`, `output_hidden_states` and the like, as in transformers.

        Returns:
            `last_hidden_state` (B, windows * queries_per_window, text_hidden_size), window by window; `seconds` (windows *
            queries_per_window,), the middle of what a window holds; on request, from the Q-Former inside, `hidden_states`
            (B * windows, queries_per_window, hidden_size), `attentions` among the queries and `cross_attentions` (B *
            windows, heads, queries_per_window, rows_per_window * columns).

        Raises:
            SpatialLLMError: there is no layout, or its number of tokens differs.
        """
        layout = check_tokens(audio_hidden_states, layout)
        grid = self.standardized(grid_tokens(audio_hidden_states, layout))
        clips, rows, columns = grid.shape[:3]
        high = min(self.config.rows_per_window, rows)
        windows = -(-rows // high)
        padded = functional.pad(grid, (0, 0, 0, 0, 0, windows * high - rows))
        outputs = self.qformer(
            query_embeds=self.query.expand(clips * windows, -1, -1),
            encoder_hidden_states=padded.reshape(clips * windows, high * columns, -1),
            encoder_attention_mask=_heard(clips, windows, high, rows, columns, grid) if windows * high > rows else None,
            return_dict=True,
            **kwargs,
        )
        embeds = self.norm(self.linear(outputs.last_hidden_state))
        first = torch.arange(windows, device=grid.device) * high
        seconds = (first + (first + high).clamp(max=rows)) / 2 * layout.seconds_per_row
        return AudioTokens(
            last_hidden_state=embeds.reshape(clips, windows * self.config.queries_per_window, -1),
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            cross_attentions=outputs.cross_attentions,
            seconds=seconds.repeat_interleave(self.config.queries_per_window),
        )


def _heard(clips: int, windows: int, high: int, rows: int, columns: int, like: torch.Tensor) -> torch.Tensor:
    """Returns what is added to attention scores, (clips * windows, 1, 1, high * columns): the least number on padding.

    It is a mask of four axes because transformers makes one of a mask of two axes by looking at its values, which tensors on
    the meta device do not have.
    """
    there = torch.arange(windows * high, device=like.device) < rows
    added = torch.zeros(there.shape, dtype=like.dtype, device=like.device).masked_fill(~there, torch.finfo(like.dtype).min)
    per_window = added.reshape(windows, high, 1).expand(-1, -1, columns).reshape(windows, 1, 1, -1)
    return per_window.repeat(clips, 1, 1, 1)
