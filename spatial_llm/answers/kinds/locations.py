"""Parses and writes where several sounds of one class are: "left, front, above; 2m | right, behind, below; 1m"."""

from collections.abc import Collection, Iterable

from spatial_llm.answers.axes import Reading, is_lenient, mirror_words
from spatial_llm.answers.kind import Kind, Value
from spatial_llm.answers.kinds.location import Location, format_location, parse_location
from spatial_llm.errors import SpatialLLMError


def format_locations(locations: Iterable[Location]) -> str:
    """Returns locations in a fixed order between bars: "left, front, above; 2m | right, behind, below; 1m". Raises
    SpatialLLMError on none."""
    ordered = _ordered(locations)
    if not ordered:
        raise SpatialLLMError("no location to write; give at least one.")
    return " | ".join(format_location(location) for location in ordered)


def parse_locations(text: str, reading: Reading = "strict") -> list[Location] | None:
    """Returns the locations between bars, sorted, so that the order of the text does not matter; None if any of them is
    unparsed. Lenient: without bars, one location a line."""
    parts = text.split("|")
    if is_lenient(reading) and len(parts) == 1:
        parts = [line for line in text.splitlines() if line.strip()] or parts
    found = [parse_location(part, reading) for part in parts]
    return None if None in found else _ordered(found)


def _ordered(locations: Iterable[Location]) -> list[Location]:
    return sorted(locations, key=lambda location: (location.words, location.distance_m))


def _read(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
    locations = parse_locations(text, reading)
    return None if locations is None else {"locations": [location.to_dict() for location in locations]}


def _mirror(value: Value) -> Value:
    places = [Location(**mirror_words(place)) for place in value["locations"]]
    return {"locations": [place.to_dict() for place in _ordered(places)]}


KIND = Kind("locations", _read, lambda value: format_locations(Location(**place) for place in value["locations"]), _mirror)
