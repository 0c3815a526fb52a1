"""All parsers under one signature, one question type of each kind, and the pieces of which odd answers are made."""

import random

from spatial_llm import answers
from spatial_llm.answers import AXES
from spatial_llm.questions.types import VALUE_KINDS, parse_value

READINGS = ("strict", "lenient")
TYPE_OF_KIND = {kind: question_type for question_type, kind in VALUE_KINDS.items()}
KNOWN = ("Male speech, man speaking", "Speech", "Bell", "Rain", "Dog", "Vehicle horn, car horn, honking")
CHOICES = ("left", "right", "front left", "A dog", "2 m")

PARSERS = {
    **{f"value of {kind}": lambda text, reading, q=q: parse_value(q, text, reading) for kind, q in TYPE_OF_KIND.items()},
    **{axis: lambda text, reading, axis=axis: answers.parse_axis(text, axis, reading) for axis in AXES},
    "directions": answers.parse_directions,
    "bearing": answers.parse_bearing,
    "known labels": lambda text, reading: answers.parse_labels(text, reading, KNOWN),
    "known order": lambda text, reading: answers.parse_order(text, reading, KNOWN),
    "caption": answers.parse_timed_caption,
    "known caption": lambda text, reading: answers.parse_timed_caption(text, reading, KNOWN),
    "choice": lambda text, reading: answers.parse_choice(text, CHOICES, reading),
    "refusal": lambda text, reading: answers.is_refusal(text),
}

WORDS = """left right front behind above below ahead rear back up down overhead beneath upper lower under on your the to
left-hand side in of from not isn't don't no neither or and but between about roughly than less more at least yes yeah nope
correct false that it is there I hear cannot tell unsure sound sounds source dog bell speech rain followed by then first
starts begins from until ends stops onset offset
answer option A B (b) C small large tiny dry echoey reverberant azimuth elevation az el clockwise
anticlockwise counter-clockwise towards away upwards closer""".split()  # noqa: SIM905
UNITS = "m metres meters cm km ft feet ' \" in inches yards s ms seconds min ° degrees deg o'clock oclock % hours".split()  # noqa: SIM905
NUMBERS = """0 1 2 2.5 2,5 1,500 3/4 1/2 0:03 1:02.5 12 90 -30 +5 \u22125 .5 1..5 1.2.3 two twelve twenty-one half quarter
a an one hundred point five \u00bd 2\u00bd""".split()  # noqa: SIM905
NUMBERS.append("9" * 400)
SIGNS = [*";,.:!?|-/()[]*~<>&+=_'\"", "\u2013", "\u2014", "\u2192", "\u2019", "\n", "\t", "  ", "\u00a0", "->"]
NOISE = [
    "\u0660",
    "\u0130",
    "\u00df",
    "\u017f",
    "\u212a",
    "\ud800",
    "\udfff",
    "\x00",
    "\U0001f3a7",
    "\u5de6",
    "\u0301",
    "\u200f",
    "\ufb01",
]
TRUE_ANSWERS = [
    "right, front, below; 2.5m", "left, behind, above; 10m", "Yes", "No", "left", "1.5m", "bell; speech", "-35 degrees",
    "2 o'clock", "3", "3.2 s", "1.2 to 3.4 s", "left to right", "counter-clockwise", "It moves from left to right.",
    "It starts at 500 ms and ends at 2 seconds.", "0.3 to 0.6 s", "below 0.3 s", "small", "reverberant", "There is no bell",
    "left, front, above; 2m | right, behind, below; 1m", "azimuth -30 degrees, elevation 10 degrees", "(B) right",
    "It is in front of you, on your left-hand side, about two and a half metres away.", "I cannot tell from the audio.",
    "I hear a dog barking and male speech, man speaking.", "30 degrees to the left, 10 degrees up", "5'10\"",
]  # fmt: skip


def odd_answer(rng: random.Random) -> str:
    """One answer text: a true one with a few changes, or pieces of the vocabulary with or without spaces."""
    if rng.random() < 0.4:
        text = rng.choice(TRUE_ANSWERS)
        for _ in range(rng.randrange(4)):
            at = rng.randrange(len(text) + 1)
            text = text[:at] + piece(rng) + text[at + rng.randrange(3) :]
        return text
    glue = rng.choice([" ", " ", " ", "", ", "])
    return glue.join(piece(rng) for _ in range(rng.randrange(1, 16)))


def piece(rng: random.Random) -> str:
    """A word, a number with or without a unit, a sign, or a character that few texts hold."""
    kind = rng.random()
    if kind < 0.45:
        return rng.choice(WORDS)
    if kind < 0.7:
        return rng.choice(NUMBERS) + rng.choice(["", " ", "-"]) + rng.choice(UNITS)
    if kind < 0.8:
        return rng.choice(NUMBERS)
    return rng.choice(SIGNS) if kind < 0.93 else rng.choice(NOISE)
