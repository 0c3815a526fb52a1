"""Contrastive and captioning together, as CaptionStew compares them with each alone."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import nn

from spatial_llm.ranges import NonNegative
from spatial_llm.training.encoder.objectives.base import Added
from spatial_llm.training.encoder.objectives.captioning import Captioning
from spatial_llm.training.encoder.objectives.contrastive import Contrastive
from spatial_llm.training.encoder.scene_texts import SceneTexts


class WeightedSum(Added):
    """What several objectives add; the loss is the weighted sum of theirs, on the same texts."""

    def __init__(self, parts: dict[str, Added], weights: dict[str, float]) -> None:
        super().__init__()
        self.parts, self.weights = nn.ModuleDict(parts), weights

    def forward(self, localizer: nn.Module, hidden_states: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return sum(self.weights[name] * part(localizer, hidden_states, batch) for name, part in self.parts.items())

    def save_pretrained(self, folder: str | os.PathLike, encoder: str | None = None) -> None:
        """Writes what stays of each part into the folder of the saved encoder."""
        for part in self.parts.values():
            part.save_pretrained(folder, encoder)


@dataclass
class Both(Contrastive, Captioning):
    """The fields of `contrastive` and of `captioning`, and their weights.

    Attributes:
        contrastive_weight, captioning_weight: of the two losses.
    """

    name: ClassVar[str] = "both"

    contrastive_weight: NonNegative = 1.0
    captioning_weight: NonNegative = 1.0

    def begin(self, localizer: nn.Module, texts: SceneTexts, folder: Path) -> WeightedSum:
        parts = {kind.name: kind.begin(self, localizer, texts, folder) for kind in (Contrastive, Captioning)}
        return WeightedSum(parts, {"contrastive": self.contrastive_weight, "captioning": self.captioning_weight})
