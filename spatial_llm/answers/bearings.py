"""Directions as angles: the centre of an octant for three words, and the degrees that a text gives.

Needed for great-circle errors of answers in words. The octant is bounded by the planes of the three axes, so its centre
is the diagonal: 45 degrees of azimuth from each axis, but 35.26 degrees of elevation.
"""

import re
from collections.abc import Sequence

from spatial_llm.answers.axes import AXES, Reading, is_lenient
from spatial_llm.answers.lenient import directions
from spatial_llm.answers.numbers import format_degrees, parse_azimuth, parse_elevation
from spatial_llm.errors import SpatialLLMError
from spatial_llm.geometry import vector_to_direction

_BEARING = re.compile(r"azimuth:?\s+([^,;]*?)\s*[,;]\s*elevation:?\s+([^,;]*)")


def bearing_of_words(words: Sequence[str]) -> tuple[float, float]:
    """(azimuth_deg, elevation_deg) of the centre of an octant, from one word per axis in the order of AXES.

    Raises:
        SpatialLLMError: not three words, or one that is not of its axis.
    """
    if len(words) != len(AXES) or any(word not in pair for word, pair in zip(words, AXES.values(), strict=True)):
        raise SpatialLLMError(f"words is {words!r}; give one of each of {', '.join(str(pair) for pair in AXES.values())}.")
    left, front, above = (1.0 if word == pair[0] else -1.0 for word, pair in zip(words, AXES.values(), strict=True))
    azimuth_deg, elevation_deg, _ = vector_to_direction([front, left, above])
    return float(azimuth_deg), float(elevation_deg)


def format_bearing(azimuth_deg: float, elevation_deg: float) -> str:
    """Two angles to "azimuth -30 degrees, elevation 10 degrees". Raises SpatialLLMError beyond 180 or 90 degrees."""
    return f"azimuth {format_degrees(azimuth_deg)}, elevation {format_degrees(elevation_deg, most=90)}"


def parse_bearing(text: str, reading: Reading = "strict") -> tuple[float, float] | None:
    """(azimuth_deg, elevation_deg) where a text gives both in degrees, else None; signed as everywhere here.

    Strict: "azimuth <angle>, elevation <angle>" and nothing else, each angle as `parse_azimuth` and `parse_elevation` read
    it. Lenient: both by name or direction word, anywhere in the text.
    """
    lenient = is_lenient(reading)
    found = _BEARING.fullmatch(" ".join(text.lower().split()).removesuffix("."))
    azimuth_deg, elevation_deg = (parse_azimuth(found[1]), parse_elevation(found[2])) if found else (None, None)
    if azimuth_deg is not None and elevation_deg is not None:
        return azimuth_deg, elevation_deg
    return directions.read_bearing(text) if lenient else None
