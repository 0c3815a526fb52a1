"""Parses and writes the azimuth in degrees, in (-180, 180], positive to the left: "-35 degrees"."""

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import Value, keyed
from spatial_llm.answers.text import directions
from spatial_llm.answers.text.numbers import angle, format_number
from spatial_llm.errors import SpatialLLMError
from spatial_llm.geometry import wrap_azimuth_deg

_SIGN_OF_AZIMUTH = {"left": 1.0, "right": -1.0}


def format_degrees(angle_deg: float, most: float = 180) -> str:
    """Returns degrees as "-35 degrees". Raises SpatialLLMError if the angle is below -most, above most, or not finite."""
    if not -most <= angle_deg <= most:
        raise SpatialLLMError(f"angle_deg is {angle_deg}; give {-most} to {most}.")
    return format_number(angle_deg) + " degrees"


def parse_azimuth(text: str, reading: Reading = "strict") -> float | None:
    """Returns the one azimuth in degrees in (-180, 180], positive to the left: "-35 degrees", "35 degrees to the right".

    Lenient: also beside other numbers, in words, and by its name: "azimuth -35, elevation 10".
    """
    lenient = is_lenient(reading)
    azimuth_deg = None if "clockwise" in text.lower() else angle(text, _SIGN_OF_AZIMUTH, 180)  # it reverses the sign
    if lenient or azimuth_deg is not None:
        azimuth_deg = directions.read_azimuth(text, azimuth_deg)
    return 180.0 if azimuth_deg == -180 else azimuth_deg


def mirror_azimuth(value: Value) -> Value:
    """Returns the azimuth with the opposite sign; 180 degrees stays."""
    return {"azimuth_deg": float(wrap_azimuth_deg(-value["azimuth_deg"])) + 0.0}


KIND = keyed("azimuth", "azimuth_deg", parse_azimuth, format_degrees, mirror_azimuth)
