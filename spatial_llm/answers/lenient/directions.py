"""Directions in a sentence: synonyms of the six words, hours of the clock and degrees.

Peculiar: each axis is read on its own. On an axis every mention must say the same; a denied mention, two words of one
axis, an angle that says otherwise, or "or" between two directions leave it unparsed. "right" as in "right in front of
you" is no direction; "right behind" may be one, so it counts as one.
"""

import re
from typing import NamedTuple

from spatial_llm.answers.axes import AXES, AXIS_OF_WORD
from spatial_llm.answers.lenient.amounts import clock_end, hour_of
from spatial_llm.answers.lenient.angles import Angles, angles_of
from spatial_llm.answers.lenient.words import Words, words_of
from spatial_llm.geometry import azimuth_of_hour

_SYNONYMS = {
    "left": ("left", "leftward", "leftwards", "lefthand", "leftmost"),
    "right": ("right", "rightward", "rightwards", "righthand", "rightmost"),
    "front": ("front", "ahead", "forward", "forwards", "frontal", "frontward", "frontwards"),
    "behind": ("behind", "back", "rear", "backward", "backwards", "rearward", "rearwards", "backside"),
    "above": ("above", "up", "upward", "upwards", "upper", "overhead", "higher", "top", "upstairs", "elevated"),
    "below": ("below", "down", "downward", "downwards", "lower", "under", "underneath", "beneath", "bottom", "downstairs"),
}
_WORD_OF = {synonym: word for word, synonyms in _SYNONYMS.items() for synonym in synonyms}
_NO_RIGHT = {"in", "ahead", "overhead", "next", "beside", "here", "there", "now", "away", "around", "at", "near"}
_BEFORE_RIGHT = {"the", "your", "to", "on", "from", "and", "-"}
_NO_UP = {"to", "ahead", "close", "front", "the", "until"}
_NOT_OF_PLACE = re.compile(r"pitch|frequenc|volume|level|tone|note|quality|octave|register|than$")
_OVER_YOU = {"you", "your", "the"}
_NEAR = 4  # tokens between "or" and the directions that it separates


class Mention(NamedTuple):
    """A direction word of the text: its axis, the word of AXES it stands for, its token, and whether it is denied."""

    axis: str
    word: str
    index: int
    denied: bool


def read_direction_word(text: str) -> str | None:
    """The only direction that the words of the text state, of any axis; None if there is none or several."""
    words = words_of(text)
    mentions = mentions_of(words)
    found = {mention.word for mention in mentions}
    return found.pop() if len(found) == 1 and not any(mention.denied for mention in mentions) else None


def read_azimuth(text: str) -> float | None:
    """The one azimuth in degrees that the text gives by name or direction word, or by the only number of degrees."""
    return _read_angle(text, "azimuth_deg")


def read_elevation(text: str) -> float | None:
    """The one elevation in degrees, as `read_azimuth`."""
    return _read_angle(text, "elevation_deg")


def read_bearing(text: str) -> tuple[float, float] | None:
    """(azimuth_deg, elevation_deg) where the text gives both."""
    words = words_of(text)
    angles = _angles_that_fit(words)
    if angles is None or angles.azimuth_deg is None or angles.elevation_deg is None:
        return None
    return angles.azimuth_deg, angles.elevation_deg


def axes_of(text: str) -> dict[str, str | None]:
    """The word of each axis, None where it is unparsed."""
    words = words_of(text)
    mentions = mentions_of(words)
    stated: dict[str, set[str | None]] = {axis: set() for axis in AXES}
    for mention in mentions:
        stated[mention.axis].add(None if mention.denied else mention.word)
    for axis in _doubtful(words, mentions):
        stated[axis].add(None)
    for axis, word in _from_angles(words):
        stated[axis].add(word)
    return {axis: next(iter(found)) if len(found) == 1 else None for axis, found in stated.items()}


