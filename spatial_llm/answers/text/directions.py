"""Finds directions in a sentence: synonyms of the six words, hours of the clock and degrees.

Note: each axis is read by itself, and all mentions on an axis must agree. A denied mention, two words of one axis, an angle
that disagrees, or "or" between two directions leave it unparsed. "right" as in "right in front of you" is no direction; in
"right behind" it may be one, so it counts as one.
"""

import re
from typing import NamedTuple

from spatial_llm.answers.axes import AXES, AXIS_OF_WORD
from spatial_llm.answers.text.amounts import clock_end, hour_of
from spatial_llm.answers.text.angles import Angles, angles_of
from spatial_llm.answers.text.words import Words, words_of
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
_NEAR = 4  # most tokens between "or" and the directions that it separates
_NO_OTHER = {"so", "thereabouts", "thereabout", "rather"}  # "on the left or so"


class Mention(NamedTuple):
    """Holds a direction word of the text: its axis, the word of AXES it stands for, its token, and whether it is denied."""

    axis: str
    word: str
    index: int
    denied: bool


def read_axes(text: str, found: dict[str, str | None]) -> dict[str, str | None]:
    """Returns the word of each axis in `found`, None where it is unparsed.

    found, here and below: the strict result, which is kept unless something in the text contradicts it.
    """
    stated = _stated(words_of(text))
    return {axis: _agreed(stated[axis], word) for axis, word in found.items()}


def read_direction_word(text: str, found: str | None = None) -> str | None:
    """Returns the only direction that the words of the text state, of any axis; None if there is none or several."""
    return _agreed({None if mention.denied else mention.word for mention in mentions_of(words_of(text))}, found)


def read_azimuth(text: str, found_deg: float | None = None) -> float | None:
    """Returns the one azimuth in degrees that the text gives by name or direction word, or by the only number of degrees."""
    words = words_of(text)
    angles = angles_of(words)
    given_deg = angles.azimuth_deg if found_deg is None else found_deg
    if given_deg is None and _is_lone(angles) and not any(m.axis != "front_behind" for m in mentions_of(words)):
        given_deg = angles.loose[0]  # the question determines which angle it is
    named_otherwise = angles.azimuth_deg is None and angles.elevation_deg is not None
    return None if named_otherwise or not _fit(words, angles, Angles(azimuth_deg=given_deg)) else given_deg


def read_elevation(text: str, found_deg: float | None = None) -> float | None:
    """Returns the one elevation in degrees, as `read_azimuth`."""
    words = words_of(text)
    angles = angles_of(words)
    given_deg = angles.elevation_deg if found_deg is None else found_deg
    if given_deg is None and _is_lone(angles) and abs(angles.loose[0]) <= 90 and not mentions_of(words):
        given_deg = angles.loose[0]
    named_otherwise = angles.elevation_deg is None and angles.azimuth_deg is not None
    return None if named_otherwise or not _fit(words, angles, Angles(elevation_deg=given_deg)) else given_deg


def read_bearing(text: str) -> tuple[float, float] | None:
    """Returns (azimuth_deg, elevation_deg) if the text gives both."""
    words = words_of(text)
    angles = angles_of(words)
    if angles.azimuth_deg is None or angles.elevation_deg is None or not _fit(words, angles, angles):
        return None
    return angles.azimuth_deg, angles.elevation_deg


def _agreed(stated: set[str | None], found: str | None) -> str | None:
    if found is not None:
        return found if stated <= {found} else None
    return next(iter(stated)) if len(stated) == 1 else None


def _stated(words: Words) -> dict[str, set[str | None]]:
    """Returns all statements of a text about each axis; None stands for one that is denied or left open."""
    mentions = mentions_of(words)
    stated: dict[str, set[str | None]] = {axis: set() for axis in AXES}
    for mention in mentions:
        stated[mention.axis].add(None if mention.denied else mention.word)
    for axis in _doubtful(words, mentions):
        stated[axis].add(None)
    for axis, word in _from_angles(words):
        stated[axis].add(word)
    return stated


def mentions_of(words: Words) -> list[Mention]:
    """Returns the direction words of a text in their order."""
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


def _is_lone(angles: Angles) -> bool:
    """Returns whether a text gives one number of degrees without naming the angle."""
    return len(angles.loose) == 1 and angles.azimuth_deg is None and angles.elevation_deg is None


def _fit(words: Words, angles: Angles, given: Angles) -> bool:
    """Returns whether the angles of a text are plain statements that no direction word contradicts."""
    sides = {axis: word for axis, word in _sides_of(given) if word}
    return angles.clear and all(
        not mention.denied and sides.get(mention.axis, mention.word) == mention.word for mention in mentions_of(words)
    )


def _is_direction(words: Words, index: int) -> bool:
    """Returns whether a synonym denotes a direction here, rather than another word of the same spelling."""
    string, following = words.strings[index], words.strings[index + 1]
    if string == "right":
        # "on the right, in front": a mark or the article shows that "right" is the place, not the adverb
        if words.before(index) in ("all", "am") or words.strings[max(index - 2, 0) : index] == ["you", "are"]:
            return False
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
        return not any(_NOT_OF_PLACE.match(near) for near in (*words.strings[max(index - 3, 0) : index], following))
    return True


def _over(words: Words, index: int) -> str | None:
    """Returns "above" for "over you", "over your head", "over the head"."""
    following, later = words.strings[index + 1], words.strings[index + 2 : index + 3]
    if following == "you" or (following in _OVER_YOU and later == ["head"]):
        return "above"
    return None


def _doubtful(words: Words, mentions: list[Mention]) -> set[str]:
    """Returns the axes of directions with "or" between them ("on the left or behind"), or with "or" and no other direction
    right after or before them ("left or somewhere else", "level or above")."""
    axes: set[str] = set()
    following = 0
    for index, string in enumerate(words.strings):
        if string not in ("or", "versus", "vs"):
            continue
        while following < len(mentions) and mentions[following].index < index:
            following += 1
        first = mentions[following - 1] if following else None
        last = mentions[following] if following < len(mentions) else None
        if first and last and index - first.index <= _NEAR + 1 and last.index - index <= _NEAR + 1:
            axes |= {first.axis, last.axis}
        elif first and first.index == index - 1 and words.strings[index + 1] not in _NO_OTHER:
            axes.add(first.axis)
        elif last and last.index == index + 1 and not words.before(index).isdigit():
            axes.add(last.axis)
    return axes


def _from_angles(words: Words) -> list[tuple[str, str | None]]:
    """Returns (axis, word) as the degrees and the hour imply; the word is None for an axis on whose border they lie."""
    stated = _sides_of(angles_of(words))
    hour = hour_of(words)
    if hour is not None:
        stated += _from_azimuth(azimuth_of_hour(hour))
    elif any(clock_end(words, index) for index in range(len(words.tokens))):
        stated += [("left_right", None), ("front_behind", None)]  # two hours, or a denied one
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
