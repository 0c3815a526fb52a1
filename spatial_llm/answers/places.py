"""Where a sound is, in words and metres: "right, front, below; 2.5m".

Formats: SpatialSoundQA (BAT, arXiv 2402.01591, and the strings of the released files); parse rules: those that an
independent port of BAT uses for directions and distances, since no official scorer exists.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from decimal import Decimal

from spatial_llm.answers.axes import AXES, AXIS_OF_WORD, Reading, is_lenient
from spatial_llm.answers.lenient import amounts, directions
from spatial_llm.errors import SpatialLLMError

FARTHEST_M = 10_000.0  # no sound of a scene is farther, but a language model that repeats a digit may say so
_WORD = re.compile(r"\w+")
# A number may not be the tail of another one: "2,5m", "1.2.5m", "-3m" and "x2m" are all unparsed, not 5, 2.5, 3 and 2.
_DISTANCE = re.compile(r"(?<![\w.\-])(?<![0-9],)([0-9]+(?:\.[0-9]+)?)\s*(?:m|meters?|metres?)(?![\w/^]|\s*per\b)")


@dataclass(frozen=True)
class Location:
    """Where a sound is: one word per axis and the distance in metres. Raises SpatialLLMError on any other word."""

    left_right: str
    front_behind: str
    above_below: str
    distance_m: float

    def __post_init__(self) -> None:
        for axis, words in AXES.items():
            if getattr(self, axis) not in words:
                raise SpatialLLMError(f"{axis} is {getattr(self, axis)!r}; give one of {words}.")
        _check_distance(self.distance_m)

    @property
    def words(self) -> tuple[str, str, str]:
        """The three direction words: left or right, front or behind, above or below."""
        return self.left_right, self.front_behind, self.above_below

    def to_dict(self) -> dict:
        """The `truth` of a B or D record; `Location(**truth)` is the way back."""
        return asdict(self)


def format_distance(distance_m: float) -> str:
    """Metres to "2.5m", integers without a point ("2m"). Raises SpatialLLMError if negative or not finite."""
    _check_distance(distance_m)
    return format_number(distance_m) + "m"


def parse_distance(text: str, reading: Reading = "strict") -> float | None:
    """The one distance in the text, in metres: a number and m, meter(s) or metre(s). None if there is none or several.

    Lenient: also cm, mm, km, feet, inches and yards, numbers in words, a decimal comma; no ranges, no bounds.
    """
    lenient = is_lenient(reading)
    found = _DISTANCE.findall(text.lower())
    distance_m = float(found[0]) if len(found) == 1 else math.inf
    strict_m = distance_m if distance_m <= FARTHEST_M else None
    read_m = amounts.read_distance(text, strict_m) if lenient or strict_m is not None else None
    return None if read_m is None or read_m > FARTHEST_M else read_m


def parse_axis(text: str, axis: str, reading: Reading = "strict") -> str | None:
    """The word of one axis (a key of AXES) if exactly one of its two words occurs, and once; else None.

    Lenient: also synonyms, hours of the clock and degrees; None if anything in the text contradicts or denies it.
    """
    lenient = is_lenient(reading)
    word = _one_axis(_WORD.findall(text.lower()), axis)
    return directions.read_axes(text, {axis: word})[axis] if lenient or word else None


def parse_directions(text: str, reading: Reading = "strict") -> tuple[str, str, str] | None:
    """The three direction words in the order of AXES, or None if any axis is unparsed."""
    lenient = is_lenient(reading)
    found = _WORD.findall(text.lower())
    words = {axis: _one_axis(found, axis) for axis in AXES}
    if lenient or None not in words.values():
        words = directions.read_axes(text, words)
    return None if None in words.values() else tuple(words.values())


def parse_direction_word(text: str, reading: Reading = "strict") -> str | None:
    """The only direction word of the text, of any axis ("left"), or None if there is none or several.

    Lenient: also synonyms, and the same direction said twice.
    """
    lenient = is_lenient(reading)
    found = [word for word in _WORD.findall(text.lower()) if word in AXIS_OF_WORD]
    word = found[0] if len(found) == 1 else None
    return directions.read_direction_word(text, word) if lenient or word else None


def format_location(location: Location) -> str:
    """Location to "right, front, below; 2.5m", the answer of types B and D."""
    return f"{', '.join(location.words)}; {format_distance(location.distance_m)}"


def parse_location(text: str, reading: Reading = "strict") -> Location | None:
    """All three direction words and the distance, or None if any of the four is unparsed."""
    words, distance_m = parse_directions(text, reading), parse_distance(text, reading)
    return None if words is None or distance_m is None else Location(*words, distance_m)


def format_locations(locations: Iterable[Location]) -> str:
    """Locations in a fixed order between bars: "left, front, above; 2m | right, behind, below; 1m". Raises
    SpatialLLMError on none."""
    ordered = _ordered(locations)
    if not ordered:
        raise SpatialLLMError("no location to write; give at least one.")
    return " | ".join(format_location(location) for location in ordered)


def parse_locations(text: str, reading: Reading = "strict") -> list[Location] | None:
    """The locations between bars, in a fixed order, so that the order of the text does not matter; None if any of them
    is unparsed. Lenient: without bars, one location a line."""
    parts = text.split("|")
    if is_lenient(reading) and len(parts) == 1:
        parts = [line for line in text.splitlines() if line.strip()] or parts
    found = [parse_location(part, reading) for part in parts]
    return None if None in found else _ordered(found)


def format_number(value: float) -> str:
    """A number without exponent and without trailing zeros: "2.5", "2", "-0.25"; zero has no sign."""
    text = format(Decimal(repr(float(value) + 0.0)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _one_axis(words: list[str], axis: str) -> str | None:
    found = [word for word in words if word in AXES[axis]]
    return found[0] if len(found) == 1 else None


def _ordered(locations: Iterable[Location]) -> list[Location]:
    return sorted(locations, key=lambda location: (location.words, location.distance_m))


def _check_distance(distance_m: float) -> None:
    if not 0 <= distance_m <= FARTHEST_M:
        raise SpatialLLMError(f"distance_m is {distance_m}; give metres, 0 to {FARTHEST_M:g}.")
