"""Parses and writes where a sound is, or that there is none of its name: a location, or "There is no bell"."""

from collections.abc import Collection

from spatial_llm.answers.axes import Reading, is_lenient, mirror_words
from spatial_llm.answers.kind import Kind, Value
from spatial_llm.answers.kinds.location import Location, format_location, read_location
from spatial_llm.answers.text.sounds import joined, name_of, read_absent
from spatial_llm.errors import SpatialLLMError

_ABSENT = "there is no "


def format_absent(label: str) -> str:
    """Returns "There is no bell". Raises SpatialLLMError on "", ";" or a name that ends with a point."""
    name = name_of(label)
    if name.endswith("."):
        raise SpatialLLMError(f"label is {label!r}; a name that ends with a point cannot be read back.")
    return "There is no " + joined([name])


def parse_absent(text: str, reading: Reading = "strict") -> str | None:
    """Returns the name in "There is no <name>", with or without a point at the end; None for any other text. Lenient: also
    "I don't hear a <name>", "The <name> is not present" and the like."""
    lenient = is_lenient(reading)
    line = name_of(text)
    name = line.removeprefix(_ABSENT).removesuffix(".").rstrip()
    if line.startswith(_ABSENT) and name and ";" not in name and not name.endswith("."):
        return name
    return read_absent(text) if lenient else None


def _read(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
    label = parse_absent(text)
    location = read_location(text, "strict") if label is None else None
    if is_lenient(reading) and label is None and location is None:
        label, location = parse_absent(text, reading), read_location(text, reading)
        if label is not None and location is not None:
            return None
    return location if label is None else {"absent": label}


def _format(value: Value) -> str:
    return format_absent(value["absent"]) if "absent" in value else format_location(Location(**value))


KIND = Kind("location_or_absent", _read, _format, mirror_words)
