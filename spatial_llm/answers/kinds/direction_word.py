"""Parses and writes the word of one axis: {"left_right": "left"}, written "left"."""

import re
from collections.abc import Collection

from spatial_llm.answers.axes import AXES, AXIS_OF_WORD, Reading, is_lenient, mirror_words
from spatial_llm.answers.kind import Kind, Value
from spatial_llm.answers.text import directions

_WORD = re.compile(r"\w+")


def parse_direction_word(text: str, reading: Reading = "strict") -> str | None:
    """Returns the only direction word of the text, of any axis ("left"), or None if there is none or several.

    Lenient: also synonyms, and the same direction given twice.
    """
    lenient = is_lenient(reading)
    found = [word for word in _WORD.findall(text.lower()) if word in AXIS_OF_WORD]
    word = found[0] if len(found) == 1 else None
    return directions.read_direction_word(text, word) if lenient or word else None


def _read(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
    word = parse_direction_word(text, reading)
    return None if word is None else {AXIS_OF_WORD[word]: word}


def _format(value: Value) -> str:
    ((axis, word),) = value.items()
    return AXES[axis][AXES[axis].index(word)]  # raises on the word of another axis


KIND = Kind("direction_word", _read, _format, mirror_words)
