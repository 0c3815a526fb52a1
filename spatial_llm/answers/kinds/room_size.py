"""Parses and writes whether a room is small or large."""

from spatial_llm.answers.kind import keyed
from spatial_llm.answers.text.room_words import parse_room_word

_WORDS = ("small", "large")

KIND = keyed(
    "room_size",
    "room_size",
    lambda text, reading: parse_room_word(text, _WORDS, reading),
    lambda word: _WORDS[_WORDS.index(word)],  # raises on any other word
)
