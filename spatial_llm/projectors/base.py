"""Defines the contract between encoder, projector and language model.

The processor and the composite call only `num_tokens(layout)` of a projector's configuration, so they put the right number
of placeholders into a prompt. The projector itself returns `AudioTokens`, as many as its configuration promised.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from huggingface_hub.dataclasses import strict
from transformers.modeling_outputs import BaseModelOutputWithCrossAttentions

from spatial_llm.encoders.checked_config import CheckedConfig
from spatial_llm.encoders.pretrained import CheckedPreTrainedModel
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError


@dataclass
class AudioTokens(BaseModelOutputWithCrossAttentions):
    """Holds a projector's output; the other fields are those of transformers, if the caller requested them.

    Attributes:
        last_hidden_state: embeddings for the language model (clips, tokens, `text_hidden_size`).
        mask: (clips, tokens) bool, False for tokens that a clip does not have; None if every clip has all of them.
        seconds: the time of the middle of each token from the start of the window, in seconds: (tokens,), or (clips, tokens)
            where it differs between clips. NaN for a token without a time among others that have one; None if no token has
            one.
        loss: (), what the projector adds to the loss of a training step; None where it adds nothing.
    """

    mask: torch.Tensor | None = None
    seconds: torch.Tensor | None = None
    loss: torch.Tensor | None = None

    @property
    def counts(self) -> list[int]:
        """Returns the number of tokens of each clip."""
        clips, tokens = self.last_hidden_state.shape[:2]
        return [tokens] * clips if self.mask is None else self.mask.sum(dim=1).tolist()


@strict
class ProjectorConfig(CheckedConfig):
    """Base class of the configurations of all projectors.

    Args:
        encoder_hidden_size: width of `audio_hidden_states`.
        text_hidden_size: width of the tokens that it returns: that of the language model, or, where the fusion projects once
            per layer, the fusion's own.
    """

    # Whether the loss on answers reaches the encoder through the projector.
    passes_gradients: ClassVar[bool] = True

    encoder_hidden_size: int = 768
    text_hidden_size: int = 4096

    def fit(self, layout: TokenLayout) -> None:
        """Takes from the layout what sizes of weights depend on and the fields leave open; by default nothing.

        The composite and the recipes call it before they build the projector.

        Raises:
            SpatialLLMError: a field that is given contradicts the layout, or the projector cannot take it.
        """

    def num_tokens(self, layout: TokenLayout) -> int:
        """Returns the number of tokens that the language model gets for a clip whose encoder tokens have this layout.

        Raises:
            SpatialLLMError: the projector cannot take this layout.
        """
        raise NotImplementedError


class Projector(CheckedPreTrainedModel):
    """Base class: `forward(audio_hidden_states (clips, tokens, encoder width), layout) -> AudioTokens`."""

    config: ProjectorConfig
    main_input_name = "audio_hidden_states"
    input_modalities = ("audio",)

    def get_input_embeddings(self) -> None:
        """Returns None: the input is an encoder's tokens, which are embedded already."""

    def start(self, sample: Callable[[], torch.Tensor], scale: float, layout: TokenLayout | None = None) -> None:
        """Prepares a fresh projector before training; by default it does nothing.

        Args:
            sample: returns encoder output of some training recordings (clips, tokens, encoder width). Encoding them takes
                time, so only a projector that uses the sample calls it.
            scale: standard deviation that its tokens should begin with: that of the language model's embeddings for tokens
                that stand beside words, else 1.
            layout: layout of the sample's tokens, for a projector that reads it.

        Raises:
            SpatialLLMError: the sample or the scale cannot be used.
        """

    def measures(self) -> dict[str, float]:
        """Returns what the metrics of a run say of the projector, by name; by default nothing.

        They are computed from its buffers alone, so that a run that was stopped and resumed writes the same.
        """
        return {}


def check_scale(scale: float) -> None:
    """Raises SpatialLLMError unless the `scale` of `Projector.start` is a positive number."""
    if not 0 < scale < math.inf:
        raise SpatialLLMError(f"the text embeddings have a standard deviation of {scale}; expected a positive number.")
