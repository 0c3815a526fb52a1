"""Parses the words for a room: small or large, dry or reverberant."""

import re

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.text.words import words_of

_WORD = re.compile(r"\w+")
_NEGATED = {"not", "no", "neither", "nor", "t"}  # t: of "isn't"
_ROOM_WORDS = {
    "small": "small", "tiny": "small", "compact": "small", "smallish": "small",
    "large": "large", "big": "large", "huge": "large", "spacious": "large", "vast": "large",
    "dry": "dry", "anechoic": "dry",
    "reverberant": "reverberant", "echoey": "reverberant", "echoing": "reverberant", "echoic": "reverberant",
    "reverberating": "reverberant",
}  # fmt: skip
_IN_BETWEEN = {"medium", "moderate", "moderately", "average", "mid", "neither", "not", "no", "non", "nor", "hardly"}


def parse_room_word(text: str, words: tuple[str, ...], reading: Reading) -> str | None:
    """Returns the word of `words` that the text states: exactly one of them occurs, once, and is not denied. Lenient: also
    by a synonym."""
    lenient = is_lenient(reading)
    tokens = _WORD.findall(text.lower())
    found = [token for token in tokens if token in words]
    word = found[0] if len(found) == 1 and not _NEGATED & set(tokens) else None
    return _read_room_word(text, words, word) if lenient or word else None


def _read_room_word(text: str, words: tuple[str, ...], stated: str | None) -> str | None:
    """Returns the room word that the text states by itself or by a synonym; None if there is none, several or a denied one.

    stated: the strict result; the value cannot be any other word then.
    """
    spoken = words_of(text)
    strings = spoken.strings
    if any(denied and string in _ROOM_WORDS for string, denied in zip(strings, spoken.denied, strict=True)):
        return None
    if any(strings[i : i + 2] == ["far", "from"] and strings[i + 2] in _ROOM_WORDS for i in range(len(strings) - 2)):
        return None
    found = {_ROOM_WORDS[string] for string in strings if string in _ROOM_WORDS} & set(words) | ({stated} - {None})
    return found.pop() if len(found) == 1 and not _IN_BETWEEN & set(strings) else None
