"""Parses and writes where a sound is, in words and metres: "right, front, below; 2.5m".

Formats: SpatialSoundQA (BAT, arXiv 2402.01591, and the strings of the released files). Parse rules: those that an
independent port of BAT uses for directions, since no official scorer exists. An answer may give two angles where the
question wants words; `parse_bearing` reads these too, but they are not the value.
"""

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass

from spatial_llm.answers.axes import AXES, Reading, is_lenient, mirror_words
from spatial_llm.answers.kind import Kind, Value
from spatial_llm.answers.kinds.azimuth import format_degrees, parse_azimuth
from spatial_llm.answers.kinds.distance import check_distance, format_distance, parse_distance
from spatial_llm.answers.kinds.elevation import format_elevation, parse_elevation
from spatial_llm.answers.text import directions
from spatial_llm.errors import SpatialLLMError

_WORD = re.compile(r"\w+")
_BEARING = re.compile(r"azimuth:?\s+([^,;]*?)\s*[,;]\s*elevation:?\s+([^,;]*)")


@dataclass(frozen=True)
class Location:
    """Holds where a sound is: one word per axis and the distance in metres. Raises SpatialLLMError on any other word."""

    left_right: str
    front_behind: str
    above_below: str
    distance_m: float

    def __post_init__(self) -> None:
        for axis, words in AXES.items():
            if getattr(self, axis) not in words:
                raise SpatialLLMError(f"{axis} is {getattr(self, axis)!r}; give one of {words}.")
        check_distance(self.distance_m)

    @property
    def words(self) -> tuple[str, str, str]:
        """Returns the three direction words: left or right, front or behind, above or below."""
        return self.left_right, self.front_behind, self.above_below

    def to_dict(self) -> dict:
        """Returns the `truth` of a B or D record; `Location(**truth)` is the inverse."""
        return asdict(self)


def format_location(location: Location) -> str:
    """Returns a location as "right, front, below; 2.5m", the answer of types B and D."""
    return f"{', '.join(location.words)}; {format_distance(location.distance_m)}"


def parse_location(text: str, reading: Reading = "strict") -> Location | None:
    """Returns all three direction words and the distance, or None if any of the four is unparsed."""
    words, distance_m = parse_directions(text, reading), parse_distance(text, reading)
    return None if words is None or distance_m is None else Location(*words, distance_m)


def parse_axis(text: str, axis: str, reading: Reading = "strict") -> str | None:
    """Returns the word of one axis (a key of AXES) if exactly one of its two words occurs, and once; else None.

    Lenient: also synonyms, hours of the clock and degrees; None if anything in the text contradicts or denies it.
    """
    lenient = is_lenient(reading)
    word = _one_axis(_WORD.findall(text.lower()), axis)
    return directions.read_axes(text, {axis: word})[axis] if lenient or word else None


def parse_directions(text: str, reading: Reading = "strict") -> tuple[str, str, str] | None:
    """Returns the three direction words in the order of AXES, or None if any axis is unparsed."""
    lenient = is_lenient(reading)
    found = _WORD.findall(text.lower())
    words = {axis: _one_axis(found, axis) for axis in AXES}
    if lenient or None not in words.values():
        words = directions.read_axes(text, words)
    return None if None in words.values() else tuple(words.values())


def format_bearing(azimuth_deg: float, elevation_deg: float) -> str:
    """Returns two angles as "azimuth -30 degrees, elevation 10 degrees". Raises SpatialLLMError beyond 180 or 90 degrees."""
    return f"azimuth {format_degrees(azimuth_deg)}, elevation {format_elevation(elevation_deg)}"


def parse_bearing(text: str, reading: Reading = "strict") -> tuple[float, float] | None:
    """Returns (azimuth_deg, elevation_deg) if a text gives both in degrees, else None; azimuth is positive to the left,
    elevation upwards.

    Strict: "azimuth <angle>, elevation <angle>" and nothing else, each angle as `parse_azimuth` and `parse_elevation` read
    it. Lenient: both by name or direction word, anywhere in the text.
    """
    lenient = is_lenient(reading)
    found = _BEARING.fullmatch(" ".join(text.lower().split()).removesuffix("."))
    azimuth_deg, elevation_deg = (parse_azimuth(found[1]), parse_elevation(found[2])) if found else (None, None)
    if azimuth_deg is not None and elevation_deg is not None:
        return azimuth_deg, elevation_deg
    return directions.read_bearing(text) if lenient else None


def _one_axis(words: list[str], axis: str) -> str | None:
    found = [word for word in words if word in AXES[axis]]
    return found[0] if len(found) == 1 else None


def read_location(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
    """Returns the result of `parse_location` as a value."""
    location = parse_location(text, reading)
    return None if location is None else location.to_dict()


KIND = Kind("location", read_location, lambda value: format_location(Location(**value)), mirror_words)
