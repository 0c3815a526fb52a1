"""Finds numbers in a sentence, in digits or in words: "2,5", "two and a half", "1 1/2", "one hundred and twenty".

Note: an ambiguous number has no value. "1,500" may be one thousand five hundred or one and a half; "2-3" and "two or three"
are ranges.
"""

import math
import re
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from spatial_llm.answers.text.words import Words

_SMALL = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_ONES = {word: value for value, word in enumerate(_SMALL)}
_TENS = {
    "twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90,
}  # fmt: skip
_PARTS = {"half": 0.5, "quarter": 0.25}
_FRACTIONS = {("1", "2"): 0.5, ("1", "4"): 0.25, ("3", "4"): 0.75}
_DIGITS = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")
_COMMA = re.compile(r"[0-9]+,(?:[0-9]{1,2}|[0-9]{4,})|0,[0-9]{3}")
_ABOUT = {"about", "approximately", "approx", "around", "roughly", "nearly", "almost", "maybe", "perhaps", "circa", "~"}
_ABOUT |= {"exactly", "just", "some", "\u2248"}
_BETWEEN = {"to", "or", "and", "-", "/", ",", "till", "until", "through", "&", "versus", "vs", "\u00b1", "\u2026", "x"}
_BETWEEN |= {"times", "\u00d7", "of"}  # "2 x 3 m", "half of 2 m"
_OR = {"or", "versus", "vs"}
_SIGN_WORDS = {"minus": "-", "negative": "-", "plus": "+", "positive": "+"}
_BOUNDS = {
    "than", "least", "most", "under", "over", "within", "beyond", "exceeding", "minimum", "maximum", "<", ">", "\u2264",
    "\u2265", "\u2260", "\u00b1", "\u2213", "max", "min", "before", "twice", "double", "triple",
}  # fmt: skip
_BOUNDS_AFTER = {"more", "less", "greater", "longer", "shorter", "further", "farther", "closer", "fewer", "above", "below"}
_BOUNDS_AFTER |= {"nearer", "later", "earlier", "not"}
# "2 m more", "2 m at most", "2 m +/- 0.5 m", "2 m or a bit more"
_OPEN = (_BOUNDS_AFTER - {"above", "below", "longer", "shorter", "not"}) | {
    "max",
    "maximum",
    "min",
    "minimum",
    "tops",
    "plus",
}
_OPEN |= {"+", "\u00b1"}
_BOUND_PAIRS = {
    ("to", "up"),
    ("=", "<"),
    ("=", ">"),
    ("=", "!"),
    ("-", "+"),
    ("-", "/"),
    ("/", "+"),
}  # a word, the one before
_LITTLE = {"a", "bit", "little", "even", "slightly", "much", "somewhat", "perhaps", "maybe", "possibly", "far"}
_NEAR = 4  # most tokens between a number and the "or" or "at most" that belongs to it


@dataclass(frozen=True)
class Figure:
    """Holds one number. value: None if it cannot be read; sign: "-", "+" or ""; start, end: its tokens."""

    value: float | None
    sign: str
    start: int
    end: int


@lru_cache(maxsize=8)
def figures_of(words: Words) -> list[Figure]:
    """Returns all numbers of a text in their order, except those inside names ("RT60", "x2")."""
    found, index = [], 0
    while index < len(words.tokens):
        value_end = _number(words, index)
        if value_end is None:
            index += 1
            continue
        value, end = value_end
        sign, start, usable = _sign(words, index)
        if usable:
            found.append(Figure(value, sign, start, end))
        index = end
    return found


def settled(words: Words, figures: list[Figure], position: int, end: int, signed: bool = False) -> bool:
    """Returns whether a number with its unit (up to token `end`) is one plain statement: no range, bound or denial; a sign
    only if `signed`."""
    figure = figures[position]
    return (
        figure.value is not None
        and (signed or not figure.sign)
        and not words.denied[figure.start]
        and not _in_range(words, figures, position, end)
        and not bound_before(words, figure.start)
        and not _open_after(words, end)
    )