def mentions_of(words: Words) -> list[Mention]:
    """The direction words of a text in their order."""
    found = []
    for index, string in enumerate(words.strings[:-1]):
        word = _WORD_OF.get(string) if _is_direction(words, index) else None
        if string == "over":
            word = _over(words, index)
        elif string == "high" or string == "low":  # "2 o'clock high"
            word = {"high": "above", "low": "below"}[string] if index and words.before(index).endswith("clock") else None
        if word:
            found.append(Mention(AXIS_OF_WORD[word], word, index, words.denied[index]))
    return found


def _read_angle(text: str, name: str) -> float | None:
    words = words_of(text)
    angles = _angles_that_fit(words)
    if angles is None:
        return None
    value = getattr(angles, name)
    if value is None and angles == Angles(loose=angles.loose[:1]) and angles.loose and not mentions_of(words):
        value = angles.loose[0]  # the question says which angle it is
        return value if abs(value) <= (90 if name == "elevation_deg" else 180) else None
    return value


def _angles_that_fit(words: Words) -> Angles | None:
    """The angles of a text unless one is no plain statement, or a direction word says otherwise."""
    angles = angles_of(words)
    sides = {axis: word for axis, word in _sides_of(angles) if word}
    fit = all(not mention.denied and sides.get(mention.axis, mention.word) == mention.word for mention in mentions_of(words))
    return angles if angles.clear and fit else None


def _is_direction(words: Words, index: int) -> bool:
    """Whether a synonym is used for a place here, not as another word of the same letters."""
    string, following = words.strings[index], words.strings[index + 1]
    if string == "right":
        # "on the right, in front": a mark or the article tells the place from the adverb
        return following not in _NO_RIGHT or words.before(index) in _BEFORE_RIGHT or words.before(index) in _WORD_OF
    if string == "up":
        return following not in _NO_UP
    if string == "down":
        return following != "the"
    if string == "under":
        return not (index + 1 < len(words.tokens) and words.tokens[index + 1].kind == "number")
    if string == "back":
        return words.strings[index + 1 : index + 3] != ["and", "forth"]
    if string in ("lower", "higher", "upper", "top", "bottom"):
        return not _NOT_OF_PLACE.match(following)
    return True


def _over(words: Words, index: int) -> str | None:
    """ "above" for "over you", "over your head", "over the head"."""
    following, later = words.strings[index + 1], words.strings[index + 2 : index + 3]
    if following == "you" or (following in _OVER_YOU and later == ["head"]):
        return "above"
    return None


def _doubtful(words: Words, mentions: list[Mention]) -> set[str]:
    """The axes of directions with "or" between them: "on the left or behind"."""
    axes: set[str] = set()
    following = 0
    for index, string in enumerate(words.strings):
        if string not in ("or", "versus", "vs"):
            continue
        while following < len(mentions) and mentions[following].index < index:
            following += 1
        if 0 < following < len(mentions):
            first, last = mentions[following - 1], mentions[following]
            if index - first.index <= _NEAR + 1 and last.index - index <= _NEAR + 1:
                axes |= {first.axis, last.axis}
    return axes


def _from_angles(words: Words) -> list[tuple[str, str | None]]:
    """(axis, word) of what the degrees and the hour say; None for an axis on whose border they lie."""
    stated = _sides_of(angles_of(words))
    hour = hour_of(words)
    if hour is not None:
        stated += _from_azimuth(azimuth_of_hour(hour))
    elif any(clock_end(words, index) for index in range(len(words.tokens))):
        stated += [("left_right", None), ("front_behind", None)]  # two hours, or one that is denied
    return stated


def _sides_of(angles: Angles) -> list[tuple[str, str | None]]:
    stated = [] if angles.azimuth_deg is None else _from_azimuth(angles.azimuth_deg)
    if angles.elevation_deg is not None:
        word = None if angles.elevation_deg == 0 else "above" if angles.elevation_deg > 0 else "below"
        stated.append(("above_below", word))
    return stated


def _from_azimuth(azimuth_deg: float) -> list[tuple[str, str | None]]:
    side = None if azimuth_deg in (0, 180) else "left" if azimuth_deg > 0 else "right"
    depth = None if abs(azimuth_deg) == 90 else "front" if abs(azimuth_deg) < 90 else "behind"
    return [("left_right", side), ("front_behind", depth)]
