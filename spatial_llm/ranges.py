"""Ranges of numeric settings: declared in the type of a field, checked in one place.

    @dataclass
    class Schedule(Checked):
        steps: Count | None = None
        warmup_fraction: Share = 0.1

No field may be NaN or infinite. `settings.parse_arguments` checks all dataclasses that it fills, also those that are not
`Checked` themselves.
"""

import dataclasses
import functools
import math
import types
import typing
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from spatial_llm.errors import SpatialLLMError


@dataclass(frozen=True, repr=False)
class Within:
    """The range from `low` to `high`; `above` excludes `low`, `below` excludes `high`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def __contains__(self, value: float) -> bool:
        return (self.low < value if self.above else self.low <= value) and (
            value < self.high if self.below else value <= self.high
        )

    def __repr__(self) -> str:
        low = f"above {self.low}" if self.above else f"{self.low}"
        if self.high == math.inf:
            return low if self.above else f"{low} or more"
        return f"{low} to {'below ' if self.below else ''}{self.high}"


Count = Annotated[int, Within(1)]
Natural = Annotated[int, Within(0)]
Positive = Annotated[float, Within(0, above=True)]
NonNegative = Annotated[float, Within(0)]
Share = Annotated[float, Within(0, 1)]
Seed = Annotated[int, Within(0, 2**32 - 1)]  # the seeds of numpy


@dataclass
class Checked:
    """Base of dataclasses whose numbers are checked at construction; a `__post_init__` of a subclass must call this one.

    Attributes:
        called: the user's name of the dataclass, with which the names of its fields begin in errors.
    """

    called: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_numbers(self, self.called)


def check_numbers(value: Any, name: str = "") -> None:
    """Raises SpatialLLMError for the first number outside the range of its field, in a dataclass or in one inside it."""
    for field in dataclasses.fields(value):
        part = f"{name}.{field.name}".lstrip(".")
        _check(getattr(value, field.name), field_types(type(value)).get(field.name, Any), part)


def _check(value: Any, hint: Any, name: str) -> None:
    if dataclasses.is_dataclass(value):
        check_numbers(value, name)
    elif isinstance(value, dict):
        inner = (*typing.get_args(_bare(hint, dict)), Any, Any)[1]
        for key, item in value.items():
            _check(item, inner, f"{name}.{key}")
    elif isinstance(value, list | tuple):
        inner = (*typing.get_args(_bare(hint, list, tuple)), Any)[0]
        for index, item in enumerate(value):
            _check(item, inner, f"{name}[{index}]")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _check_number(value, hint, name)


def _check_number(value: float, hint: Any, name: str) -> None:
    kinds = [bare for one in alternatives(hint) if (bare := typing.get_args(one)[0] if _annotated(one) else one)]
    ranges = [mark for one in alternatives(hint) if _annotated(one) for mark in one.__metadata__ if isinstance(mark, Within)]
    whole = int in kinds and float not in kinds
    expected = ", ".join(["a whole number" if whole else "a number", *map(str, ranges)])
    if not math.isfinite(value) or (whole and not isinstance(value, int)) or not all(value in one for one in ranges):
        raise SpatialLLMError(f"{name} is {value}; give {expected}.")


def alternatives(hint: Any) -> list[Any]:
    """Returns the types of a union; for any other type a list of it alone."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [one for part in typing.get_args(hint) for one in alternatives(part)]
    return [hint]


def _annotated(hint: Any) -> bool:
    return typing.get_origin(hint) is Annotated


def _bare(hint: Any, *kinds: type) -> Any:
    return next((one for one in alternatives(hint) if typing.get_origin(one) in kinds), None)


@functools.cache
def field_types(kind: type) -> dict[str, Any]:
    """Returns the types of the fields of dataclass `kind` by name, with their ranges."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
