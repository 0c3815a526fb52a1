"""Parses and writes a distance in metres: "2.5m".

Note: no official scorer exists; the strict rules are those that an independent port of BAT uses.
"""

import math
import re

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import keyed
from spatial_llm.answers.text.amounts import METRES, amount
from spatial_llm.answers.text.numbers import format_number
from spatial_llm.answers.text.words import words_of
from spatial_llm.errors import SpatialLLMError

FARTHEST_M = 10_000.0  # no source is farther, but a language model that repeats a digit may write more
# A number may not be the tail of another one: "2,5m", "1.2.5m", "-3m" and "x2m" are all unparsed, not 5, 2.5, 3 and 2.
_DISTANCE = re.compile(r"(?<![\w.\-])(?<![0-9],)([0-9]+(?:\.[0-9]+)?)\s*(?:m|meters?|metres?)(?![\w/^]|\s*per\b)")


def format_distance(distance_m: float) -> str:
    """Returns metres as "2.5m", integers without a point ("2m"). Raises SpatialLLMError if negative or not finite."""
    check_distance(distance_m)
    return format_number(distance_m) + "m"


def parse_distance(text: str, reading: Reading = "strict") -> float | None:
    """Returns the one distance in the text, in metres: a number and m, meter(s) or metre(s). None if there is none or
    several.

    Lenient: also cm, mm, km, feet, inches and yards, numbers in words, and a decimal comma; no ranges and no bounds.
    """
    lenient = is_lenient(reading)
    found = _DISTANCE.findall(text.lower())
    distance_m = float(found[0]) if len(found) == 1 else math.inf
    strict_m = distance_m if distance_m <= FARTHEST_M else None
    read_m = amount(words_of(text), METRES, strict_m) if lenient or strict_m is not None else None
    return None if read_m is None or read_m > FARTHEST_M else read_m


def check_distance(distance_m: float) -> None:
    """Raises SpatialLLMError unless the distance is one that a sound can have."""
    if not 0 <= distance_m <= FARTHEST_M:
        raise SpatialLLMError(f"distance_m is {distance_m}; give metres, 0 to {FARTHEST_M:g}.")


KIND = keyed("distance", "distance_m", parse_distance, format_distance)
