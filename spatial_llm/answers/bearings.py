"""Directions as two angles, azimuth and elevation, in one text: for answers in degrees where words were asked for."""

import re

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.lenient import directions
from spatial_llm.answers.numbers import format_degrees, parse_azimuth, parse_elevation

_BEARING = re.compile(r"azimuth:?\s+([^,;]*?)\s*[,;]\s*elevation:?\s+([^,;]*)")


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
