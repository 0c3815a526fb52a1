"""Numbers with a unit in a sentence: distances, times, counts, hours of the clock, ranges of reverberation time.

Peculiar: an amount may be said more than once, if each time with the same value. One that is a range, a bound, signed or
denied makes the whole text unparsed, whatever else it says.
"""

import math
import re
from collections.abc import Iterator
from itertools import pairwise

from spatial_llm.answers.lenient.figures import Figure, figures_of, only, part_at, settled
from spatial_llm.answers.lenient.words import Words, words_of

_METRES = {
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
_UNITS = {*_METRES, *SECONDS, *_OTHER_UNITS} - {"in", "'", '"'}
_AFTER_INCHES = {"away", "off", "from", "and", "long", "high", "distant", "apart"}
_TIMESTAMP = re.compile(r"(?:([0-9]{1,2}):)?([0-9]{1,3}):([0-5][0-9](?:\.[0-9]+)?)")
_COUNTED = re.compile(
    r"(?:sound|source|event|class|kind|type|instrument|voice|object|categor|item|thing|signal)(?:s|es|y|ies)?"
)
_ADJECTIVES = {"different", "distinct", "separate", "unique", "individual", "audible", "audio", "acoustic", "main", "sound"}
_VAGUE = {"couple", "few", "several", "some", "many", "dozen", "dozens", "pair", "multiple", "various", "numerous", "other"}
_VAGUE |= {"additional", "more", "another"}
_CONVERTED = 0.05  # how far a distance in another unit may be off before it is another distance
_JOINS = {"to", "and", "-"}
_BELOW, _ABOVE = {"less", "shorter", "lower", "smaller", "faster"}, {"more", "longer", "greater", "higher", "larger"}


def read_distance(text: str, found_m: float | None = None) -> float | None:
    """The one distance of the text in metres, from metric units, feet, inches or yards.

    found_m, here and below: what the strict reading found; it stands unless an amount of the text says otherwise.
    """
    return _amount(words_of(text), _METRES, found_m)


def read_seconds(text: str, found_s: float | None = None) -> float | None:
    """The one time of the text in seconds: "1500 ms", "one and a half seconds", "1 minute 5 seconds", "0:03"."""
    return _amount(words_of(text), SECONDS, found_s)


def read_count(text: str, found: int | None = None) -> int | None:
    """The one whole number of the text that has no unit; one before "sounds" and the like outweighs those elsewhere."""
    words = words_of(text)
    figures = figures_of(words)
    if found is None and (not figures or _VAGUE & set(words.strings)):
        return None if figures else _none_or_one(words)
    free = [i for i, figure in enumerate(figures) if words.strings[figure.end] not in _UNITS]
    if any("or" in words.strings[figures[i].end : figures[j].start] for i, j in pairwise(free)):
        return None  # "3 sounds, or 4"
    counted = [i for i in free if _counts_sounds(words, figures[i].end)]
    return _whole([_counted(words, figures, i) for i in counted or free], range(10**9), found)


def read_clock(text: str, found: int | None = None) -> int | None:
    """The one hour of the clock of the text, 1 to 12."""
    return hour_of(words_of(text), found)


def hour_of(words: Words, found: int | None = None) -> int | None:
    """The one hour of the clock among the tokens, 1 to 12; None if there is none, or more than one, or a range."""
    figures = figures_of(words)
    hours = []
    for i, figure in enumerate(figures):
        end = clock_end(words, figure.end)
        if end:
            hours.append(figure.value if settled(words, figures, i, end) and words.before(figure.start) != "past" else None)
    return _whole(hours, range(1, 13), found)


def clock_end(words: Words, index: int) -> int | None:
    """The token after "o'clock" in one of its spellings at `index`; None if it does not stand there."""
    strings = words.strings
    if strings[index] in ("o'clock", "oclock"):
        return index + 1
    if strings[index] == "o":
        index += 2 if strings[index + 1] in ("'", "-") else 1
        return index + 1 if strings[index : index + 1] == ["clock"] else None
    return None


def read_rt60_range(text: str) -> list[float | None] | None:
    """[lowest, highest] in seconds of the one range or the one bound of the text, highest None where it is open."""
    words = words_of(text)
    # the number of "RT 60" is part of a name
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


def _whole(values: list[float | None], allowed: range, found: int | None) -> int | None:
    value = only(values)
    # a float is sought in a range one by one, so only whole numbers are
    whole = int(value) if value is not None and value.is_integer() and int(value) in allowed else None
    return found if found is not None and (not values or whole == found) else whole if found is None else None


def _amount(words: Words, units: dict[str, float], found: float | None) -> float | None:
    said: dict[str, float] = {}  # the value in each unit: "2.5 m (about 8 feet)" is one distance
    for value, unit in _amounts(words, figures_of(words), units):
        if value is None or not math.isfinite(value) or said.setdefault(unit, value) != value:
            return None
    if found is not None:
        said = {"": found} | said
    values = list(said.values())
    if any(not math.isclose(value, values[0], rel_tol=_CONVERTED, abs_tol=1e-8) for value in values):
        return None
    # rounded because 250 cm are 2.5 m, not 2.5000000000000004
    return None if not values else found if found is not None else round(values[0], 9)


def _amounts(words: Words, figures: list[Figure], units: dict[str, float]) -> Iterator[tuple[float | None, str]]:
    """(value in metres or seconds, its unit in the text) of each amount; None for one that is no plain statement."""
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
    """The token after the unit of a number; None if no unit of this family (a dict of its names) follows."""
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
    """(what a smaller unit adds, next token): "5 ft 10 in", "1 m and 50 cm", "2 metres and a half"."""
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
    """Amounts of one: "a metre away", "about a foot". Not "a second bell", nor the article of "half a metre"."""
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
    """Seconds of "0:03", "1:02.5" or "1:00:00"; None if it is none of these."""
    found = _TIMESTAMP.fullmatch(text)
    return None if found is None else 3600 * float(found[1] or 0) + 60 * float(found[2]) + float(found[3])


def _counts_sounds(words: Words, index: int) -> bool:
    """Whether "sounds", "different sound sources" and the like follow."""
    last = min(index + 4, len(words.tokens))
    while index < last and words.strings[index] in _ADJECTIVES and words.strings[index + 1] in _ADJECTIVES:
        index += 1
    following = words.strings[index : index + 2]
    return any(_COUNTED.fullmatch(word) for word in following[: 1 + (following[0] in _ADJECTIVES)])


def _counted(words: Words, figures: list[Figure], position: int) -> float | None:
    figure = figures[position]
    glued = (
        words.touching(figure.end) and words.tokens[figure.end].kind == "word" if figure.end < len(words.tokens) else False
    )
    return None if glued or not settled(words, figures, position, figure.end) else figure.value


def _none_or_one(words: Words) -> int | None:
    strings = words.strings
    if strings[:-1] in (["none"], ["none", "."]):
        return 0
    for i, string in enumerate(strings[:-1]):
        if string in ("no", "single") and _counts_sounds(words, i + 1) and not words.denied[i]:
            return 0 if string == "no" else 1
    return None


def _bound(words: Words, figure: Figure, value_s: float) -> list[float | None] | None:
    sides = _sides(words, figure.start, figure.end + 1)
    value_s = round(value_s, 9)
    if len(sides) != 1 or not 0 < value_s < math.inf:
        return None
    return [0.0, value_s] if sides == {"below"} else [value_s, None]


def _sides(words: Words, start: int, end: int) -> set[str]:
    """The words of a bound right before a number and right after its unit: a set of "below" and "above"."""
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
