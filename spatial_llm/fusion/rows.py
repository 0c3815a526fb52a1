"""`Rows`: the base class of what makes rows of the language model's sequence, beside the tokens that fused layers hear."""

from collections.abc import Callable

import torch
from torch import nn
from transformers import initialization as init

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.fusion.added_module import AddedModule
from spatial_llm.projectors.base import AudioTokens

INITIALIZER_RANGE = 0.02


class Rows(AddedModule):
    """Base class: makes tokens of a clip, and maps them to rows by a linear layer and a layer norm.

    A subclass sets what makes the tokens, then calls `end_with_norm`.

    Args:
        count: tokens of a clip.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def end_with_norm(self, width: int, text_width: int) -> None:
        """Adds the last layers: from the channels of the tokens to the width of the language model."""
        self.linear = nn.Linear(width, text_width)
        self.norm = nn.LayerNorm(text_width)

    def init_weights(self) -> None:
        init.normal_(self.linear.weight, std=INITIALIZER_RANGE)
        init.zeros_(self.linear.bias)
        init.ones_(self.norm.weight)
        init.zeros_(self.norm.bias)

    def start(self, sample: Callable[[], torch.Tensor], text_scale: float, layout: TokenLayout) -> None:
        """Prepares fresh weights before training.

        Args:
            sample: returns encoder output of some recordings (clips, tokens, encoder width).
            text_scale: standard deviation of the language model's embeddings, with which rows begin.
            layout: of these tokens.
        """
        with torch.no_grad():
            self.norm.weight.fill_(text_scale)

    def forward(self, heard: AudioTokens, audio_hidden_states: torch.Tensor, layout: TokenLayout) -> AudioTokens:
        """Returns the tokens of each clip (clips, count, channels of `heard`), which `rows` maps to rows.

        Args:
            heard: what the fused layers hear of the clips.
            audio_hidden_states: output of the encoder (clips, encoder tokens, encoder width).
            layout: of these.
        """
        raise NotImplementedError

    def rows(self, tokens: torch.Tensor) -> torch.Tensor:
        """Maps tokens (tokens, channels) to rows (tokens, text width)."""
        return self.norm(self.linear(tokens.to(self.linear.weight.dtype)))
