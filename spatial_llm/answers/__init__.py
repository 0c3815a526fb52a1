"""Parses answer text to a typed value, or to None for "unparsed", and writes values as text. No other module parses answers.

Note: each parser has two readings, and both are scored. The strict reading, the default, accepts a text with exactly one
interpretation: exactly one of the two words on each axis, one number alone with its unit, yes or no alone. The lenient
reading also accepts the free wording of language models. Neither accepts a value that the text denies ("not left"), gives as
a range ("2 to 3 m") or contradicts, and wherever strict finds a value lenient finds the same. Names of sounds are the
exception, because the strict reading takes any wording for a name. Everything else gives None; the scorer counts such
answers and never drops them. No parser raises on any string, and all take linear time. `questions.types` maps questions to
kinds of values.
"""

from collections.abc import Collection

from spatial_llm.answers.axes import AXES, Reading
from spatial_llm.answers.choices import parse_choice
from spatial_llm.answers.kind import Kind, Value
from spatial_llm.answers.kinds import KINDS
from spatial_llm.answers.kinds.azimuth import format_degrees, parse_azimuth
from spatial_llm.answers.kinds.clock import format_clock, parse_clock
from spatial_llm.answers.kinds.count import format_count, parse_count
from spatial_llm.answers.kinds.direction_word import parse_direction_word
from spatial_llm.answers.kinds.distance import format_distance, parse_distance
from spatial_llm.answers.kinds.duration import format_seconds, parse_seconds
from spatial_llm.answers.kinds.elevation import parse_elevation
from spatial_llm.answers.kinds.labels import format_labels, parse_labels
from spatial_llm.answers.kinds.location import (
    Location,
    format_bearing,
    format_location,
    parse_axis,
    parse_bearing,
    parse_directions,
    parse_location,
)
from spatial_llm.answers.kinds.location_or_absent import format_absent, parse_absent
from spatial_llm.answers.kinds.locations import format_locations, parse_locations
from spatial_llm.answers.kinds.motion import parse_motion
from spatial_llm.answers.kinds.order import format_order, parse_order
from spatial_llm.answers.kinds.rt60_range import format_rt60_range, parse_rt60_range
from spatial_llm.answers.kinds.timed_caption import format_timed_caption, parse_timed_caption
from spatial_llm.answers.kinds.yes_no import format_yes_no, parse_yes_no
from spatial_llm.answers.refusals import is_refusal
from spatial_llm.answers.text.numbers import format_number
from spatial_llm.errors import SpatialLLMError

__all__ = [
    "AXES",
    "KINDS",
    "Kind",
    "Location",
    "Reading",
    "Value",
    "format_absent",
    "format_bearing",
    "format_clock",
    "format_count",
    "format_degrees",
    "format_distance",
    "format_labels",
    "format_location",
    "format_locations",
    "format_number",
    "format_order",
    "format_rt60_range",
    "format_seconds",
    "format_timed_caption",
    "format_yes_no",
    "is_refusal",
    "parse_absent",
    "parse_axis",
    "parse_azimuth",
    "parse_bearing",
    "parse_choice",
    "parse_clock",
    "parse_count",
    "parse_direction_word",
    "parse_directions",
    "parse_distance",
    "parse_elevation",
    "parse_labels",
    "parse_location",
    "parse_locations",
    "parse_motion",
    "parse_order",
    "parse_rt60_range",
    "parse_seconds",
    "parse_timed_caption",
    "parse_yes_no",
    "read",
    "write",
]


def read(kind: str, text: str, reading: Reading = "strict", known: Collection[str] | None = None) -> Value | None:
    """Returns the value of one kind that a text states; None if unparsed.

    By kind: labels {"labels": [...]}; location {"left_right", "front_behind", "above_below", "distance_m"}; yes_no
    {"yes": bool}; direction_word one axis as in {"left_right": "left"}; distance {"distance_m": float}; azimuth
    {"azimuth_deg"}, elevation {"elevation_deg"}: float; clock {"clock_hour": 1 to 12}; count {"count": int}; locations
    {"locations": [...]}; order {"order": [...]}; duration {"duration_s": float}; span {"onset_s", "offset_s"}: float;
    moment {"time_s": float}; motion {"motion": "left to right", ...}; timed_caption {"events": [...]}; rt60_range
    {"rt60_range_s": [lowest, highest or None]}; room_size {"room_size": "small" or "large"}; reverberation
    {"reverberation": "dry" or "reverberant"}; location_or_absent a location or {"absent": label}; text {"text": the
    answer in plain spelling}; thought_labels, thought_yes_no what they conclude with, and {"steps": [...]} (see `steps`);
    elevation_or_unknown, distance_or_unknown, location_or_unknown, span_or_unknown the value or {"unknown": True}.

    Args:
        kind: a key of KINDS.
        text: any text; none makes a parser raise.
        reading: "strict" or "lenient".
        known: names of sounds to find in free wording; read leniently only.

    Raises:
        SpatialLLMError: an unknown kind or reading.
    """
    return _kind(kind).read(text, reading, known)


def write(kind: str, value: Value) -> str:
    """Returns the value as answer text; `read` is the inverse.

    Raises:
        SpatialLLMError: an unknown kind, or a value that is not one of its kind.
    """
    try:
        return _kind(kind).format(value)
    except SpatialLLMError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SpatialLLMError(f"{value} is no value of kind {kind!r}.") from None


def _kind(name: str) -> Kind:
    if name not in KINDS:
        raise SpatialLLMError(f"kind of value is {name!r}; known are {', '.join(KINDS)}.")
    return KINDS[name]
