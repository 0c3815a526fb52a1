"""Parses and writes the direction in which something moves: "left to right", "clockwise", "up", "towards".

Clockwise and counter-clockwise are seen from above, and all directions are seen by the listener. The strict reading accepts
one of the phrases alone. The lenient reading finds the one direction of a sentence: "It moves from your left to your right",
"anticlockwise", "it is coming closer".
"""

import re

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import Value, keyed
from spatial_llm.answers.text.words import words_of

DIRECTIONS = {  # each with its opposite
    "left to right": "right to left",
    "right to left": "left to right",
    "clockwise": "counter-clockwise",
    "counter-clockwise": "clockwise",
    "up": "down",
    "down": "up",
    "towards": "away",
    "away": "towards",
}
MIRRORED = ("left to right", "right to left", "clockwise", "counter-clockwise")  # the mirror image moves the other way
_SPELLINGS = {
    "left-to-right": "left to right",
    "right-to-left": "right to left",
    "counterclockwise": "counter-clockwise",
    "anticlockwise": "counter-clockwise",
    "anti-clockwise": "counter-clockwise",
}
_SIDE = r"(?:(?:the|your|my|our) )?(?:far )?{}(?: hand)?(?: side)?(?: of (?:you|me|the listener))?"
_TO = r" (?:to|towards?|over to|across to|and (?:then )?to) "
# Patterns in a text of lower-case tokens with single spaces; earlier ones hide later ones in the same place.
_SAID = [
    ("left to right", rf"{_SIDE.format('left')}{_TO}{_SIDE.format('right')}"),
    ("right to left", rf"{_SIDE.format('right')}{_TO}{_SIDE.format('left')}"),
    ("counter-clockwise", r"counter ?-? ?clockwise|anti ?-? ?clockwise|counterclockwise|anticlockwise"),
    ("clockwise", r"clockwise"),
    ("away", r"away|recedes?|receding|(?:more distant|farther|further)(?: off| out)?|leaves|leaving"),
    ("towards", r"towards?(?: (?:you|me|us|the listener))?|approach(?:es|ing|ed)?|closer|nearer"),
    ("up", r"up(?:wards?)?|ris(?:es|ing|e)|ascend(?:s|ing)?|climb(?:s|ing)?"),
    ("down", r"down(?:wards?)?|fall(?:s|ing)?|descend(?:s|ing)?|sink(?:s|ing)?"),
]
_PATTERN = re.compile("|".join(rf"(?P<d{i}>(?<![\w-])(?:{pattern})(?![\w]))" for i, (_, pattern) in enumerate(_SAID)))
# Directions that a text gives besides, and words with which it commits to none.
_UNCLEAR = re.compile(r"(?<![\w])(?:or|either|neither|both|and back|then|left|right|forth|still|stationary|versus)(?![\w])")


def parse_motion(text: str, reading: Reading = "strict") -> str | None:
    """Returns the one direction of motion that a text states, a key of DIRECTIONS; None if there is none or several.

    Strict: a phrase alone. Lenient: also in a sentence, and by other words for it.
    """
    lenient = is_lenient(reading)
    line = " ".join(text.lower().split()).removesuffix(".")
    line = _SPELLINGS.get(line, line)
    return line if line in DIRECTIONS else _read(text) if lenient else None


def _read(text: str) -> str | None:
    words = words_of(text)
    token_at, at = {}, 0
    for index, token in enumerate(words.tokens):
        token_at[at] = index
        at += len(token.text) + 1
    line = " ".join(token.text for token in words.tokens)
    found = set()
    for match in _PATTERN.finditer(line):
        index = token_at.get(match.start())
        if index is None or words.denied[index]:
            return None
        found.add(_SAID[int(match.lastgroup[1:])][0])
    return found.pop() if len(found) == 1 and not _UNCLEAR.search(_PATTERN.sub(" ", line)) else None


def _format(direction: str) -> str:
    if direction not in DIRECTIONS:
        raise KeyError(direction)
    return direction


def _mirror(value: Value) -> Value:
    direction = value["motion"]
    return {"motion": DIRECTIONS[direction] if direction in MIRRORED else direction}


KIND = keyed("motion", "motion", parse_motion, _format, _mirror)
