"""Reads the field `fusion` of a config or a recipe: a `type` and the fields of that fusion."""

from typing import Any

from spatial_llm.fusion.base import Fusion
from spatial_llm.fusion.kinds import FUSIONS
from spatial_llm.fusion.prefix import Prefix
from spatial_llm.typed_settings import read_kind


def read_fusion(settings: dict[str, Any] | None) -> Fusion:
    """Returns the fusion that `settings` describe; None is `prefix`.

    Raises:
        SpatialLLMError: an unknown type or field, or an impossible value; the message gives what to write.
    """
    return Prefix() if settings is None else read_kind(settings, FUSIONS, "fusion")
