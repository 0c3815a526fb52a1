"""Multiple choice: letters, texts, and both at once."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial_llm import answers
from spatial_llm.errors import SpatialLLMError

CHOICES = ["left", "right", "front left", "a dog"]
WORDS = st.lists(st.text(string.ascii_lowercase, min_size=2, max_size=8), min_size=2, max_size=6, unique=True)


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("B", 1, 1),
        ("b.", 1, 1),
        ("A", 0, 0),
        ("Right!", 1, 1),
        ("front  LEFT", 2, 2),
        ("(b)", None, 1),
        ("B)", None, 1),
        ("**C**", None, 2),
        ("Answer: B", None, 1),
        ("The correct answer is option C.", None, 2),
        ("I choose A.", None, 0),
        ("B) right", None, 1),
        ("B: it is on the right", None, 1),
        ("The sound is at the front left.", None, 2),
        ("The answer is a dog", None, 3),
        ("a cat", None, None),  # an article is no letter
        ("B) left", None, None),  # they disagree
        ("B or C", None, None),
        ("left, not right", None, None),
        ("not B", None, None),
        ("It is not on the left", None, None),
        ("E", None, None),
        ("Answer: E", None, None),
        ("I cannot tell", None, None),
        ("", None, None),
    ],
)
def test_choices(text, strict, lenient):
    assert (answers.parse_choice(text, CHOICES), answers.parse_choice(text, CHOICES, "lenient")) == (strict, lenient)


def test_options_that_carry_their_letter():
    choices = ["(A) left", "(B) right", "C. C major"]
    for text, index in (("B", 1), ("right.", 1), ("(B) right", 1), ("C major", 2), ("c. c major", 2)):
        assert answers.parse_choice(text, choices) == answers.parse_choice(text, choices, "lenient") == index
    assert answers.parse_choice("It is in C major", choices, "lenient") == 2


def test_options_of_one_text_cannot_be_told_apart_by_it():
    assert answers.parse_choice("left", ["left", "Left."]) is None
    assert answers.parse_choice("on the left", ["left", "Left."], "lenient") is None
    assert answers.parse_choice("B", ["left", "Left."]) == 1


@given(WORDS, st.data())
def test_each_option_is_found_by_letter_and_by_text(choices, data):
    index = data.draw(st.integers(0, len(choices) - 1))
    letter = string.ascii_uppercase[index]
    for reading in ("strict", "lenient"):
        assert answers.parse_choice(letter, choices, reading) == index
        assert answers.parse_choice(f" {choices[index].upper()}. ", choices, reading) == index
    for text in (f"({letter})", f"Answer: {letter}", f"({letter}) {choices[index]}"):
        assert answers.parse_choice(text, choices, "lenient") == index
    other = choices[index - 1]
    assert answers.parse_choice(f"({letter}) {other}", choices, "lenient") is None


def test_too_few_and_too_many_options_are_refused():
    for choices in ([], ["x"] * 27):
        with pytest.raises(SpatialLLMError, match="choices"):
            answers.parse_choice("A", choices)
