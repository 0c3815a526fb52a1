"""Parses and writes a range of reverberation time in seconds, open at one end or closed: "0.3 to 0.6 s", "below 0.3 s"."""

import math
import re

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import keyed
from spatial_llm.answers.kinds.duration import format_seconds
from spatial_llm.answers.text.amounts import SECONDS
from spatial_llm.answers.text.figures import Figure, figures_of
from spatial_llm.answers.text.numbers import PLAIN, format_number
from spatial_llm.answers.text.words import Words, words_of
from spatial_llm.errors import SpatialLLMError

_RANGE = re.compile(
    r"(?:(?P<below>below|under|less than) (?P<high>[0-9.]+)|(?P<above>above|over|more than) (?P<low>[0-9.]+)"
    r"|(?:between )?(?P<first>[0-9.]+)(?: ?s)? ?(?:to|and|-|\u2013) ?(?P<last>[0-9.]+)) ?(?:s|seconds?)"
)
_JOINS = {"to", "and", "-"}
_BELOW, _ABOVE = {"less", "shorter", "lower", "smaller", "faster"}, {"more", "longer", "greater", "higher", "larger"}


def format_rt60_range(range_s: tuple[float, float | None]) -> str:
    """Returns a range of seconds as "below 0.3 s" (from 0), "0.3 to 0.6 s", or "above 0.6 s" (to None). Raises
    SpatialLLMError unless 0 <= lowest < highest."""
    low, high = range_s
    if (
        not (math.isfinite(low) and low >= 0)
        or (high is None and low == 0)
        or (high is not None and not low < high < math.inf)
    ):
        raise SpatialLLMError(f"range_s is {range_s}; give [lowest, highest] with 0 <= lowest < highest, or a None above.")
    if high is None:
        return f"above {format_seconds(low)}"
    return f"below {format_seconds(high)}" if low == 0 else f"{format_number(low)} to {format_seconds(high)}"


def parse_rt60_range(text: str, reading: Reading = "strict") -> list[float | None] | None:
    """Returns [lowest, highest] in seconds of a text that is a range and nothing else; [0, x] for "below x s", [x, None] for
    "above x s". Lenient: the one range inside a sentence, also in milliseconds, and "x s or less"."""
    lenient = is_lenient(reading)
    range_s = _range(text)
    return _read_range(text) if range_s is None and lenient else range_s


def _range(text: str) -> list[float | None] | None:
    found = _RANGE.fullmatch(" ".join(text.lower().split()).removesuffix("."))
    if found is None:
        return None
    ends = [found["low"] or found["first"] or "0", found["high"] or found["last"]]
    if any(end is not None and not PLAIN.fullmatch(end) for end in ends):
        return None
    low, high = (None if end is None else float(end) for end in ends)
    if high is None:
        return [low, None] if 0 < low < math.inf else None
    return [low, high] if low < high < math.inf else None


def _read_range(text: str) -> list[float | None] | None:
    """Returns [lowest, highest] in seconds of the one range or the one bound of the text; highest is None where it is
    open."""
    words = words_of(text)
    # the number in "RT 60" is part of a name
    figures = [figure for figure in figures_of(words) if words.before(figure.start) not in ("rt", "t")]
    if not 1 <= len(figures) <= 2 or any(figure.value is None or figure.sign for figure in figures):
        return None
    if any(words.denied[figure.start] for figure in figures) or words.strings[figures[-1].end] not in SECONDS:
        return None
    unit_s = SECONDS[words.strings[figures[-1].end]]
    if len(figures) == 1:
        return _bound(words, figures[0], figures[0].value * unit_s)
    first, last = figures
    own_unit = words.strings[first.end] in SECONDS
    if words.strings[first.end + own_unit] not in _JOINS or first.end + own_unit + 1 != last.start:
        return None
    if _sides(words, first.start, last.end + 1):
        return None
    low = round(first.value * (SECONDS[words.strings[first.end]] if own_unit else unit_s), 9)
    high = round(last.value * unit_s, 9)
    return [low, high] if low < high < math.inf else None


def _bound(words: Words, figure: Figure, value_s: float) -> list[float | None] | None:
    sides = _sides(words, figure.start, figure.end + 1)
    value_s = round(value_s, 9)
    if len(sides) != 1 or not 0 < value_s < math.inf:
        return None
    return [0.0, value_s] if sides == {"below"} else [value_s, None]


def _sides(words: Words, start: int, end: int) -> set[str]:
    """Returns which bounds stand right before a number and right after its unit: a set of "below" and "above"."""
    strings = words.strings
    before, earlier = words.before(start), strings[start - 2] if start > 1 else ""
    after, later = strings[end], strings[end + 1] if end + 1 < len(strings) else ""
    sides = set()
    if before in ("below", "under", "<", "\u2264") or (before == "than" and earlier in _BELOW) or before == "within":
        sides.add("below")
    if (before == "most" and earlier == "at") or (before == "to" and earlier == "up"):
        sides.add("below")
    if before in ("above", "over", ">", "\u2265", "exceeding", "exceeds", "beyond"):
        sides.add("above")
    if (before == "than" and earlier in _ABOVE) or (before == "least" and earlier == "at"):
        sides.add("above")
    if after == "or" and later in _BELOW | {"below", "under"}:
        sides.add("below")
    if after == "or" and later in _ABOVE | {"above", "over"}:
        sides.add("above")
    return sides


KIND = keyed("rt60_range", "rt60_range_s", parse_rt60_range, format_rt60_range)
