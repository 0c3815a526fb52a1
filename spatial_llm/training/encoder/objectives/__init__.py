"""Objectives of an encoder's training by type: one file and one line each, which `objective` of the recipe reads.

An objective is a dataclass of settings that begins what it adds to the encoder (`base.Added`); `training.encoder.alignment`
trains both together, with the losses of the heads at `supervised_weight`.
"""

from typing import Any

from spatial_llm.training.encoder.objectives.base import Objective
from spatial_llm.training.encoder.objectives.both import Both
from spatial_llm.training.encoder.objectives.captioning import Captioning
from spatial_llm.training.encoder.objectives.contrastive import Contrastive
from spatial_llm.training.encoder.objectives.supervised import Supervised
from spatial_llm.training.encoder.objectives.teacher import Teacher
from spatial_llm.typed_settings import read_kind

OBJECTIVES: dict[str, type[Objective]] = {
    objective.name: objective for objective in (Supervised, Contrastive, Captioning, Both, Teacher)
}


def read_objective(settings: dict[str, Any] | None) -> Objective:
    """Returns the objective that `settings` describe, a `type` and its fields; None is `supervised`.

    Raises:
        SpatialLLMError: an unknown type or field, or an impossible value; the message gives what to write.
    """
    return Supervised() if settings is None else read_kind(settings, OBJECTIVES, Objective.called)
