"""Defines the contract of all fusions: how audio tokens enter the language model.

A fusion is one value of the field `fusion` of `SpatialLLMConfig`. The prompt is the same for all of them: one placeholder
for each audio token, where the recording is. The fusion decides which placeholders become rows of the language model's
sequence, what modules are added inside its layers, and what those layers hear. `spatial_llm.fusion.context` holds what a
forward pass needs for that, `spatial_llm.fusion.hooks` brings it to the layers.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.context import AudioContext
from spatial_llm.ranges import Checked

Layers = list[int] | dict[str, int] | None


@dataclass
class Fusion(Checked):
    """Base class: settings and behaviour of one way to join audio and language model.

    Attributes:
        name: its `type` in configs.
        deep: whether audio enters inside the language model and not only as rows of its sequence.
        beside_words: whether the projector's tokens are rows of the sequence, in the space of the words' embeddings.
    """

    called: ClassVar[str] = "fusion"
    name: ClassVar[str] = ""
    deep: ClassVar[bool] = True
    beside_words: ClassVar[bool] = False

    def to_dict(self) -> dict[str, Any]:
        """Returns `type` and all fields, as they are saved."""
        return {"type": self.name, **dataclasses.asdict(self)}

    def audio_width(self, text_width: int) -> int:
        """Returns the width of the tokens that the projector gives, for a language model of `text_width`."""
        return text_width

    def projector_slices(self, layout: TokenLayout) -> tuple[int, ...]:
        """Returns the channel slices of the encoder's tokens that the composite's projector reads; by default all.

        Raises:
            SpatialLLMError: the encoder's tokens, which have this layout, cannot be divided as the fusion demands.
        """
        return tuple(range(len(layout.channel_slices)))

    def projector_layout(self, layout: TokenLayout) -> TokenLayout:
        """Returns the layout of what the composite's projector reads of tokens of this layout."""
        return layout.select(self.projector_slices(layout))

    def own_rows(self, layout: TokenLayout) -> int:
        """Returns the number of tokens of a clip that the fusion makes beside those of the projector, which become rows of
        the sequence.

        Raises:
            SpatialLLMError: it cannot make them of encoder tokens of this layout.
        """
        return 0

    def num_placeholders(self, num_tokens: int, layout: TokenLayout) -> int:
        """Returns the number of placeholders of a clip for which the projector gives `num_tokens`.

        Args:
            layout: of the encoder's tokens, those that the projector does not read included.
        """
        return num_tokens + self.own_rows(layout)

    def num_rows(self, num_tokens: int, layout: TokenLayout) -> int:
        """Returns how many of them become rows of the language model's sequence; arguments as `num_placeholders`."""
        return self.own_rows(layout)

    def fused_layers(self, num_layers: int) -> tuple[int, ...]:
        """Returns the decoder layers in which audio is heard, of `num_layers`.

        Raises:
            SpatialLLMError: there is no such layer; the message names the field.
        """
        raise NotImplementedError

    def check_language_model(self, language_model: nn.Module) -> None:
        """Raises SpatialLLMError, naming the class, if this fusion cannot be built into `language_model`."""
        raise NotImplementedError

    def extend(self, language_model: nn.Module, audio_width: int) -> None:
        """Adds the modules of this fusion inside the layers of `language_model`, in place; by default none."""

    def before_layer(
        self, context: AudioContext, layer: nn.Module, index: int, hidden: torch.Tensor, kwargs: dict[str, Any]
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Returns hidden states (batch, rows, width) and keyword arguments for decoder layer `index`."""
        return hidden, kwargs

    def before_attention(
        self, context: AudioContext, attention: nn.Module, index: int, kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """Returns the keyword arguments for the self-attention of decoder layer `index`."""
        return kwargs


def chosen_layers(layers: Layers, num_layers: int, start: int, every: int = 1) -> tuple[int, ...]:
    """Returns the indices that a field `layers` chooses.

    Args:
        layers: a list of indices, `{"start": s, "every": k}` (either may be left out), or None for the default.
        num_layers: layers of the language model.
        start, every: the default.

    Raises:
        SpatialLLMError: a layer that is not there or is named twice, or another key.
    """
    there = f"the language model has layers 0 to {num_layers - 1}"
    if isinstance(layers, dict) or layers is None:
        given = layers or {}
        if unknown := sorted(set(given) - {"start", "every"}):
            raise SpatialLLMError(f"fusion.layers has the keys {unknown}; expected start and every, or a list of layers.")
        start, every = given.get("start", start), given.get("every", every)
        if not 0 <= start < num_layers or every < 1:
            raise SpatialLLMError(f"fusion.layers is {{start: {start}, every: {every}}}, but {there}; every is at least 1.")
        return tuple(range(start, num_layers, every))
    wrong = [index for index in layers if isinstance(index, bool) or not 0 <= index < num_layers]
    if wrong or len(set(layers)) < len(layers):
        raise SpatialLLMError(f"fusion.layers is {layers}, but {there}; name each layer once, by its index from 0.")
    return tuple(sorted(layers))


def decoder_layers(language_model: nn.Module) -> nn.ModuleList:
    """Returns the decoder layers of a causal language model.

    Raises:
        SpatialLLMError: it keeps them elsewhere than the language models that this package knows.
    """
    get_decoder = getattr(language_model, "get_decoder", None)
    layers = getattr(get_decoder(), "layers", None) if get_decoder is not None else None
    if not isinstance(layers, nn.ModuleList):
        raise refusal(language_model, "it has no decoder with a list of layers")
    return layers


def refusal(language_model: nn.Module, why: str) -> SpatialLLMError:
    """Returns the error for a language model that a fusion cannot take."""
    return SpatialLLMError(
        f"{type(language_model).__name__} cannot take this fusion: {why}. Take fusion {{type: prefix}}, which works with "
        "any language model, or a language model with attention like Llama's."
    )
