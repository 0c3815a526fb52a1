"""Parses and writes the hour of the clock that points at a sound, 12 straight ahead and 3 to the right: "2 o'clock"."""

import re

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import Value, keyed
from spatial_llm.answers.text.amounts import hour_of
from spatial_llm.answers.text.numbers import one_integer
from spatial_llm.answers.text.words import words_of
from spatial_llm.errors import SpatialLLMError

_CLOCK = re.compile(r"\s*o\s*['\u2019]?\s*clock(?!\w)")


def format_clock(hour: int) -> str:
    """Returns an hour as "2 o'clock". Raises SpatialLLMError on anything but 1 to 12."""
    if hour not in range(1, 13):
        raise SpatialLLMError(f"hour is {hour}; give 1 to 12.")
    return f"{hour} o'clock"


def parse_clock(text: str, reading: Reading = "strict") -> int | None:
    """Returns the one hour of the clock, 1 to 12, in digits or as a word: "2 o'clock", "two o'clock". Lenient: also beside
    other numbers."""
    lenient = is_lenient(reading)
    found = one_integer(text)
    hour = found[0] if found and 1 <= found[0] <= 12 and _CLOCK.match(found[1]) else None
    return hour_of(words_of(text), hour) if lenient or hour is not None else None


def mirror_clock(value: Value) -> Value:
    """Returns the hour mirrored at the line from 6 to 12."""
    return {"clock_hour": -value["clock_hour"] % 12 or 12}


KIND = keyed("clock", "clock_hour", parse_clock, format_clock, mirror_clock)
