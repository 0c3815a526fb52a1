"""Fills a taught wording with what a question says."""

import re
from collections.abc import Sequence

from spatial_llm.questions.matching.facts import Sense
from spatial_llm.questions.matching.reading import Reading
from spatial_llm.questions.matching.spans import AXIS_OF
from spatial_llm.questions.taught import SOUNDS, TaughtQuestion

_NEARER = {"nearer": ("nearer", "closer"), "farther": ("farther", "further")}
_SIDE_WORD = re.compile(rf"\b(?:{'|'.join(AXIS_OF)})\b")
NOT_SAID = "..."


def filled(question: TaughtQuestion, sense: Sense) -> dict[str, str] | None:
    """Returns what the names in braces of a taught question stand for in a question of this meaning; None if the model was
    not taught it with these words, or if something that the question says would be lost."""
    if not set(sense.fill) <= question.slots:
        return None
    found = {}
    for name in question.slots:
        value = sense.fill.get(name)
        phrase = _only(question.words.get(name, ())) if value is None else _phrase(question.words.get(name), name, value)
        if phrase is None:
            return None
        found[name] = phrase
    return found


def any_fill(question: TaughtQuestion, reading: Reading) -> dict[str, str]:
    """Returns something for each name in braces: the sounds of a question in order, otherwise the first known phrase."""
    names = dict.fromkeys(question.slots, NOT_SAID)
    names |= {name: phrases[0] for name, phrases in question.words.items() if phrases}
    return names | {name: label for name, label in zip(SOUNDS, reading.labels, strict=False) if name in names}


def _only(phrases: Sequence[str]) -> str | None:
    return phrases[0] if len(phrases) == 1 else None


def _phrase(phrases: Sequence[str] | None, name: str, value: str) -> str | None:
    """Returns the phrase that training filled in for a value; sounds, places and numbers stand for themselves."""
    if phrases is None:
        return value
    if value in phrases:
        return value
    if name == "nearer":
        return next((phrase for phrase in _NEARER[value] if phrase in phrases), None)
    wanted = {side for side, axis in AXIS_OF.items() if value in (side, axis)}
    return next((phrase for phrase in phrases if set(_SIDE_WORD.findall(phrase)) == wanted), None) if wanted else None
