"""What a fusion trains outside of the language model: projectors for further layers, and what makes rows of the sequence."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from transformers import AutoModel

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.fusion.added_module import AddedModule
from spatial_llm.fusion.base import Fusion
from spatial_llm.fusion.hybrid import Hybrid
from spatial_llm.fusion.lal import Lal
from spatial_llm.fusion.per_encoder import PerEncoder, PrefixSlices
from spatial_llm.fusion.rows import Rows
from spatial_llm.fusion.summary import Summary
from spatial_llm.projectors.base import AudioTokens


class FusionModules(AddedModule):
    """Completes the tokens of the projector.

    Args:
        fusion: the fusion.
        projectors: one for each fused layer after the first, if layers do not share one.
        summary, prefix: the one of the two that makes rows of the sequence, if the fusion has rows.
    """

    def __init__(
        self, fusion: Fusion, projectors: Sequence[nn.Module], summary: Summary | None, prefix: PrefixSlices | None
    ) -> None:
        super().__init__()
        self.fusion, self.projectors, self.summary, self.prefix = fusion, nn.ModuleList(projectors), summary, prefix

    @property
    def row_maker(self) -> Rows | None:
        """Returns what makes rows of the sequence; None if the fusion has none."""
        return self.prefix if self.summary is None else self.summary

    @property
    def rows_first(self) -> bool:
        """Returns whether these come before the other tokens of their clip."""
        return not isinstance(self.fusion, Hybrid) or self.fusion.summary_position == "first"

    def start(self, sample: Callable[[], torch.Tensor], text_scale: float, layout: TokenLayout) -> None:
        """Prepares fresh modules before training; see `Projector.start`.

        Args:
            sample: returns encoder output of some recordings (clips, tokens, encoder width).
            text_scale: standard deviation of the language model's embeddings, with which rows begin.
            layout: of the encoder output.
        """
        slices = self.fusion.projector_slices(layout)
        for projector in self.projectors:
            projector.start(lambda: layout.channels_of(slices, sample()), 1.0, layout.select(slices))
        if self.row_maker is not None:
            self.row_maker.start(sample, text_scale, layout)

    def forward(self, first: AudioTokens, audio_hidden_states: torch.Tensor, layout: TokenLayout) -> AudioTokens:
        """Returns the tokens of a clip in the order of its placeholders.

        Args:
            first: output of the composite's projector (clips, tokens, width).
            audio_hidden_states: output of the encoder (clips, encoder tokens, encoder width).
            layout: layout of these.

        Returns:
            `last_hidden_state` (clips, tokens for rows + tokens, width x projectors), its `mask`, and the `loss` of all
            projectors.
        """
        slices = self.fusion.projector_slices(layout)
        own, own_layout = layout.channels_of(slices, audio_hidden_states), layout.select(slices)
        all_of = [first, *(each(own, layout=own_layout) for each in self.projectors)]
        heard = AudioTokens(
            last_hidden_state=torch.cat([each.last_hidden_state for each in all_of], dim=-1),
            mask=first.mask,
            loss=_sum_of_losses(all_of),
        )
        if self.row_maker is None:
            return heard
        parts = [self.row_maker(heard, audio_hidden_states, layout), heard]
        parts = parts if self.rows_first else parts[::-1]
        mask = None
        if any(part.mask is not None for part in parts):
            mask = torch.cat([_there(part) for part in parts], dim=1)
        states = torch.cat([part.last_hidden_state for part in parts], dim=1)
        return AudioTokens(last_hidden_state=states, mask=mask, loss=_sum_of_losses(parts))


def _sum_of_losses(parts: Sequence[AudioTokens]) -> torch.Tensor | None:
    losses = [part.loss for part in parts if part.loss is not None]
    return sum(losses[1:], losses[0]) if losses else None


def _there(tokens: AudioTokens) -> torch.Tensor:
    states = tokens.last_hidden_state
    return tokens.mask if tokens.mask is not None else states.new_ones(states.shape[:2], dtype=torch.bool)


def modules_outside(fusion: Fusion, config: Any) -> FusionModules | None:
    """Returns the module for the attribute `fusion_modules` of the composite of this config; None if it needs none."""
    if not isinstance(fusion, Lal):
        return None
    text, layout = config.get_text_config(), config.encoder_config.token_layout
    # Without a fused layer there is still the composite's own.
    projectors = 1 if fusion.share else max(1, len(fusion.fused_layers(text.num_hidden_layers)))
    summary = prefix = None
    if isinstance(fusion, Hybrid):
        width = config.projector_config.text_hidden_size * projectors
        summary = Summary(width, text.hidden_size, fusion.summary_tokens, fusion.summary_origin)
    elif isinstance(fusion, PerEncoder):
        prefix = PrefixSlices(fusion, layout, config.projector_config, text.hidden_size)
    elif projectors == 1:
        return None
    more = [AutoModel.from_config(config.projector_config) for _ in range(projectors - 1)]
    return FusionModules(fusion, more, summary, prefix)
