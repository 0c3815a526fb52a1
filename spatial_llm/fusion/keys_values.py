"""Keys and values of audio tokens by the language model's own weights, as its attention computes them for text.

The modules are called, never their weights read, so LoRA, quantised layers and weights on other devices work. Which families
of language models this fits is not a list: `check_attention` computes the keys and values of random states both ways.
"""

import copy
import inspect
import sys
from typing import Any

import torch
from torch import nn

from spatial_llm.fusion.base import decoder_layers, refusal
from spatial_llm.fusion.cache_name import CACHE

PROBE_TOKENS = 3
# These scale positions by the largest one of a call; text and audio are separate calls.
MOVING_ROPE = ("dynamic", "longrope")


def keys_values(
    attention: nn.Module, states: torch.Tensor, position_embeddings: tuple[torch.Tensor, torch.Tensor] | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns keys and values (batch, heads, tokens, head width) of normalised states (batch, tokens, text width).

    Args:
        attention: a self-attention of the language model, shaped like Llama's.
        states: input of its projections.
        position_embeddings: cosine and sine (batch, tokens, head width); None leaves the keys unrotated.
    """
    shape = (*states.shape[:-1], -1, attention.head_dim)
    keys, values = attention.k_proj(states).view(shape), attention.v_proj(states).view(shape).transpose(1, 2)
    if getattr(attention, "k_norm", None) is not None:
        keys = attention.k_norm(keys)
    keys = keys.transpose(1, 2)
    # SmolLM3 rotates in some of its layers only.
    if position_embeddings is not None and getattr(attention, "use_rope", True):
        # Families rotate in different ways: the function of the attention's own module is taken.
        rotate = sys.modules[type(attention).__module__].apply_rotary_pos_emb
        cos, sin = (each.to(keys.device, keys.dtype) for each in position_embeddings)
        keys = rotate(keys, keys, cos, sin)[1]
    return keys, values


class _Listener:
    """Stands for a cache, and keeps what the attention would store in it."""

    def update(self, keys: torch.Tensor, values: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, torch.Tensor]:
        self.stored = keys, values
        return keys, values


def check_layers(language_model: nn.Module, layers: tuple[int, ...], needs: tuple[str, ...] = ()) -> None:
    """Raises SpatialLLMError if the context would not reach the layers, or if one of them attends in a sliding window.

    Args:
        language_model: a causal language model.
        layers: indices of the fused layers.
        needs: keyword arguments that the layers must take.
    """
    found = decoder_layers(language_model)
    decoder = language_model.get_decoder()
    # The classes are asked, because tools such as accelerate replace the methods of an object.
    for module in (language_model, decoder, found[0]):
        parameters = inspect.signature(type(module).forward).parameters
        if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            raise refusal(language_model, f"{type(module).__name__} hands no further arguments to its layers")
    if missing := [name for name in needs if name not in inspect.signature(type(found[0]).forward).parameters]:
        raise refusal(language_model, f"{type(found[0]).__name__} takes no {missing[0]}")
    for index in layers:
        attention = getattr(found[index], "self_attn", None)
        if attention is None:
            raise refusal(language_model, f"layer {index} has no self_attn")
        if needs and (window := _window(attention, index)) is not None:
            why = f"layer {index} attends in a sliding window of {window} tokens, which would cut the audio"
            raise refusal(language_model, why)


def _window(attention: nn.Module, index: int) -> int | None:
    """Returns the tokens of the sliding window of layer `index`; None if it attends to everything."""
    if hasattr(attention, "sliding_window"):
        return attention.sliding_window
    kinds = getattr(attention.config, "layer_types", None)
    return None if kinds and kinds[index] == "full_attention" else getattr(attention.config, "sliding_window", None)


@torch.no_grad()
def check_attention(language_model: nn.Module, layers: tuple[int, ...]) -> None:
    """Raises SpatialLLMError, naming the class, unless `keys_values` gives what the attention of the language model itself
    computes.

    It is tried on a fresh attention of the same class and config, on the CPU, because the weights of the language model may
    not be there yet.
    """
    check_layers(language_model, layers, needs=("position_embeddings",))
    decoder, config = language_model.get_decoder(), language_model.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type") in MOVING_ROPE:
        raise refusal(language_model, f"its rotary positions are of type {rope['rope_type']}, which depend on the length")
    for layer in {type(decoder_layers(language_model)[index].self_attn): index for index in layers}.values():
        attention_class = type(decoder_layers(language_model)[layer].self_attn)
        try:
            same = _same(attention_class, type(decoder.rotary_emb), config, layer)
        except (AttributeError, TypeError, RuntimeError, ValueError, KeyError) as error:
            raise refusal(language_model, f"{attention_class.__name__} is built otherwise ({error})") from None
        if not same:
            raise refusal(language_model, f"{attention_class.__name__} computes its keys and values otherwise")


def _same(attention_class: type, rotary_class: type, config: Any, index: int) -> bool:
    key = (attention_class, rotary_class, config.to_json_string(), index)
    if key not in _COMPARED:
        _COMPARED[key] = _compared(attention_class, rotary_class, config, index)
    return _COMPARED[key]


_COMPARED: dict[tuple, bool] = {}  # a model is built on "meta" first, and then of its parts


def _compared(attention_class: type, rotary_class: type, config: Any, index: int) -> bool:
    config = copy.deepcopy(config)
    config._attn_implementation = "eager"
    random = torch.Generator().manual_seed(0)
    # Whatever the device and the default number type of the moment, as inside `from_pretrained`, which fills no weights.
    with torch.device("cpu"):
        attention = attention_class(config, layer_idx=index).float().eval()
        rotary = rotary_class(config=config).float()
        # transformers' ZeRO-3 divides fresh weights among processes at once.
        if any(hasattr(parameter, "ds_id") for parameter in attention.parameters()):
            return True
        for parameter in attention.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random, dtype=torch.float32) * 0.05)
        states = torch.randn(1, PROBE_TOKENS, config.hidden_size, generator=random, dtype=torch.float32)
        positions = rotary(states, position_ids=torch.arange(PROBE_TOKENS)[None] + 5)
        listener = _Listener()
        attention(hidden_states=states, position_embeddings=positions, attention_mask=None, **{CACHE: listener})
        ours = keys_values(attention, states, positions)
    both = zip(ours, listener.stored, strict=True)
    return all(mine.shape == its.shape and torch.allclose(mine, its, atol=1e-5) for mine, its in both)


class Prepended:
    """Stands for the cache of one attention in one call: puts the audio's keys and values in front of those of the text.

    It exists without a cache too, in training: the attention only asks whether it is None. The audio's keys and values are
    computed in here, inside the layer, so that activation checkpointing does not keep them.

    Args:
        cache: the cache of the text, or None.
        audio: returns the keys and values of the audio.
    """

    def __init__(self, cache: Any, audio: Any) -> None:
        self.cache, self.audio = cache, audio

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns keys and values (batch, heads, audio + text, head width)."""
        audio_keys, audio_values = self.audio()
        if self.cache is not None:
            keys, values = self.cache.update(keys, values, layer_idx, *args, **kwargs)
        return (
            torch.cat([audio_keys.to(keys.device, keys.dtype), keys], dim=2),
            torch.cat([audio_values.to(values.device, values.dtype), values], dim=2),
        )
