"""Parses and writes names of sounds in an order: "speech; bell"."""

from collections.abc import Collection, Sequence

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import Kind, Value
from spatial_llm.answers.text.sounds import joined, name_of, read_names
from spatial_llm.errors import SpatialLLMError


def format_order(labels: Sequence[str]) -> str:
    """Returns sound names in the order given: "speech; bell". Raises SpatialLLMError as `format_labels`, and if one
    repeats."""
    names = [name_of(label) for label in labels]
    if len(set(names)) != len(names):
        raise SpatialLLMError(f"labels are {names}; an order names each once.")
    return joined(names)


def parse_order(text: str, reading: Reading = "strict", known: Collection[str] | None = None) -> list[str] | None:
    """Returns sound names between semicolons in their order; None if there is none, an empty one, or one twice. Lenient,
    known: as `parse_labels`; "then", "followed by" or an arrow separate names as well."""
    if is_lenient(reading):
        found = read_names(text, known, ordered=True)
        return None if found is None or len(set(found)) != len(found) else found
    names = [name_of(part) for part in text.split(";")]
    return names if all(names) and len(set(names)) == len(names) else None


def _read(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
    order = parse_order(text, reading, known)
    return None if order is None else {"order": order}


KIND = Kind("order", _read, lambda value: format_order(value["order"]))
