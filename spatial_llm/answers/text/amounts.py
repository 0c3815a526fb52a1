"""Finds numbers with a unit in a sentence: distances, times, hours of the clock.

Note: an amount may occur more than once if it has the same value each time. One that is a range, a bound, signed or denied
makes the whole text unparsed, whatever else the text contains.
"""

import math
import re
from collections.abc import Iterator

from spatial_llm.answers.text.figures import Figure, figures_of, only, part_at, settled
from spatial_llm.answers.text.words import Words

METRES = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 0.01),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 0.001),
    **dict.fromkeys(("km", "kilometer", "kilometers", "kilometre", "kilometres"), 1000.0),
    **dict.fromkeys(("foot", "feet", "ft", "'"), 0.3048),
    **dict.fromkeys(("inch", "inches", "in", '"'), 0.0254),
    **dict.fromkeys(("yard", "yards", "yd", "yds"), 0.9144),
}
SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
}
_OTHER_UNITS = {"\u00b0", "deg", "degree", "degrees", "%", "percent", "hz", "khz", "db", "o'clock", "oclock", "o", "hours"}
UNITS = {*METRES, *SECONDS, *_OTHER_UNITS} - {"in", "'", '"'}
_AFTER_INCHES = {"away", "off", "from", "and", "long", "high", "distant", "apart"}
_TIMESTAMP = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-5][0-9](?:\.[0-9]+)?)")
LONGEST_S = 86_400.0  # one day; no recording is longer, but a language model that repeats a digit may write more
_CONVERTED = 0.05  # relative difference up to which two distances in different units count as equal


def hour_of(words: Words, found: int | None = None) -> int | None:
    """Returns the one hour of the clock among the tokens, 1 to 12; None if there is none, more than one, or a range."""
    figures = figures_of(words)
    hours = []
    for i, figure in enumerate(figures):
        end = clock_end(words, figure.end)
        if end:
            hours.append(figure.value if settled(words, figures, i, end) and words.before(figure.start) != "past" else None)
    return whole(hours, range(1, 13), found)


def clock_end(words: Words, index: int) -> int | None:
    """Returns the token after "o'clock" in one of its spellings at `index`; None if it does not stand there."""
    strings = words.strings
    if strings[index] in ("o'clock", "oclock"):
        return index + 1
    if strings[index] == "o":
        index += 2 if strings[index + 1] in ("'", "-") else 1
        return index + 1 if strings[index : index + 1] == ["clock"] else None
    return None


def whole(values: list[float | None], allowed: range, found: int | None) -> int | None:
    """Returns the one whole number that all values agree on, if it is allowed.

    found: the strict result, which is kept unless a value contradicts it.
    """
    value = only(values)
    # Only whole numbers are looked up, because a range is searched for a float one by one.
    whole = int(value) if value is not None and value.is_integer() and int(value) in allowed else None
    return found if found is not None and (not values or whole == found) else whole if found is None else None


def amount(words: Words, units: dict[str, float], found: float | None) -> float | None:
    """Returns the one amount of the text in metres or seconds; `units` maps the names of its units to their factors.

    found: the strict result, which is kept unless an amount of the text contradicts it.
    """
    said: dict[str, float] = {}  # the value in each unit: "2.5 m (about 8 feet)" is one distance
    for value, unit in _amounts(words, figures_of(words), units):
        if value is None or not math.isfinite(value) or said.setdefault(unit, value) != value:
            return None
    if found is not None:
        said = {"": found} | said
    values = list(said.values())
    if any(not math.isclose(value, values[0], rel_tol=_CONVERTED, abs_tol=1e-8) for value in values):
        return None
    # rounded, so that 250 cm are 2.5 m, not 2.5000000000000004
    return None if not values else found if found is not None else round(values[0], 9)


