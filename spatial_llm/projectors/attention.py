"""Multi-head attention from one set of tokens to another, for the connectors that are no Q-Former."""

from collections.abc import Callable

import torch
from torch import nn
from transformers.activations import ACT2FN
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from spatial_llm.encoders.layers import eager_attention
from spatial_llm.projectors.shared_fields import AttentionConfig


class Attention(nn.Module):
    """Lets tokens attend to others; transformers chooses the kernel (SDPA by default).

    Args:
        config: heads and dropouts.
        size: width of the tokens that attend, and of the output.
        other_size: width of the tokens attended to.
    """

    def __init__(self, config: AttentionConfig, size: int, other_size: int) -> None:
        super().__init__()
        self.config = config
        self.head_dim = size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(other_size, size)
        self.value = nn.Linear(other_size, size)
        self.out = nn.Linear(size, size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden_states: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
        """Maps (B, Q, size) and (B, K, other_size) -> (B, Q, size)."""
        query, key, value = (
            projection(tokens).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for projection, tokens in ((self.query, hidden_states), (self.key, others), (self.value, others))
        )
        attend: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        dropout = self.config.attention_probs_dropout_prob if self.training else 0.0
        attended, _ = attend(self, query, key, value, None, scaling=self.scaling, dropout=dropout)
        return self.dropout(self.out(attended.flatten(2)))


class FeedForward(nn.Sequential):
    """Applies linear layer, activation, linear layer, dropout: (..., size) -> (..., size)."""

    def __init__(self, config: AttentionConfig, size: int) -> None:
        super().__init__(
            nn.Linear(size, config.intermediate_size),
            ACT2FN[config.hidden_act],
            nn.Linear(config.intermediate_size, size),
            nn.Dropout(config.hidden_dropout_prob),
        )


def two_layers(config: AttentionConfig, size: int) -> nn.Sequential:
    """Returns linear layer, activation, linear layer: (..., size) -> (..., text_hidden_size), through the latter width."""
    return nn.Sequential(
        nn.Linear(size, config.text_hidden_size),
        ACT2FN[config.hidden_act],
        nn.Linear(config.text_hidden_size, config.text_hidden_size),
    )
