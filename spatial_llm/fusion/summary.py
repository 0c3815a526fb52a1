"""The summary tokens of a hybrid fusion: means of stretches of the audio tokens, or learned queries that attend to them."""

import torch
from torch import nn
from torch.nn import functional
from transformers import initialization as init

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.fusion.rows import INITIALIZER_RANGE, Rows
from spatial_llm.projectors.base import AudioTokens

SUMMARY_HEADS = 8


class Summary(Rows):
    """Makes the summary tokens of a clip, and maps them to rows of the language model.

    Args:
        width: channels of the projector's tokens.
        text_width: width of the language model.
        count: summary tokens.
        origin: as in `Hybrid`.
    """

    def __init__(self, width: int, text_width: int, count: int, origin: str) -> None:
        super().__init__(count)
        self.queries = nn.Parameter(torch.empty(count, width)) if origin == "query" else None
        self.heads = next(heads for heads in range(SUMMARY_HEADS, 0, -1) if width % heads == 0)
        self.key = nn.Linear(width, width, bias=False) if origin == "query" else None
        self.end_with_norm(width, text_width)

    def init_weights(self) -> None:
        if self.key is not None:
            init.normal_(self.key.weight, std=INITIALIZER_RANGE)
        super().init_weights()
        if self.queries is not None:
            init.normal_(self.queries)

    def forward(self, heard: AudioTokens, audio_hidden_states: torch.Tensor, layout: TokenLayout) -> AudioTokens:
        return AudioTokens(last_hidden_state=self.summarize(heard.last_hidden_state, heard.mask))

    def summarize(self, tokens: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """Returns summary tokens (clips, count, channels) of a projector's tokens (clips, tokens, channels).

        Args:
            tokens: tokens of the projector.
            mask: (clips, tokens), False on tokens that a clip does not have; None if it has all of them.
        """
        there = torch.ones(tokens.shape[:2], dtype=torch.bool, device=tokens.device) if mask is None else mask
        if self.queries is None:
            # Token t of n goes to stretch floor(t * count / n), n being the clip's own number of tokens.
            order = there.cumsum(1) - 1
            stretch = (order * self.count // there.sum(1, keepdim=True).clamp(min=1)).clamp(0, self.count - 1)
            member = functional.one_hot(stretch, self.count).to(tokens.dtype) * there.unsqueeze(-1)
            sums = member.transpose(1, 2) @ tokens
            return sums / member.sum(1).clamp(min=1).unsqueeze(-1)
        queries = self.queries.to(tokens.dtype).expand(tokens.shape[0], -1, -1)
        keys = self.key(tokens.to(self.key.weight.dtype)).to(tokens.dtype)
        queries, keys, values = (each.unflatten(-1, (self.heads, -1)).transpose(1, 2) for each in (queries, keys, tokens))
        read = functional.scaled_dot_product_attention(queries, keys, values, there[:, None, None])
        return read.transpose(1, 2).flatten(2)
