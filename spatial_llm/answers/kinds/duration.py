"""Parses and writes a length of time in seconds: "3.2 s"."""

import re

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import keyed
from spatial_llm.answers.text.amounts import LONGEST_S, SECONDS, amount
from spatial_llm.answers.text.numbers import format_number, one_number
from spatial_llm.answers.text.words import words_of
from spatial_llm.errors import SpatialLLMError

_SECONDS = re.compile(r"\s*(?:s|secs?|seconds?)(?![\w/^])")


def format_seconds(time_s: float) -> str:
    """Returns seconds as "3.2 s". Raises SpatialLLMError if negative or not finite."""
    if not 0 <= time_s <= LONGEST_S:
        raise SpatialLLMError(f"time_s is {time_s}; give seconds, 0 to {LONGEST_S:g}.")
    return format_number(time_s) + " s"


def parse_seconds(text: str, reading: Reading = "strict") -> float | None:
    """Returns the one time of the text, in seconds: a number without sign, and s, sec(s) or second(s).

    Lenient: also milliseconds and minutes, numbers in words, "1 minute 5 seconds", and "0:03".
    """
    lenient = is_lenient(reading)
    found = one_number(text)
    time_s = found[0] if found and not found[2] and _SECONDS.match(found[1]) else None
    read_s = amount(words_of(text), SECONDS, time_s) if lenient or time_s is not None else None
    return None if read_s is None or read_s > LONGEST_S else read_s


KIND = keyed("duration", "duration_s", parse_seconds, format_seconds)
