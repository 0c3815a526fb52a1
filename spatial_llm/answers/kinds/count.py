"""Parses and writes a number of sounds: "3"."""

import re
from itertools import pairwise

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import keyed
from spatial_llm.answers.text.amounts import UNITS, whole
from spatial_llm.answers.text.figures import Figure, figures_of, settled
from spatial_llm.answers.text.numbers import one_integer
from spatial_llm.answers.text.words import Words, words_of
from spatial_llm.errors import SpatialLLMError

_COUNTED = re.compile(
    r"(?:sound|source|event|class|kind|type|instrument|voice|object|categor|item|thing|signal)(?:s|es|y|ies)?"
)
_ADJECTIVES = {"different", "distinct", "separate", "unique", "individual", "audible", "audio", "acoustic", "main", "sound"}
_VAGUE = {"couple", "few", "several", "some", "many", "dozen", "dozens", "pair", "multiple", "various", "numerous", "other"}
_VAGUE |= {"additional", "more", "another"}


def format_count(count: int) -> str:
    """Returns a count as "3". Raises SpatialLLMError if it is negative."""
    if count < 0:
        raise SpatialLLMError(f"count is {count}; give 0 or more.")
    return str(count)


def parse_count(text: str, reading: Reading = "strict") -> int | None:
    """Returns the one whole number of the text, in digits or as a word up to twelve: "3", "There are three sounds.".

    Lenient: larger numbers in words, "no sounds", "a single sound", and a number of sounds beside other numbers.
    """
    lenient = is_lenient(reading)
    found = one_integer(text)
    count = None if found is None else found[0]
    return _read_count(text, count) if lenient or count is not None else None


def _read_count(text: str, found: int | None = None) -> int | None:
    """Returns the one whole number of the text that has no unit. A number before "sounds" and the like outweighs others.

    found: the strict result, which is kept unless the text contradicts it.
    """
    words = words_of(text)
    figures = figures_of(words)
    if found is None and (not figures or _VAGUE & set(words.strings)):
        return None if figures else _none_or_one(words)
    free = [i for i, figure in enumerate(figures) if words.strings[figure.end] not in UNITS]
    if any("or" in words.strings[figures[i].end : figures[j].start] for i, j in pairwise(free)):
        return None  # "3 sounds, or 4"
    counted = [i for i in free if _counts_sounds(words, figures[i].end)]
    return whole([_counted(words, figures, i) for i in counted or free], range(10**9), found)


def _counts_sounds(words: Words, index: int) -> bool:
    """Returns whether "sounds", "different sound sources" and the like follow."""
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


KIND = keyed("count", "count", parse_count, format_count)
