"""Events, directions and distances alone, by the heads: what `train_encoder.py` trains without an objective."""

from dataclasses import dataclass
from typing import ClassVar

from spatial_llm.training.encoder.objectives.base import Objective


@dataclass
class Supervised(Objective):
    """The losses of the heads, weighted by `model.loss_weights`; it has no settings of its own."""

    name: ClassVar[str] = "supervised"
