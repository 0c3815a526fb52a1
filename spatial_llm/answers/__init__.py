"""Answer text <-> typed value, or None for "unparsed". The only place where answers are written or read.

Peculiar: each parser has two readings, and both are scored. Strict, the default: a text has exactly one reading or none;
each axis needs exactly one of its two words, a number stands alone with its unit, yes and no stand alone. Lenient:
besides, the free wording of language models (`lenient`). Neither reads a value that the text denies ("not left"), gives
as a range ("2 to 3 m") or contradicts, and wherever strict finds a value lenient finds the same. Names of sounds are the
exception, since strict takes any wording for a name. What does not fit is None: unparsed, counted by the scorer, never
dropped. No parser raises on any string, and all take linear time. `table` says which question type has which kind of
value.
"""

from spatial_llm.answers.axes import AXES, Reading
from spatial_llm.answers.bearings import format_bearing, parse_bearing
from spatial_llm.answers.choices import parse_choice
from spatial_llm.answers.names import (
    format_absent,
    format_labels,
    format_order,
    format_yes_no,
    parse_absent,
    parse_labels,
    parse_order,
    parse_yes_no,
)
from spatial_llm.answers.numbers import (
    format_clock,
    format_count,
    format_degrees,
    format_rt60_range,
    format_seconds,
    parse_azimuth,
    parse_clock,
    parse_count,
    parse_elevation,
    parse_rt60_range,
    parse_seconds,
)
from spatial_llm.answers.places import (
    Location,
    format_distance,
    format_location,
    format_locations,
    parse_axis,
    parse_direction_word,
    parse_directions,
    parse_distance,
    parse_location,
    parse_locations,
)
from spatial_llm.answers.refusals import is_refusal
from spatial_llm.answers.spans import format_span, parse_span
from spatial_llm.answers.table import QUESTION_TYPES, VALUE_KINDS, format_value, parse_value

__all__ = [
    "AXES",
    "QUESTION_TYPES",
    "VALUE_KINDS",
    "Location",
    "Reading",
    "format_absent",
    "format_bearing",
    "format_clock",
    "format_count",
    "format_degrees",
    "format_distance",
    "format_labels",
    "format_location",
    "format_locations",
    "format_order",
    "format_rt60_range",
    "format_seconds",
    "format_span",
    "format_value",
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
    "parse_order",
    "parse_rt60_range",
    "parse_seconds",
    "parse_span",
    "parse_value",
    "parse_yes_no",
]
