"""Attention-only fusion, LAL: text attends to projected audio inside chosen layers (PAL, arXiv 2506.10423, section 2.3 and
appendix C; the name is that of its later versions).

    A_l = norm(P_l(Z))                                  Z: tokens of the projector, P_l: linear, one for each layer l
    Q = W_q n(X);  K = [W_k A_l; W_k n(X)];  V = [W_v A_l; W_v n(X)]
    X <- X + W_o softmax(Q K^T / sqrt(d) + mask) V;  X <- X + FFN(n(X))

W_q, W_k, W_v and W_o are the language model's own, so LoRA on them trains. Audio makes no queries, passes no feed-forward
layer and is dropped before the next layer. Its keys and values are computed once a generation.
Not published, and our choice: the norm of A_l, which is a copy of the layer's own and then free; rotary positions of the
audio, which are those of its placeholders, so that text has the same positions in fused and other layers.
"""

import copy
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import torch
from torch import nn
from transformers import initialization as init

from spatial_llm.fusion.added_module import ADDED, AddedModule
from spatial_llm.fusion.base import Fusion, Layers, chosen_layers, decoder_layers, refusal
from spatial_llm.fusion.cache_name import CACHE
from spatial_llm.fusion.context import AudioContext
from spatial_llm.fusion.keys_values import Prepended, check_attention, keys_values
from spatial_llm.ranges import Count

INITIALIZER_RANGE = 0.02


class AudioInput(AddedModule):
    """Maps the projector's tokens to the input of one layer's attention: P_l, and the norm if it is the layer's own copy.

    Args:
        audio_width: width of the tokens.
        text_width: width of the language model.
        norm: norm of the layer, to be copied; None for none.
        part: channels of the tokens that this layer reads.
    """

    def __init__(self, audio_width: int, text_width: int, norm: nn.Module | None, part: slice) -> None:
        super().__init__()
        self.part = part
        self.projection = nn.Linear(audio_width, text_width, bias=False)
        self.norm = None if norm is None else copy.deepcopy(norm).requires_grad_(True)
        # In a tuple, so that the layer's norm does not become part of this module.
        self._like = (norm,)

    def init_weights(self) -> None:
        init.normal_(self.projection.weight, std=INITIALIZER_RANGE)
        if self.norm is not None:
            for mine, its in zip(self.norm.parameters(), self._like[0].parameters(), strict=True):
                init.copy_(mine, its)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Maps tokens (batch, audio, channels) to (batch, audio, text width)."""
        states = self.projection(tokens[..., self.part].to(self.projection.weight.dtype))
        return states if self.norm is None else self.norm(states)


@dataclass
class Lal(Fusion):
    """Text attends to audio in chosen layers, with the language model's own weights.

    Attributes:
        layers: indices of the fused layers, or `{start, every}`; None for all from a quarter on (PAL: from the fifth of 16).
        width: width of the projector's tokens.
        norm: "own": a norm for each layer, which starts as a copy of the layer's; "llm": the layer's own, frozen with it;
            "none": no norm.
        share: one projector for all layers; False: one for each (PAL, appendix C, found both equal).
        positions: "slots": audio has the positions of its placeholders; "none": its keys are not rotated, and text positions
            leave the placeholders out.
    """

    name: ClassVar[str] = "lal"

    layers: Layers = None
    width: Count = 768
    norm: Literal["own", "llm", "none"] = "own"
    share: bool = True
    positions: Literal["slots", "none"] = "slots"

    def audio_width(self, text_width: int) -> int:
        return self.width

    def fused_layers(self, num_layers: int) -> tuple[int, ...]:
        return chosen_layers(self.layers, num_layers, start=num_layers // 4)

    def check_language_model(self, language_model: nn.Module) -> None:
        layers = self.fused_layers(language_model.config.get_text_config().num_hidden_layers)
        check_attention(language_model, layers)
        if self.norm != "none" and (missing := [one for one in layers if _norm(language_model, one) is None]):
            raise refusal(language_model, f"layer {missing[0]} has no input_layernorm; fusion.norm none needs none")

    def extend(self, language_model: nn.Module, audio_width: int) -> None:
        layers = decoder_layers(language_model)
        text_width = language_model.get_input_embeddings().embedding_dim
        for number, index in enumerate(self.fused_layers(len(layers))):
            start = 0 if self.share else number * audio_width
            norm = _norm(language_model, index) if self.norm == "own" else None
            added = AudioInput(audio_width, text_width, norm, slice(start, start + audio_width))
            setattr(layers[index].self_attn, ADDED, added)

    def before_attention(
        self, context: AudioContext, attention: nn.Module, index: int, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        if not hasattr(attention, ADDED):
            return kwargs
        hidden, cache = kwargs["hidden_states"], kwargs.get(CACHE)
        text = context.text_slots.shape[1]
        if cache is not None and getattr(cache, "is_compileable", False):
            text = cache.layers[index].max_cache_len
        kwargs["attention_mask"] = context.mask(attention.config, hidden, text)
        keep = cache is not None
        kwargs[CACHE] = Prepended(cache, partial(self._keys_values, context, attention, index, hidden, keep))
        return kwargs

    def _keys_values(
        self, context: AudioContext, attention: nn.Module, index: int, hidden: torch.Tensor, keep: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        context.heard.add(index)
        if index in context.memory.kept:
            return context.memory.kept[index]
        states = getattr(attention, ADDED)(context.memory.tokens.to(hidden.device))
        if self.norm == "llm":
            states = _norm(context.language_model, index)(states)
        found = keys_values(attention, states.to(hidden.dtype), context.position_embeddings(hidden))
        if keep:
            context.memory.kept[index] = found
        return found


def _norm(language_model: nn.Module, index: int) -> nn.Module | None:
    return getattr(decoder_layers(language_model)[index], "input_layernorm", None)
