"""Finds which question type a question belongs to, from its English text: the wordings of all families, read backwards.

For data from elsewhere, which come without a question type. Case, blanks, the mark at the end and the sentence about a
convention may differ. A question may have wordings in two families ("Where is the sound of the bell coming from?" is asked
of one of two sounds, and of a sound that may be absent); then both are returned.
"""

import functools
import re
from dataclasses import dataclass

from spatial_llm.answers import AXES
from spatial_llm.questions.families import FAMILIES
from spatial_llm.questions.families.rotated import TURNS_DEG
from spatial_llm.questions.family import Family
from spatial_llm.questions.wordings import RELATIONS, Wordings

_DIRECTIONS = ", ".join(f"(?:{'|'.join(words)})" for words in AXES.values())
_METERS = r"\d+(?:\.\d+)? meters?"
_LONGEST = 500  # characters; no wording filled in is as long, and the time to compare grows with the square
_SLOT = re.compile(r"\{(\w+)\}")
# What stands in each slot of a wording; names of sounds are any text.
_FILLED = {
    "side": r"(?:on the (?:left|right)(?: side)? of|on your (?:left|right)|(?:in front of|behind|above|below)(?: you)?)",
    "relation": f"(?:{'|'.join(RELATIONS.values())})",
    "either": r"(?:on the left or right of|in front of or behind|above or below)",
    "word": r"(?:the left|the right|the front|behind|above|below)",
    "other": r"(?:the left|the right|the front|behind|above|below)",
    "nearer": r"(?:nearer|closer|farther)",
    "turn": f"(?:{'|'.join(TURNS_DEG)})",
    "place": _DIRECTIONS,
    "distance": _METERS,
    "first": f"{_DIRECTIONS}, {_METERS} away",
    "second": f"{_DIRECTIONS}, {_METERS} away",
    "time": r"\d+(?:\.\d+)? s",
    "bands": r".*\d.*",
    "count": r"(?:two|three|four)",
}


@dataclass(frozen=True)
class Recognised:
    """Holds a question type that a question may belong to, and the words that fill the wording: x, the named sound, and
    others as `questions.families` names them."""

    question_type: str
    words: dict[str, str]


def recognise(question: str) -> list[Recognised]:
    """Returns the question types that have this question among their wordings; [] if none has. Where several have, the one
    that leaves the fewest letters to names of sounds comes first."""
    text = _plain(question)
    if len(text) > _LONGEST:
        return []
    matches = [(match.groupdict(), types) for pattern, types in _patterns() if (match := pattern.fullmatch(text))]
    matches.sort(key=lambda each: sum(len(each[0].get(name, "")) for name in ("x", "y")))
    found: dict[str, Recognised] = {}
    for words, types in matches:
        for name in types:
            side = _SIDE_OF.get(name)  # these types share their wordings
            if side is None or side == words["side"]:
                found.setdefault(name, Recognised(name, words))
    return list(found.values())


_SIDE_OF = {f"RELATION_{side.upper()}": words for side, words in RELATIONS.items()}


def types_of(family: Family, index: int) -> tuple[str, ...]:
    """Returns the question types that the wordings number `index` of a family belong to: each of its types has wordings of
    its own, in the order of `types`, or they share them."""
    types = tuple(family.types)
    return (types[index],) if len(types) == len(family.wordings) else types


@functools.cache
def _patterns() -> list[tuple[re.Pattern, tuple[str, ...]]]:
    """Returns each wording as a pattern with the question types that it belongs to."""
    return [
        (_pattern(text, wordings.convention), types_of(family, index))
        for family in FAMILIES
        for index, wordings in enumerate(family.wordings)
        for text in _texts(wordings)
    ]


def _texts(wordings: Wordings) -> tuple[str, ...]:
    return (*wordings.official, *wordings.both, *wordings.train, *wordings.eval, *wordings.extra)


def _pattern(text: str, convention: str) -> re.Pattern:
    parts = _SLOT.split(_plain(text))  # fixed words and names of slots in turn
    filled = (f"(?P<{part}>{_FILLED.get(part, '.+?')})" if odd % 2 else re.escape(part) for odd, part in enumerate(parts))
    after = f"(?:[?.!]? {re.escape(_plain(convention))})?" if convention else ""
    return re.compile("".join(filled) + after)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).rstrip("?.! ")
