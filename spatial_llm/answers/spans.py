"""Spans of time: when a sound begins and when it ends, in seconds from the beginning of the recording.

Peculiar: strict takes a text that is a span and nothing else, in one of the forms "1.2 to 3.4 s" and "between 1.2 and
3.4 s"; one end alone, a length, or ends the wrong way round are no span.
"""

import re

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.lenient import spans
from spatial_llm.answers.numbers import LONGEST_S, format_seconds
from spatial_llm.answers.places import format_number
from spatial_llm.errors import SpatialLLMError

_SECONDS = r"(?:s|secs?|seconds?)"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_TO = re.compile(rf"(?:from )?({_NUMBER})(?: ?{_SECONDS})?(?: (?:to|until) | ?[-\u2013] ?)({_NUMBER}) ?{_SECONDS}")
_BETWEEN = re.compile(rf"between ({_NUMBER})(?: ?{_SECONDS})? and ({_NUMBER}) ?{_SECONDS}")


def format_span(onset_s: float, offset_s: float) -> str:
    """Two times to "1.2 to 3.4 s". Raises SpatialLLMError unless 0 <= onset_s < offset_s and both are finite."""
    if not 0 <= onset_s < offset_s <= LONGEST_S:
        raise SpatialLLMError(
            f"onset_s {onset_s}, offset_s {offset_s}; give seconds, 0 <= onset_s < offset_s <= {LONGEST_S:g}."
        )
    return f"{format_number(onset_s)} to {format_seconds(offset_s)}"


def parse_span(text: str, reading: Reading = "strict") -> tuple[float, float] | None:
    """(onset_s, offset_s) of a text that is a span and nothing else: "1.2 to 3.4 s", "From 1.2 s to 3.4 seconds.".

    Lenient: the one span inside a sentence, also in milliseconds or minutes, in words, as "0:01 to 0:03", or by the names of
    its ends: "starts at 1.2 s and ends at 3.4 s".
    """
    lenient = is_lenient(reading)
    line = " ".join(text.lower().split()).removesuffix(".")
    found = _TO.fullmatch(line) or _BETWEEN.fullmatch(line)
    span_s = (float(found[1]), float(found[2])) if found else None
    if span_s is None and lenient:
        span_s = spans.read_span(text)
    return span_s if span_s is not None and 0 <= span_s[0] < span_s[1] <= LONGEST_S else None
