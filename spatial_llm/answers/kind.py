"""A kind of value: how it is read from a text, how it is written, and what it is in the mirror image."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from spatial_llm.answers.axes import Reading

Value = dict[str, Any]
Read = Callable[[str, Reading, Collection[str] | None], Value | None]


def unchanged(value: Value) -> Value:
    """The mirror image of a value that names no side."""
    return value


@dataclass(frozen=True)
class Kind:
    """One kind of value.

    Attributes:
        name: its name in `KINDS`.
        read: (text, reading, known) to the value, None if unparsed; `known` are names of sounds to find in free wording, or
            None.
        format: the value to the text of which `read` is the inverse, in both readings.
        mirror: the value once left and right are exchanged.
    """

    name: str
    read: Read
    format: Callable[[Value], str]
    mirror: Callable[[Value], Value] = unchanged


def keyed(
    name: str,
    key: str,
    read: Callable[[str, Reading], Any],
    format: Callable[[Any], str],
    mirror: Callable[[Value], Value] = unchanged,
) -> Kind:
    """The kind whose value is one thing under one key, such as {"distance_m": 2.5}.

    Args:
        name: of the kind.
        key: of the value.
        read, format: of the thing itself.
        mirror: of the whole value.
    """

    def read_keyed(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
        value = read(text, reading)
        return None if value is None else {key: value}

    return Kind(name, read_keyed, lambda value: format(value[key]), mirror)
