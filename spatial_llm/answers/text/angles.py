"""Finds degrees in a sentence: "30 degrees to the left, 10 degrees up", "azimuth -30, elevation 10".

Note: the name or the direction word beside a number decides whether it is an azimuth or an elevation, never its place in the
text. Signs are those of the library: azimuth positive to the left, elevation positive upwards; a direction word takes the
place of the sign. Azimuths beyond 180 degrees are not wrapped, because texts count them in both senses.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from spatial_llm.answers.text.figures import Figure, before_hedges, figures_of, only, settled
from spatial_llm.answers.text.words import Words

_AZIMUTH_WORDS = {
    "left": 1, "leftward": 1, "leftwards": 1, "counterclockwise": 1, "anticlockwise": 1,
    "right": -1, "rightward": -1, "rightwards": -1, "clockwise": -1,
}  # fmt: skip
_ELEVATION_WORDS = {
    "up": 1, "upward": 1, "upwards": 1, "above": 1, "higher": 1,
    "down": -1, "downward": -1, "downwards": -1, "below": -1, "lower": -1, "under": -1, "beneath": -1,
}  # fmt: skip
_NAMES = {
    "azimuth": "azimuth", "az": "azimuth", "azi": "azimuth",
    "elevation": "elevation", "el": "elevation", "elev": "elevation", "ele": "elevation",
}  # fmt: skip
_UNITS = {"\u00b0", "deg", "degree", "degrees"}
_FORWARD = {"to", "toward", "towards", "on", "in", "at", "off", "the", "your", "listener", "is"}
_BACKWARD = {"by", "at", "(", ":", "is", "an", "angle", "of", "=", "the", "about", "approximately", "roughly", "around", "~"}


@dataclass(frozen=True)
class Angles:
    """Holds the degrees of a text. loose: numbers that are neither azimuth nor elevation; clear: no number is a range,
    denied or too large."""

    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    loose: tuple[float, ...] = ()
    clear: bool = True


def angles_of(words: Words) -> Angles:
    """Returns the azimuth and the elevation of a text; only `clear=False` if any of them is not a plain statement."""
    found: dict[str, list[float | None]] = {"azimuth": [], "elevation": [], "": []}
    for name, value in _mentions(words):
        found[name].append(value)
    azimuth_deg, elevation_deg = only(found["azimuth"]), only(found["elevation"])
    said_twice = (found["azimuth"] and azimuth_deg is None) or (found["elevation"] and elevation_deg is None)
    if said_twice or None in found[""]:
        return Angles(clear=False)
    return Angles(180.0 if azimuth_deg == -180 else azimuth_deg, elevation_deg, tuple(found[""]))


def _mentions(words: Words) -> Iterator[tuple[str, float | None]]:
    """Yields ("azimuth", "elevation" or "", signed degrees or None) of each number of degrees."""
    figures = figures_of(words)
    used = -1  # last token that already belongs to an angle
    for i, figure in enumerate(figures):
        end = _unit_end(words, figure.end)
        name, name_at = _name_of(words, figure, end, used)
        if end == figure.end and not name:
            continue
        value = figure.value if settled(words, figures, i, end, signed=True) else None
        after, after_at = _word_after(words, end)
        before, before_at = _word_before(words, figure.start, used)
        if (after and before and not name) or words.before(before_hedges(words, figure.start)) in ("above", "below"):
            value = None  # "left 30 degrees up 10 degrees", "elevation above 30 degrees"
        if {"either", "both"} & set(words.strings[end : end + 3]):
            value = None  # "30 degrees to either side"
        used = max(end - 1, name_at, after_at if after else before_at)
        yield _signed(figure, name, after or before, value)


def _signed(figure: Figure, name: str, word: str, value: float | None) -> tuple[str, float | None]:
    """Returns (name, degrees with the sign of the word or of the number); degrees are None if name, word and sign contradict
    each other."""
    sign_of = {"azimuth": _AZIMUTH_WORDS, "elevation": _ELEVATION_WORDS, "": {}}
    kind = "azimuth" if word in _AZIMUTH_WORDS else "elevation" if word else ""
    name = name or kind
    if value is None or (kind and kind != name) or (word and figure.sign):
        return name, None
    value *= sign_of[name].get(word, -1 if figure.sign == "-" else 1)
    return name, value + 0.0 if abs(value) <= (90 if name == "elevation" else 180) else None


def _unit_end(words: Words, index: int) -> int:
    """Returns the token after the unit at `index`, or `index` itself."""
    skip = 1 if words.strings[index] == "-" and words.touching(index) else 0
    unit = words.strings[index + skip] if index + skip < len(words.tokens) else ""
    return index + skip + 1 if unit in _UNITS else index


def _name_of(words: Words, figure: Figure, end: int, used: int) -> tuple[str, int]:
    """Returns ("azimuth", "elevation" or "", its token) of a number, from the words right before or right after it."""
    index = figure.start - 1
    while index > used and words.strings[index] in _BACKWARD:
        index -= 1
    if index > used and words.strings[index] in _NAMES:
        return _NAMES[words.strings[index]], index
    if end > figure.end:
        index = end + (words.strings[end] in ("of", "in"))
        following = words.strings[index]
        if following in _NAMES and words.strings[index + 1] not in ("is", ":", "=", "of"):
            return _NAMES[following], index
    return "", -1


def _word_after(words: Words, index: int) -> tuple[str, int]:
    """Returns the direction word after a number, skipping "to the", "towards your" and the like; ("", -1) if there is
    none."""
    last = min(index + 5, len(words.tokens))
    while index < last and words.strings[index] in _FORWARD:
        index += 1
    if words.strings[index] in ("counter", "anti"):
        index += 2 if words.strings[index + 1] == "-" else 1
        return ("counterclockwise", index) if words.strings[index : index + 1] == ["clockwise"] else ("", -1)
    return _sideways(words, index)


def _word_before(words: Words, index: int, used: int) -> tuple[str, int]:
    """Returns the direction word before a number, skipping "by", "at" and the like; ("", -1) if there is none."""
    index = before_hedges(words, index) - 1
    while index > used and words.strings[index] in _BACKWARD:
        index -= 1
    return _sideways(words, index) if index > used else ("", -1)


def _sideways(words: Words, index: int) -> tuple[str, int]:
    word = words.strings[index]
    return (word, index) if word in _AZIMUTH_WORDS or word in _ELEVATION_WORDS else ("", -1)
