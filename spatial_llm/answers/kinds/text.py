"""Reads and writes free text: the answer to a question of one's own, of which no more is known than that two answers may be
equal."""

import unicodedata
from collections.abc import Collection

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import Kind, Value

_AFTER = " .!?…,;:\"'”’»)]"
_BEFORE = " \"'“‘«(["  # not the point or the sign of a number


def plain_text(text: str) -> str:
    """Returns a text without what two equal answers may differ in: case, runs of blanks, and quotation marks, brackets and
    punctuation around it. A text of nothing but these stays as it is; "" is blank."""
    words = " ".join(unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold()).split())
    return words.rstrip(_AFTER).lstrip(_BEFORE) or words


def _read(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
    is_lenient(reading)  # both readings are the same; another word is an error
    found = plain_text(text)
    return {"text": found} if found else None


# Exchanging the ears may change what a text says, and how is not known; the family of the question says so.
KIND = Kind("text", _read, lambda value: value["text"])
