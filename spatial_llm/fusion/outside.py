"""What a fusion trains outside of the language model: projectors for further layers, and the summary of a hybrid."""

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
from spatial_llm.fusion.summary import Summary
from spatial_llm.projectors.base import AudioTokens


class FusionModules(AddedModule):
    """Completes the tokens of the projector.

    Args:
        projectors: one for each fused layer after the first, if layers do not share one.
        summary: makes rows of the sequence, if the fusion has them.
        summary_first: whether they come before the other tokens of their clip.
    """

    def __init__(self, projectors: Sequence[nn.Module], summary: Summary | None, summary_first: bool = True) -> None:
        super().__init__()
        self.projectors, self.summary, self.summary_first = nn.ModuleList(projectors), summary, summary_first

    def start(self, sample: Callable[[], torch.Tensor], text_scale: float) -> None:
        """Prepares fresh modules before training; see `Projector.start`.

        Args:
            sample: returns encoder output of some recordings (clips, tokens, encoder width).
            text_scale: standard deviation of the language model's embeddings, with which rows of a summary begin.
        """
        for projector in self.projectors:
            projector.start(sample, 1.0)
        if self.summary is not None:
            with torch.no_grad():
                self.summary.norm.weight.fill_(text_scale)

    def forward(self, first: AudioTokens, audio_hidden_states: torch.Tensor, layout: TokenLayout) -> AudioTokens:
        """Returns the tokens of a clip in the order of its placeholders.

        Args:
            first: output of the composite's projector (clips, tokens, width).
            audio_hidden_states: what it was computed from (clips, encoder tokens, encoder width).
            layout: layout of these.

        Returns:
            `last_hidden_state` (clips, summary tokens + tokens, width x projectors), and its `mask`.
        """
        more = (each(audio_hidden_states, layout=layout).last_hidden_state for each in self.projectors)
        tokens, mask = torch.cat([first.last_hidden_state, *more], dim=-1), first.mask
        if self.summary is None:
            return AudioTokens(last_hidden_state=tokens, mask=mask)
        parts = [self.summary(tokens, mask), tokens]
        if mask is not None:
            masks = [mask.new_ones(len(mask), self.summary.count), mask]
            mask = torch.cat(masks if self.summary_first else masks[::-1], dim=1)
        return AudioTokens(last_hidden_state=torch.cat(parts if self.summary_first else parts[::-1], dim=1), mask=mask)


def modules_outside(fusion: Fusion, config: Any) -> FusionModules | None:
    """Returns the module for the attribute `fusion_modules` of the composite of this config; None if it needs none."""
    if not isinstance(fusion, Lal):
        return None
    layers = len(fusion.fused_layers(config.get_text_config().num_hidden_layers))
    projectors = 1 if fusion.share else layers
    summary = None
    if isinstance(fusion, Hybrid):
        width = config.projector_config.text_hidden_size * projectors
        summary = Summary(width, config.get_text_config().hidden_size, fusion.summary_tokens, fusion.summary_origin)
    elif projectors == 1:
        return None
    more = [AutoModel.from_config(config.projector_config) for _ in range(projectors - 1)]
    return FusionModules(more, summary, not isinstance(fusion, Hybrid) or fusion.summary_position == "first")