def _amounts(words: Words, figures: list[Figure], units: dict[str, float]) -> Iterator[tuple[float | None, str]]:
    """Yields (value in metres or seconds, its unit in the text) of each amount; the value is None if it is not a plain
    statement."""
    ended = 0
    for i, figure in enumerate(figures):
        if figure.start < ended:
            continue
        end = unit_end(words, figure, units)
        if end is None:
            if units is SECONDS and ":" in words.strings[figure.start] and not clock_end(words, figure.end):
                yield timestamp_s(words.strings[figure.start]), ":"
            continue
        unit = units[words.strings[end - 1]]
        value = None if figure.value is None else figure.value * unit
        plain = settled(words, figures, i, end)
        following, ended = _smaller_part(words, figures, i, end, units)
        yield value + following if plain and value is not None and following is not None else None, words.strings[end - 1]
    yield from _units_with_article(words, units)


def unit_end(words: Words, figure: Figure, units: dict[str, float]) -> int | None:
    """Returns the token after the unit of a number; None if no unit of `units` follows."""
    strings, index = words.strings, figure.end
    if strings[index] == "-" and index + 1 < len(words.tokens) and strings[index + 1] not in ("'", '"'):
        index += 1  # "a two-metre gap"
    elif strings[index] == "of" and strings[index + 1] in ("a", "an", "one"):
        index += 2  # "half of a metre"
    elif figure.value in (0.25, 0.5, 0.75) and strings[index] in ("a", "an"):
        index += 1  # "half a metre"
    unit = strings[index] if index < len(words.tokens) else ""
    if unit not in units or (unit == "in" and not _are_inches(words, index)):
        return None
    if unit in ("'", '"') and not (words.touching(index) and words.counts[unit] == 1):
        return None  # a quotation mark
    following = words.tokens[index + 1] if index + 1 < len(words.tokens) else None
    squared = following is not None and unit.isalpha() and following.kind == "number" and words.touching(index + 1)
    return None if squared or strings[index + 1] in ("/", "^", "per") else index + 1


def _are_inches(words: Words, index: int) -> bool:
    following = words.tokens[index + 1] if index + 1 < len(words.tokens) else None
    return following is None or following.kind == "mark" or following.text in _AFTER_INCHES


def _smaller_part(
    words: Words, figures: list[Figure], position: int, end: int, units: dict[str, float]
) -> tuple[float | None, int]:
    """Returns (what a smaller unit adds, next token): "5 ft 10 in", "1 m and 50 cm", "2 metres and a half"."""
    unit = units[words.strings[end - 1]]
    part = part_at(words, end)
    if part:
        return part[0] * unit, part[1]
    start = end + (words.strings[end] == "and")
    following = figures[position + 1] if position + 1 < len(figures) else None
    if following is None or following.start != start or following.value is None or following.sign:
        return 0.0, end
    following_end = unit_end(words, following, units)
    if following_end is None and start == end:
        return None, end  # "5 ft 10"
    if following_end is None or units[words.strings[following_end - 1]] >= unit:
        return 0.0, end
    added = following.value * units[words.strings[following_end - 1]]
    return (added if added < unit else None), following_end


def _units_with_article(words: Words, units: dict[str, float]) -> Iterator[tuple[float | None, str]]:
    """Yields amounts of one: "a metre away", "about a foot". Skips "a second bell" and the article of "half a metre"."""
    strings = words.strings
    for i, string in enumerate(strings[:-2]):
        unit = strings[i + 1]
        if string not in ("a", "an") or unit not in units or (len(unit) < 3 and unit != "ft"):
            continue
        if words.before(i) in ("half", "quarter", "quarters", "of", "per") or (
            unit == "second" and not (i + 2 == len(words.tokens) or words.tokens[i + 2].kind == "mark")
            and strings[i + 2] not in ("and", "long")
        ):  # fmt: skip
            continue
        part = part_at(words, i + 2)
        bounded = words.before(i) in ("than", "least", "most", "under", "within", "or", "to") or words.denied[i]
        yield None if bounded else units[unit] * (1 + (part[0] if part else 0)), unit


def timestamp_s(text: str) -> float | None:
    """Returns the seconds of "0:03", "1:02.5" or "1:00:00"; None for any other text."""
    found = _TIMESTAMP.fullmatch(text)
    return None if found is None else 3600 * float(found[1] or 0) + 60 * float(found[2]) + float(found[3])
