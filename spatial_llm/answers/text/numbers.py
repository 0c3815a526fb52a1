"""Parses numbers in the strict reading, and writes numbers.

Note: the number must be the only one of the text, and directly before its unit. Angles have the library's signs (azimuth
positive to the left, elevation positive upwards); a direction word takes the place of the sign, and a text with both is
unparsed.
"""

import math
import re
from decimal import Decimal
from itertools import islice

from spatial_llm.answers.axes import AXIS_OF_WORD

PLAIN = re.compile(r"[-+]?[0-9]+(?:\.[0-9]+)?")
_NUMBER = re.compile(r"[-+\u2212]?[0-9]+(?:[.,][0-9]+)*")
_WORD = re.compile(r"\w+")
_DEGREES = re.compile(r"\s*(?:°|deg(?:rees?)?(?!\w))")
_SIGN_WORD = re.compile(r"(?:minus|negative|plus|positive)\s*\Z")
_COUNT_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
)  # fmt: skip
_DIRECTION_WORDS = {*AXIS_OF_WORD, "up", "down"}


def format_number(value: float) -> str:
    """Returns a number without exponent and without trailing zeros: "2.5", "2", "-0.25"; zero has no sign."""
    text = format(Decimal(repr(float(value) + 0.0)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def angle(text: str, sign_of: dict[str, float], most: float) -> float | None:
    """Returns the only angle of the text, in degrees up to `most`; a word of `sign_of` beside it gives its sign."""
    found = one_number(text)
    words = [word for word in _WORD.findall(text.lower()) if word in _DIRECTION_WORDS]
    if found is None or not _DEGREES.match(found[1]) or abs(found[0]) > most:
        return None
    value, _, signed = found
    if words:
        return value * sign_of[words[0]] if len(words) == 1 and words[0] in sign_of and not signed else None
    return value


def one_number(text: str) -> tuple[float, str, bool] | None:
    """Returns (value, what follows, has a sign) of the only number of the text; None if it is not plain, or part of a
    name."""
    text = text.lower()
    matches = list(islice(_NUMBER.finditer(text), 2))
    if len(matches) != 1:
        return None
    number = matches[0][0].replace("\u2212", "-")
    before, value = text[matches[0].start() - 1 : matches[0].start()], PLAIN.fullmatch(number) and float(number)
    if value is None or not math.isfinite(value) or re.match(r"[\w.,+\u00b1]", before):
        return None
    if _SIGN_WORD.search(text, 0, matches[0].start()):
        return None
    return value + 0.0, text[matches[0].end() :], number[0] in "-+"


def one_integer(text: str) -> tuple[int, str] | None:
    """Returns (value, what follows) of the only whole number of the text, in digits or as a word."""
    text = text.lower()
    words = [match for match in _WORD.finditer(text) if match[0] in _COUNT_WORDS]
    if len(words) == 1 and not _NUMBER.search(text):
        return _COUNT_WORDS.index(words[0][0]), text[words[0].end() :]
    found = one_number(text)
    if words or found is None or found[2] or not found[0].is_integer() or found[0] >= 1e9 or re.match(r"\w", found[1]):
        return None
    return int(found[0]), found[1]
