"""Reads the field `fusion` of a config or a recipe: a `type` and the fields of that fusion."""

import dataclasses
import difflib
import functools
from typing import Any

from pydantic import TypeAdapter, ValidationError

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.base import Fusion
from spatial_llm.fusion.kinds import FUSIONS
from spatial_llm.fusion.prefix import Prefix
from spatial_llm.ranges import field_types


def read_fusion(settings: dict[str, Any] | None) -> Fusion:
    """Returns the fusion that `settings` describe; None is `prefix`.

    Raises:
        SpatialLLMError: an unknown type or field, or an impossible value; the message gives what to write.
    """
    if settings is None:
        return Prefix()
    if not isinstance(settings, dict) or settings.get("type") not in FUSIONS:
        given = settings.get("type") if isinstance(settings, dict) else settings
        raise SpatialLLMError(f"fusion.type is {given!r}; expected one of {', '.join(FUSIONS)}.")
    kind = FUSIONS[settings["type"]]
    fields = {name: value for name, value in settings.items() if name != "type"}
    known = [field.name for field in dataclasses.fields(kind)]
    for name in fields:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}? Its" if near else "its"
            raise SpatialLLMError(
                f"fusion.{name} is no field of {kind.name}; {hint} fields are {', '.join(known) or 'none'}."
            )
    for name, value in fields.items():
        try:
            _checker(kind, name).validate_python(value, strict=True)
        except ValidationError as error:
            expected = error.errors()[0]["msg"]
            raise SpatialLLMError(f"fusion.{name} is {value!r}: {expected[:1].lower()}{expected[1:]}.") from None
    return kind(**fields)


@functools.cache
def _checker(kind: type[Fusion], name: str) -> TypeAdapter:
    return TypeAdapter(field_types(kind)[name])
