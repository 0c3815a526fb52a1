"""Brings the audio to the layers of a language model: two hooks on each decoder layer, and no change of its code.

The context travels as a keyword argument, which the forward methods of transformers hand down to the attention; there is no
state in modules, so recomputation, threads and several processes are safe. The hooks are functions of a module, so a model
can be copied and pickled with them. They act only if a call carries a context, so the language model alone is unchanged.
"""

from functools import partial
from typing import Any

from torch import nn

from spatial_llm.fusion.base import decoder_layers
from spatial_llm.fusion.context import ARGUMENT, AudioContext


def attach(language_model: nn.Module) -> None:
    """Adds the hooks to every decoder layer of `language_model`, in place; layers that have them are left alone."""
    for index, layer in enumerate(decoder_layers(language_model)):
        for module, hook in ((layer, before_layer), (layer.self_attn, before_attention)):
            if not any(getattr(one, "func", None) is hook for one in module._forward_pre_hooks.values()):
                module.register_forward_pre_hook(partial(hook, index), with_kwargs=True)


def before_layer(index: int, layer: nn.Module, args: tuple, kwargs: dict[str, Any]) -> tuple[tuple, dict[str, Any]] | None:
    """Hook of decoder layer `index`, whose first positional argument are the hidden states."""
    context: AudioContext | None = kwargs.get(ARGUMENT)
    if context is None:
        return None
    hidden, kwargs = context.fusion.before_layer(context, layer, index, args[0], dict(kwargs))
    return (hidden, *args[1:]), kwargs


def before_attention(
    index: int, attention: nn.Module, args: tuple, kwargs: dict[str, Any]
) -> tuple[tuple, dict[str, Any]] | None:
    """Hook of the self-attention of decoder layer `index`; the context goes no further."""
    if ARGUMENT not in kwargs:
        return None
    kwargs = dict(kwargs)
    context: AudioContext | None = kwargs.pop(ARGUMENT)
    if context is None:
        return args, kwargs
    return args, context.fusion.before_attention(context, attention, index, kwargs)