def _in_range(words: Words, figures: list[Figure], position: int, end: int) -> bool:
    """Returns whether another bare number is tied to this one: "2 to 3 m", "2 or about 3 m", "2 m or 3", "2 m left, or
    3"."""
    index = before_hedges(words, figures[position].start)
    if position:
        other = figures[position - 1].end
        between = words.strings[other:index]
        if other == index or (len(between) == 1 and between[0] in _BETWEEN) or between in ([".", "."], [".", ".", "."]):
            return True
    following = bisect_left(figures, end, lo=position + 1, key=lambda figure: figure.start)
    if following >= len(figures):
        return False
    start = before_hedges(words, figures[following].start)
    if words.strings[end] in ("to", "or", "-", "/") and start == end + 1:
        return True
    return end < start <= end + _NEAR and words.strings[start - 1] in _OR


def _open_after(words: Words, end: int) -> bool:
    """Returns whether "at most", "or more", "plus", "further" and the like stand after a number and its unit (up to
    `end`)."""
    strings = words.strings
    if strings[end] in _OPEN or (strings[end] in _SIGN_WORDS and strings[end + 1] == "or"):
        return True
    after = end + (strings[end] == ",")
    if strings[after] == "or" and after + 1 < len(words.tokens):
        after += 1
        while strings[after] in _LITTLE:
            after += 1
        return strings[after] in _BOUNDS_AFTER
    for index in range(end, min(end + _NEAR, len(words.tokens))):
        if words.tokens[index].kind == "number" or strings[index] in (",", ";", ".", "|"):
            return False
        if (strings[index] == "at" and strings[index + 1] in ("most", "least")) or strings[index] in (
            "max",
            "maximum",
            "tops",
        ):
            return True
    return False


def bound_before(words: Words, index: int) -> bool:
    """Returns whether "less than", "at least", "up to" and the like stand before the number at `index`.

    "above" and "below" do not count: they are directions in most answers, as in "right, front, below 2 m".
    """
    index = before_hedges(words, index)
    before, earlier = words.before(index), words.strings[index - 2] if index > 1 else ""
    if before == "to" and earlier == "equal":
        return index > 2 and words.strings[index - 3] == "or"  # "less than or equal to"
    return before in _BOUNDS or (before, earlier) in _BOUND_PAIRS


def before_hedges(words: Words, index: int) -> int:
    """Returns the index of the token after the last one that is not "about", "roughly" and the like."""
    while index and words.strings[index - 1] in _ABOUT:
        index -= 1
    return index


def only(values: Iterable[float | None]) -> float | None:
    """Returns the value that all of them share; None if there is none, if they differ, or if one of them is None."""
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None


def _sign(words: Words, index: int) -> tuple[str, int, bool]:
    """Returns (sign, first token, whether it stands free) of a number; a hyphen after a word or number is no sign."""
    token = words.tokens[index]
    if words.before(index) in _SIGN_WORDS:
        return _SIGN_WORDS[words.before(index)], index - 1, True
    if token.kind != "number" or not words.touching(index):
        return "", index, True
    mark, text = words.strings[index - 1], words.text
    if mark in ("-", "+"):
        before = text[words.tokens[index - 1].start - 1 : words.tokens[index - 1].start]
        # "2-3" is a range, which `settled` detects; "az-3" keeps its sign, so that it stays unreadable
        return ("", index, True) if before.isdigit() else (mark, index - 1, True)
    before = text[token.start - 1]
    return "", index, not (before.isalnum() or before in "_.,:")


