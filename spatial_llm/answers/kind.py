"""Defines a kind of value: how it is read from a text, how it is written, and how left and right are exchanged in it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from spatial_llm.answers.axes import Reading

Value = dict[str, Any]
Read = Callable[[str, Reading, Collection[str] | None], Value | None]


def unchanged(value: Value) -> Value:
    """Returns the value itself: the mirror image of a value that names no side."""
    return value


@dataclass(frozen=True)
class Kind:
    """Defines one kind of value.

    Attributes:
        name: its name in `KINDS`.
        read: maps (text, reading, known) to the value, None if unparsed; `known` are names of sounds to find in free
            wording, or None.
        format: maps the value to its text; `read` is the inverse in both readings.
        mirror: maps the value to the value after left and right are exchanged.
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
    """Returns a kind whose value has a single key, such as {"distance_m": 2.5}.

    Args:
        name: name of the kind.
        key: key of the value.
        read, format: parse and write what stands under the key.
        mirror: mirrors the whole value.
    """

    def read_keyed(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
        value = read(text, reading)
        return None if value is None else {key: value}

    return Kind(name, read_keyed, lambda value: format(value[key]), mirror)
