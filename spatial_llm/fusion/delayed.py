"""Delayed fusion: audio joins the sequence from a layer on; the layers below it see text only (PAL, arXiv 2506.10423,
section 2.2; BlockDecoder has the same order of text first, audio later)."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.base import Fusion
from spatial_llm.fusion.cache_name import CACHE
from spatial_llm.fusion.context import AudioContext
from spatial_llm.fusion.keys_values import check_attention
from spatial_llm.ranges import Natural


@dataclass
class Delayed(Fusion):
    """Audio tokens are rows of the sequence from layer `start_layer` on.

    With 0 it computes what `prefix` computes. Equal prompts of a batch, as when one question is asked about many recordings,
    pass the layers below once.

    Attributes:
        start_layer: index of the first layer that hears; None for a quarter of the layers (PAL: 4, the fifth of 16).
    """

    name: ClassVar[str] = "delayed"
    beside_words: ClassVar[bool] = True

    start_layer: Natural | None = None

    def fused_layers(self, num_layers: int) -> tuple[int, ...]:
        start = num_layers // 4 if self.start_layer is None else self.start_layer
        if start >= num_layers:
            raise SpatialLLMError(
                f"fusion.start_layer is {start}, but the language model has layers 0 to {num_layers - 1}; give one of them."
            )
        return tuple(range(start, num_layers))

    def check_language_model(self, language_model: nn.Module) -> None:
        # The attention itself is not touched, but positions and masks are exchanged as they are for `lal`.
        check_attention(language_model, self.fused_layers(language_model.config.get_text_config().num_hidden_layers))

    def before_layer(
        self, context: AudioContext, layer: nn.Module, index: int, hidden: torch.Tensor, kwargs: dict[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        start = self.fused_layers(context.language_model.config.get_text_config().num_hidden_layers)[0]
        if index < start:
            return hidden, kwargs
        if context.prefill:
            batch, device = context.memory.slots.shape[0], hidden.device
            if index == start:
                tokens = context.memory.tokens.to(device, hidden.dtype)
                hidden = torch.cat([tokens, hidden.expand(batch, -1, -1)], dim=1)
            kwargs["position_ids"] = self._joined(context.audio_positions, kwargs["position_ids"], device)
            audio = context.position_embeddings(hidden)
            kwargs["position_embeddings"] = tuple(
                self._joined(one, text, device) for one, text in zip(audio, kwargs["position_embeddings"], strict=True)
            )
        text = context.text_slots.shape[1]
        cache = kwargs.get(CACHE)
        if cache is not None and getattr(cache, "is_compileable", False):
            # A static cache has its final number of keys from the start; the audio takes the first of them.
            text = cache.layers[index].max_cache_len - context.memory.slots.shape[1]
        kwargs["attention_mask"] = context.mask(layer.self_attn.config, hidden, text, audio_queries=context.prefill)
        context.heard.add(index)
        return hidden, kwargs

    @staticmethod
    def _joined(audio: torch.Tensor, text: torch.Tensor, device: torch.device) -> torch.Tensor:
        text = text.to(device).expand(audio.shape[0], *text.shape[1:])
        return torch.cat([audio.to(device, text.dtype), text], dim=1)
