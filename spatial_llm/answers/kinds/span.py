"""Parses and writes a span of time: when a sound begins and ends, in seconds from the beginning of the recording: "1.2 to
3.4 s".

Note: the strict reading accepts a text that is a span and nothing else, in one of the forms "1.2 to 3.4 s" and "between 1.2
and 3.4 s"; one end alone, a length, or reversed ends are no span. The lenient reading finds the one span of a sentence, such
as "it starts at 500 ms and stops at two seconds". The sentence must hold two times and no other number. They make a span if
only "to" or a similar word is between them, or if a word before each names its end. A length ("starts at 1 s, for 2 s") is
not added up.
"""

import re
from collections.abc import Collection

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import Kind, Value
from spatial_llm.answers.kinds.duration import format_seconds
from spatial_llm.answers.text.amounts import LONGEST_S, SECONDS, timestamp_s, unit_end
from spatial_llm.answers.text.figures import Figure, before_hedges, bound_before, figures_of
from spatial_llm.answers.text.numbers import format_number
from spatial_llm.answers.text.words import Words, words_of
from spatial_llm.errors import SpatialLLMError

_SECONDS = r"(?:s|secs?|seconds?)"
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_TO = re.compile(rf"(?:from )?({_NUMBER})(?: ?{_SECONDS})?(?: (?:to|until) | ?[-\u2013] ?)({_NUMBER}) ?{_SECONDS}")
_BETWEEN = re.compile(rf"between ({_NUMBER})(?: ?{_SECONDS})? and ({_NUMBER}) ?{_SECONDS}")
_TO_WORDS = {"to", "until", "till", "-", "through"}
_BEGINNING = {"start", "starts", "started", "starting", "begin", "begins", "began", "beginning", "onset", "from", "appears"}
_END = {"end", "ends", "ended", "ending", "stop", "stops", "stopped", "offset", "finishes", "until", "till", "ceases"}
_END |= {"silent", "disappears"}
_ENDS = {**dict.fromkeys(_BEGINNING, "onset"), **dict.fromkeys(_END, "offset")}
_FILLERS = {"at", "is", "was", ":", "=", "time", "the", "to", "sound", "sounding", "be", "heard", "audible", "in", "by"}
_LENGTHS = {"lasts", "last", "lasting", "for", "of", "duration", "length", "after", "within"}  # "for 1 to 3 s" is no span
_RELATIVE = {"later", "after", "afterwards", "long", "or", "before", "earlier", "ago"}


def format_span(onset_s: float, offset_s: float) -> str:
    """Returns two times as "1.2 to 3.4 s". Raises SpatialLLMError unless 0 <= onset_s < offset_s and both are finite."""
    if not 0 <= onset_s < offset_s <= LONGEST_S:
        raise SpatialLLMError(
            f"onset_s {onset_s}, offset_s {offset_s}; give seconds, 0 <= onset_s < offset_s <= {LONGEST_S:g}."
        )
    return f"{format_number(onset_s)} to {format_seconds(offset_s)}"


def parse_span(text: str, reading: Reading = "strict") -> tuple[float, float] | None:
    """Returns (onset_s, offset_s) of a text that is a span and nothing else: "1.2 to 3.4 s", "From 1.2 s to 3.4 seconds.".

    Lenient: the one span inside a sentence, also in milliseconds or minutes, in words, as "0:01 to 0:03", or by the names of
    its ends: "starts at 1.2 s and ends at 3.4 s".
    """
    lenient = is_lenient(reading)
    line = " ".join(text.lower().split()).removesuffix(".")
    found = _TO.fullmatch(line) or _BETWEEN.fullmatch(line)
    span_s = (float(found[1]), float(found[2])) if found else None
    if span_s is None and lenient:
        span_s = _read_span(text)
    return span_s if span_s is not None and 0 <= span_s[0] < span_s[1] <= LONGEST_S else None


def _read_span(text: str) -> tuple[float, float] | None:
    """Returns (onset_s, offset_s) of the only two times of the text; None unless they are clearly the two ends of one
    span."""
    words = words_of(text)
    figures = figures_of(words)
    if len(figures) != 2 or any(figure.value is None and ":" not in words.strings[figure.start] for figure in figures):
        return None
    first, last = figures
    ends = [_end_of_amount(words, figure) for figure in figures]
    if ends[1] is None or not _plain(words, first, last, ends):
        return None
    values_s = [_seconds(words, figure, ends[i] or ends[1]) for i, figure in enumerate(figures)]
    order = _order(words, first, last, ends[0] or first.end)
    if order is None or (ends[0] is None and order != "joined") or None in values_s:
        return None
    onset_s, offset_s = values_s if order != "reversed" else reversed(values_s)
    return (round(onset_s, 9), round(offset_s, 9)) if onset_s < offset_s else None


def _end_of_amount(words: Words, figure: Figure) -> int | None:
    """Returns the token after a time with its unit, or after "0:03"; None if it has no unit."""
    return figure.end if ":" in words.strings[figure.start] else unit_end(words, figure, SECONDS)


def _seconds(words: Words, figure: Figure, end: int) -> float | None:
    """Returns the time of a figure, in seconds; its unit, or that of the other end, stands before token `end`."""
    if ":" in words.strings[figure.start]:
        return timestamp_s(words.strings[figure.start])
    unit = SECONDS.get(words.strings[end - 1])
    return None if unit is None or figure.value is None else figure.value * unit


def _plain(words: Words, first: Figure, last: Figure, ends: list[int | None]) -> bool:
    """Returns whether neither time is signed, denied, a bound or relative to another; a hyphen that joins both is no
    sign."""
    joined_by_sign = last.sign == "-" and last.start == (ends[0] or first.end) and words.touching(last.start)
    return (
        not first.sign
        and (not last.sign or joined_by_sign)
        and not any(words.denied[figure.start] or bound_before(words, figure.start) for figure in (first, last))
        and words.strings[ends[1]] not in _RELATIVE
    )


def _order(words: Words, first: Figure, last: Figure, first_end: int) -> str | None:
    """Returns how the two times belong together: "joined" by a word for "to", "named" by words for their ends, "reversed" if
    the end is named first; None if neither."""
    before = words.strings[: before_hedges(words, first.start)]
    between = words.strings[first_end : before_hedges(words, last.start)]
    both = between == ["and"] and before[-1:] == ["between"]
    if both or last.sign or (len(between) == 1 and between[0] in _TO_WORDS):
        name = _name(before[:-1] if both else before)
        return "joined" if name == "from" or name not in _ENDS.keys() | _LENGTHS else None
    ends = [_ENDS.get(_name(before)), _ENDS.get(_name(between))]
    if "or" in between or set(ends) != {"onset", "offset"}:
        return None
    return "named" if ends[0] == "onset" else "reversed"


def _name(strings: list[str]) -> str:
    """Returns the last word before a time, apart from "at", "is" and the like; "" if there is none."""
    return next((string for string in reversed(strings) if string not in _FILLERS), "")


def _read(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
    span_s = parse_span(text, reading)
    return None if span_s is None else dict(zip(("onset_s", "offset_s"), span_s, strict=True))


KIND = Kind("span", _read, lambda value: format_span(value["onset_s"], value["offset_s"]))
