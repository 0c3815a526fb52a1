"""Reads places and events from the output of an encoder by its heads, without the encoder.

A composite contains the encoder alone, because its answers need no heads. They are small (150 kB for the shipped model), and
show what the encoder itself hears, so a saved `SpatialLLM` may have them in a file of their own.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from transformers import PreTrainedConfig

from spatial_llm.encoders.head_files import load_heads, read_heads, write_heads
from spatial_llm.encoders.heads import AdaCosHead
from spatial_llm.encoders.kinds import ENCODERS
from spatial_llm.errors import SpatialLLMError
from spatial_llm.geometry import azimuth_from_bat_class, distance_from_bat_class, elevation_from_bat_class

HEADS = "encoder_heads.safetensors"
_VALUES = {
    "azimuth": (azimuth_from_bat_class, "degrees, 0 is front, positive is left"),
    "elevation": (elevation_from_bat_class, "degrees, 0 is the height of the ears, positive is above"),
    "distance": (distance_from_bat_class, "metres"),
}


@dataclass(frozen=True)
class Distribution:
    """Holds how probable an encoder takes each value of one coordinate to be.

    Attributes:
        values: (classes,) in ascending order.
        probabilities: (classes,), with sum 1.
        unit: of the values, with the meaning of their sign.
    """

    values: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    unit: str

    @property
    def best(self) -> float:
        """Returns the most probable value."""
        return float(self.values[self.probabilities.argmax()])

    def to_dict(self) -> dict[str, float | str | list[float]]:
        """Returns the distribution as JSON can hold it."""
        return {"best": self.best, "unit": self.unit, "values": self.values.tolist(),
                "probabilities": self.probabilities.tolist()}  # fmt: skip


class EncoderHeads:
    """Maps the output of an encoder to events and places.

    Args:
        model: an encoder with heads, such as `DSpASTForLocalization`; its encoder is not used and not kept.

    Raises:
        SpatialLLMError: its event classes have no names.
    """

    def __init__(self, model: nn.Module) -> None:
        self.config = model.config
        check_class_names(self.config)
        self._heads = without_encoder(self.config)
        wanted = set(self._heads.state_dict())
        tensors = {name: tensor for name, tensor in model.state_dict().items() if name in wanted}
        load_heads(self._heads, tensors, type(model).__name__)

    @classmethod
    def from_pretrained(
        cls, folder: str | os.PathLike, config: PreTrainedConfig, encoder: str | None = None
    ) -> "EncoderHeads":
        """Loads the heads that `save_pretrained` wrote to a folder.

        Args:
            folder: folder with `encoder_heads.safetensors`.
            config: config of the encoder.
            encoder: fingerprint of the encoder; None where it has none.

        Raises:
            CheckpointError: the file is damaged, was saved with another encoder, or its tensors are not those of this
                encoder's heads.
        """
        tensors = read_heads(folder, HEADS, encoder)
        heads = cls.__new__(cls)
        heads.config = config
        heads._heads = without_encoder(config)
        load_heads(heads._heads, tensors, str(Path(folder, HEADS)))
        return heads

    def save_pretrained(self, folder: str | os.PathLike, encoder: str | None = None) -> None:
        """Writes `encoder_heads.safetensors` to the folder of a saved model, whole or not at all, and seals it with it.

        Args:
            folder: of the saved model.
            encoder: fingerprint of the encoder, by which loading tells the heads of another one; None writes none.
        """
        write_heads(folder, HEADS, self._heads.state_dict(), encoder)

    def joined_with(self, encoder: nn.Module) -> nn.Module:
        """Returns the encoder with these heads, as it was before they were separated."""
        whole = without_encoder(self.config)
        whole.load_state_dict(self._heads.state_dict(), assign=True)
        whole.encoder = encoder
        return whole.eval()

    @torch.inference_mode()
    def __call__(self, hidden_states: torch.Tensor) -> tuple[dict[str, float], dict[str, Distribution]]:
        """Reads one recording.

        Args:
            hidden_states: (1, tokens, hidden_size), the encoder's `last_hidden_state`.

        Returns:
            The probability of each event class, most probable first; they are independent and have no fixed sum. And the
            distributions of azimuth, elevation and distance.
        """
        logits = self._heads.to(hidden_states.device).read_out(hidden_states.float())
        event = torch.sigmoid(logits["event"])[0].cpu().double().numpy()
        order = np.argsort(-event, kind="stable")
        places = {}
        for name, (value_of, unit) in _VALUES.items():
            head = getattr(self._heads, f"{name}_head")
            scale = head.scale if isinstance(head, AdaCosHead) else 1.0
            shares = torch.softmax(scale * logits[name], dim=-1)[0].cpu().double().numpy()
            values = value_of(np.arange(len(shares)))
            ascending = np.argsort(values)
            places[name] = Distribution(values[ascending], shares[ascending] / shares.sum(), unit)
        return {self.config.event_labels[index]: float(event[index]) for index in order}, places


def check_class_names(config: PreTrainedConfig) -> None:
    """Raises SpatialLLMError if the event classes of an encoder with heads have no names."""
    labels = config.event_labels
    if labels is None or len(labels) != config.num_event_classes:
        raise SpatialLLMError(
            f"the encoder has {config.num_event_classes} event classes and {len(labels or ())} names of them; set "
            "event_labels of its config."
        )


def has_heads(config: PreTrainedConfig) -> bool:
    """Returns whether heads of this kind of encoder exist."""
    kind = ENCODERS.get(config.model_type)
    return kind is not None and kind.with_heads is not None


def without_encoder(config: PreTrainedConfig) -> nn.Module:
    """Returns the model with heads, in eval mode on the meta device, and no encoder in it.

    Raises:
        SpatialLLMError: there is no such model for this kind of encoder.
    """
    if not has_heads(config):
        raise SpatialLLMError(f"an encoder of type {config.model_type} has no heads that tell places and events.")
    with torch.device("meta"):
        whole = ENCODERS[config.model_type].with_heads(config)
    whole.encoder = None
    return whole.eval()
