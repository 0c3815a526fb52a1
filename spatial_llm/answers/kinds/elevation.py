"""Parses and writes the elevation in degrees, in [-90, 90], positive upwards: "-20 degrees"."""

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import keyed
from spatial_llm.answers.kinds.azimuth import format_degrees
from spatial_llm.answers.text import directions
from spatial_llm.answers.text.numbers import angle

_SIGN_OF_ELEVATION = {"above": 1.0, "up": 1.0, "below": -1.0, "down": -1.0}


def format_elevation(elevation_deg: float) -> str:
    """Returns degrees as "-20 degrees". Raises SpatialLLMError beyond 90 degrees, or if not finite."""
    return format_degrees(elevation_deg, most=90)


def parse_elevation(text: str, reading: Reading = "strict") -> float | None:
    """Returns the one elevation in degrees in [-90, 90], positive upwards: "-20 degrees", "20 degrees below". Lenient: as
    `parse_azimuth`."""
    lenient = is_lenient(reading)
    elevation_deg = angle(text, _SIGN_OF_ELEVATION, 90)
    return directions.read_elevation(text, elevation_deg) if lenient or elevation_deg is not None else None


KIND = keyed("elevation", "elevation_deg", parse_elevation, format_elevation)
