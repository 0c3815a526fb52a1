"""Settings that choose one of several dataclasses by their `type`; the other keys are fields of the chosen one alone.

fusion: {type: lal, layers: [4, 5]}
objective: {type: contrastive, temperature: 0.05}
"""

import dataclasses
import difflib
import functools
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from spatial_llm.errors import SpatialLLMError
from spatial_llm.ranges import field_types

Kind = TypeVar("Kind")


def read_kind(settings: Any, kinds: Mapping[str, type[Kind]], called: str) -> Kind:
    """Returns the dataclass that `settings` describe.

    Args:
        settings: a mapping with `type`, a key of `kinds`, and fields of that dataclass.
        kinds: dataclasses by type.
        called: the user's name of the settings, with which errors begin.

    Raises:
        SpatialLLMError: an unknown type or field, a missing field, or an impossible value; the message gives what to write.
    """
    if not isinstance(settings, dict) or settings.get("type") not in kinds:
        given = settings.get("type") if isinstance(settings, dict) else settings
        raise SpatialLLMError(f"{called}.type is {given!r}; expected one of {', '.join(kinds)}.")
    name, kind = settings["type"], kinds[settings["type"]]
    fields = {key: value for key, value in settings.items() if key != "type"}
    known = [field.name for field in dataclasses.fields(kind)]
    for key in fields:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]}? Its" if near else "its"
            raise SpatialLLMError(f"{called}.{key} is no field of {name}; {hint} fields are {', '.join(known) or 'none'}.")
    for key, value in fields.items():
        try:
            _checker(kind, key).validate_python(value, strict=True)
        except ValidationError as error:
            expected = error.errors()[0]["msg"]
            raise SpatialLLMError(f"{called}.{key} is {value!r}: {expected[:1].lower()}{expected[1:]}.") from None
    for field in dataclasses.fields(kind):
        needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if needed and field.name not in fields:
            raise SpatialLLMError(f"{called} of type {name} needs {called}.{field.name}; give it.")
    return kind(**fields)


@functools.cache
def _checker(kind: type, name: str) -> TypeAdapter:
    return TypeAdapter(field_types(kind)[name])