def _number(words: Words, index: int) -> tuple[float | None, int] | None:
    """Returns (value, next token) of the number that begins at a token; None if none does."""
    token, following = words.tokens[index], words.strings[index + 1]
    if token.kind == "number":
        if following == "/" and index + 2 < len(words.tokens) and words.tokens[index + 2].kind == "number":
            return _FRACTIONS.get((token.text, words.strings[index + 2])), index + 3
        value, end = _value_of(token.text), index + 1
        if value is not None and value.is_integer():
            return _with_part(words, value, end)
        return value, end
    if token.kind != "word":
        return None
    if token.text in _PARTS:
        return _PARTS[token.text], index + 1
    if token.text in ("a", "an"):
        if following in _PARTS:
            return _PARTS[following], index + 2
        return _words(words, index) if following == "hundred" else None
    return _words(words, index)


def _value_of(digits: str) -> float | None:
    if _COMMA.fullmatch(digits):
        digits = digits.replace(",", ".")
    value = float(digits) if _DIGITS.fullmatch(digits) else math.inf
    return value if math.isfinite(value) else None


def _words(words: Words, index: int) -> tuple[float, int] | None:
    """Returns a number in words that begins at `index`: up to 999, with "point five", "and a half" or "quarters"."""
    strings, found = words.strings, _below_hundred(words, index)
    if found is None and strings[index + 1] != "hundred":
        return None
    value, end = found or (1, index + 1)
    if strings[end] == "hundred" and 0 < value < 10:
        rest = _below_hundred(words, end + 2 if strings[end + 1] == "and" else end + 1)
        value, end = (100 * value + rest[0], rest[1]) if rest else (100 * value, end + 1)
    if strings[end] == "point":
        decimals = []
        while _ONES.get(strings[end + 1], 10) < 10:
            decimals.append(str(_ONES[strings[end + 1]]))
            end += 1
        return (float(f"{value}.{''.join(decimals)}"), end + 1) if decimals else (float(value), end)
    hyphen = end + (strings[end] == "-" and end < len(words.tokens))
    part = strings[hyphen] if hyphen < len(strings) else ""
    if part in _PARTS and value == 1:
        return _PARTS[part], hyphen + 1
    if part == "quarters" and value == 3:
        return 0.75, hyphen + 1
    return _with_part(words, float(value), end)


def _below_hundred(words: Words, index: int) -> tuple[int, int] | None:
    strings = words.strings
    first = strings[index] if index < len(strings) else ""
    if first in _ONES:
        return _ONES[first], index + 1
    if first not in _TENS:
        return None
    second = index + 1 + (strings[index + 1] == "-")
    ones = _ONES.get(strings[second], 0) if second < len(strings) else 0
    return (_TENS[first] + ones, second + 1) if 0 < ones < 10 else (_TENS[first], index + 1)


def _with_part(words: Words, value: float, end: int) -> tuple[float, int]:
    """Returns a whole number plus its fraction: "and a half", "and three quarters", "1/2", a decimal sign on its own."""
    part = part_at(words, end)
    if part:
        return value + part[0], part[1]
    strings = words.strings
    if end < len(words.tokens) and words.tokens[end].kind == "number":
        if strings[end].startswith("."):
            fraction = _value_of(strings[end])
            return (value + fraction, end + 1) if fraction in _PARTS.values() or fraction == 0.75 else (value, end)
        if strings[end + 1] == "/" and end + 2 < len(words.tokens):
            fraction = _FRACTIONS.get((strings[end], strings[end + 2]))
            return (value + fraction, end + 3) if fraction else (value, end)
    return value, end


def part_at(words: Words, index: int) -> tuple[float, int] | None:
    """Returns (part, next token) of "and a half", "and half", "and a quarter", "and three quarters" at a token."""
    strings = words.strings[index : index + 3]
    if strings[:1] != ["and"]:
        return None
    if strings[1:] == ["three", "quarters"]:
        return 0.75, index + 3
    skip = 2 if strings[1:2] in (["a"], ["one"]) else 1
    word = strings[skip] if skip < len(strings) else ""
    return (_PARTS[word], index + skip + 1) if word in _PARTS else None
