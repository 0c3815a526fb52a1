"""Parses and writes whether a room is dry or reverberant."""

from spatial_llm.answers.kind import keyed
from spatial_llm.answers.text.room_words import parse_room_word

_WORDS = ("dry", "reverberant")

KIND = keyed(
    "reverberation",
    "reverberation",
    lambda text, reading: parse_room_word(text, _WORDS, reading),
    lambda word: _WORDS[_WORDS.index(word)],  # raises on any other word
)
