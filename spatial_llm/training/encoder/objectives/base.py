"""What objectives of an encoder's training are: settings, and what they add to the encoder while it trains."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from spatial_llm.ranges import Checked, Count, NonNegative
from spatial_llm.training.encoder.scene_texts import SceneTexts


class Added(nn.Module):
    """What an objective adds to an encoder: modules that train with it, and a loss.

    `forward(localizer, hidden_states, batch)` returns the loss of a batch, without that of the heads.
    """

    def forward(self, localizer: nn.Module, hidden_states: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Returns the loss, a scalar.

        Args:
            localizer: the encoder with its heads.
            hidden_states: (B, tokens, hidden_size), what the encoder gives of the batch.
            batch: of `CaptionedDataset`.
        """
        raise NotImplementedError

    def save_pretrained(self, folder: str | os.PathLike, encoder: str | None = None) -> None:
        """Writes what stays after training into the folder of the saved encoder; here nothing.

        Args:
            folder: of the saved encoder.
            encoder: fingerprint of the encoder.
        """


@dataclass
class Objective(Checked):
    """Settings of an objective: the fields of `objective` in a recipe, beside `type`."""

    called: ClassVar[str] = "objective"
    name: ClassVar[str]


@dataclass
class TextObjective(Objective):
    """An objective that teaches an encoder by captions of what it hears.

    Attributes:
        supervised_weight: weight of the losses of the heads beside this objective's own. With 0 the heads do not learn;
            `trains: heads` puts fresh ones on the encoder afterwards.
        wordings: number of different captions of each recording, of which one is drawn each time it is used.
    """

    supervised_weight: NonNegative = 1.0
    wordings: Count = 4

    def begin(self, localizer: nn.Module, texts: SceneTexts, folder: Path) -> Added:
        """Returns what trains beside the encoder.

        Args:
            localizer: the encoder with its heads.
            texts: of the data set.
            folder: where what a frozen model computes of the texts is kept.

        Raises:
            SpatialLLMError: the objective cannot be had with this encoder.
        """
        raise NotImplementedError
