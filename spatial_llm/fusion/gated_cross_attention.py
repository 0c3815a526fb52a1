"""Gated cross-attention: before chosen layers, text reads the audio through new layers whose gates start closed.

    x <- x + tanh(g1) CrossAttention(LN(x), audio);  x <- x + tanh(g2) FFN(LN(x))

Sources: Flamingo (arXiv 2204.14198, section 3.1.2); the sizes are those of Audio Flamingo 2 (arXiv 2503.03983): 8 heads of
64, feed-forward 4 times as wide, no biases, both gates at 0, a block before every layer, no norm on the audio. So the first
step is the language model itself, bit for bit. Deviations: the audio's keys and values are computed once a generation, not
in every step; a row that hears no recording, such as text before the first one, is not changed at all.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional
from transformers import initialization as init

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.added_module import ADDED, AddedModule
from spatial_llm.fusion.base import Fusion, Layers, chosen_layers, decoder_layers
from spatial_llm.fusion.cache_name import CACHE
from spatial_llm.fusion.context import AudioContext
from spatial_llm.fusion.keys_values import check_layers
from spatial_llm.ranges import Count

INITIALIZER_RANGE = 0.02


class GatedBlock(AddedModule):
    """One gated cross-attention with its feed-forward layer.

    Args:
        audio_width, text_width: widths of the audio tokens and of the language model.
        settings: heads, sizes and gates.
    """

    def __init__(self, audio_width: int, text_width: int, settings: "GatedCrossAttention") -> None:
        super().__init__()
        inner = settings.heads * settings.head_dim
        self.heads, self.gate_init = settings.heads, settings.gate_init
        # Names unlike q_proj or fc1, which LoRA's targets could be.
        self.attention_norm = nn.LayerNorm(text_width)
        self.query = nn.Linear(text_width, inner, bias=False)
        self.key = nn.Linear(audio_width, inner, bias=False)
        self.value = nn.Linear(audio_width, inner, bias=False)
        self.output = nn.Linear(inner, text_width, bias=False)
        self.query_norm = nn.RMSNorm(settings.head_dim, eps=1e-6) if settings.qk_norm else nn.Identity()
        self.key_norm = nn.RMSNorm(settings.head_dim, eps=1e-6) if settings.qk_norm else nn.Identity()
        self.feed_norm = nn.LayerNorm(text_width)
        self.wider = nn.Linear(text_width, settings.ffn * text_width, bias=False)
        self.narrower = nn.Linear(settings.ffn * text_width, text_width, bias=False)
        # Of shape (1,): ZeRO-3 cannot divide numbers without a dimension.
        self.attention_gate = nn.Parameter(torch.empty(1))
        self.feed_gate = nn.Parameter(torch.empty(1))

    def init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Linear):
                init.normal_(module.weight, std=INITIALIZER_RANGE)
            elif isinstance(module, nn.LayerNorm | nn.RMSNorm):
                init.ones_(module.weight)
                if isinstance(module, nn.LayerNorm):
                    init.zeros_(module.bias)
        init.constant_(self.attention_gate, self.gate_init)
        init.constant_(self.feed_gate, self.gate_init)

    def keys_values(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns keys and values (batch, heads, audio, head width) of tokens (batch, audio, audio width)."""
        tokens = tokens.to(self.key.weight.dtype)
        return self.key_norm(self._heads(self.key(tokens))), self._heads(self.value(tokens))

    def forward(
        self, hidden: torch.Tensor, tokens: torch.Tensor | None, kept: tuple | None, allowed: torch.Tensor
    ) -> torch.Tensor:
        """Returns the hidden states (batch, rows, text width) after the block.

        Args:
            hidden: (batch, rows, text width).
            tokens: audio (batch, audio, audio width), or
            kept: its keys and values.
            allowed: (batch, rows, audio), True where a row hears a token.
        """
        keys, values = self.keys_values(tokens) if kept is None else kept
        hears = allowed.any(-1, keepdim=True)
        # Attention over nothing is not a number in some kernels; such rows attend to everything and are masked out after.
        mask = (allowed | ~hears).unsqueeze(1)
        states = hidden.to(self.query.weight.dtype)
        queries = self.query_norm(self._heads(self.query(self.attention_norm(states))))
        read = functional.scaled_dot_product_attention(queries, keys.to(queries.dtype), values.to(queries.dtype), mask)
        read = self.output(read.transpose(1, 2).flatten(2))
        states = states + hears * torch.tanh(self.attention_gate) * read
        fed = self.narrower(functional.gelu(self.wider(self.feed_norm(states))))
        return (states + hears * torch.tanh(self.feed_gate) * fed).to(hidden.dtype)

    def _heads(self, states: torch.Tensor) -> torch.Tensor:
        return states.unflatten(-1, (self.heads, -1)).transpose(1, 2)


@dataclass
class GatedCrossAttention(Fusion):
    """Gated cross-attention before chosen layers (Flamingo, Audio Flamingo).

    Attributes:
        layers: indices of the layers with a block in front, or `{start, every}`; None for every layer.
        width: width of the projector's tokens.
        heads: heads of the cross-attention.
        head_dim: width of one head.
        ffn: width of the feed-forward layer, in widths of the language model.
        gate_init: initial gates, before the tanh.
        qk_norm: RMS norm on queries and keys.
    """

    name: ClassVar[str] = "gated_cross_attention"

    layers: Layers = None
    width: Count = 768
    heads: Count = 8
    head_dim: Count = 64
    ffn: Count = 4
    gate_init: float = 0.0
    qk_norm: bool = False

    def audio_width(self, text_width: int) -> int:
        return self.width

    def fused_layers(self, num_layers: int) -> tuple[int, ...]:
        chosen = chosen_layers(self.layers, num_layers, start=0)
        if not chosen:
            raise SpatialLLMError("fusion.layers is empty; expected at least one layer with a gated cross-attention.")
        return chosen

    def check_language_model(self, language_model: nn.Module) -> None:
        check_layers(language_model, self.fused_layers(language_model.config.get_text_config().num_hidden_layers))

    def extend(self, language_model: nn.Module, audio_width: int) -> None:
        layers = decoder_layers(language_model)
        text_width = language_model.get_input_embeddings().embedding_dim
        for index in self.fused_layers(len(layers)):
            setattr(layers[index], ADDED, GatedBlock(audio_width, text_width, self))

    def before_layer(
        self, context: AudioContext, layer: nn.Module, index: int, hidden: torch.Tensor, kwargs: dict[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        block: GatedBlock | None = getattr(layer, ADDED, None)
        if block is None:
            return hidden, kwargs
        context.heard.add(index)
        memory, kept = context.memory, context.memory.kept.get(index)
        if kept is None and kwargs.get(CACHE) is not None:
            kept = memory.kept[index] = block.keys_values(memory.tokens.to(hidden.device))
        queries = context.text_slots[:, context.text_slots.shape[1] - context.rows :, None]
        allowed = (memory.valid[:, None] & (memory.slots[:, None] <= queries)).to(hidden.device)
        given = (hidden, None if kept is not None else memory.tokens.to(hidden.device), kept, allowed)
        # The hooks of a layer run outside of its own checkpoint.
        if getattr(layer, "gradient_checkpointing", False) and layer.training and torch.is_grad_enabled():
            return layer._gradient_checkpointing_func(block.__call__, *given), kwargs
        return block(*given), kwargs
