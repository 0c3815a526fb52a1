"""What an answer does not commit to is not read: denials, alternatives, ranges and comparisons, for each kind of value.

Most phrasings are made by combination: a denial works the same way on a letter, a direction, an amount, a name and a yes.
"""

import pytest

from spatial_llm import answers
from spatial_llm.answers.kinds.span import parse_span
from spatial_llm.questions.types import parse_value
from tests.answers.vocabulary import KNOWN

CHOICES = ["left", "right", "front left", "a dog"]
ANIMALS = ["dog", "bell", "rain"]

JOINS = ["{} or {}", "either {} or {}", "{}, or {}", "{} or maybe {}", "{} vs {}", "{} and {}", "both {} and {}"]

# {} stands for a value; each text denies it or leaves it open
UNCOMMITTED = """not {}
it is not {}
definitely not {}
it can't be {}
It isn't {}.
I don't think it is {}
I do not believe that it's {}
anything but {}
It could be anything but {}.
everything but {}
everything except {}
all but {}
anything other than {}
I would rule out {}
I can rule out {}
{} can be ruled out
{} is ruled out
{} is wrong
{} is incorrect.
{} is false
{} is not correct
{} is not right
{} is not the answer
{} isn't it
{} is not true
{} is unlikely
{} seems wrong
{} sounds wrong to me
{} would be wrong
{} is the wrong answer
{} - wrong
{} (wrong)
{} (incorrect)
{}: wrong
{}; wrong
{}? No.
{}? No
{}, no
{}. No.
{}. That is wrong.
{}. That's not correct
{}, which is wrong
{}? I don't think so.
{}? Not really
{}? Hardly.
Is it {}? No.
Is it {}? I doubt it
Is it {}? It isn't.
wrong: {}
incorrect: {}
the wrong answer is {}
Incorrect answer: {}
it is false that it is {}
I doubt it is {}
I doubt that it's {}
hardly {}
neither {} nor anything else
impossible: it is never {}
it is unlikely {}
the opposite of {}
least likely {}
{} is less likely
I exclude {}
I would reject {}
{} is excluded
{} is impossible
no, not {}
nowhere near {}""".splitlines()

# {} commits in these
COMMITTED = """{}
{}.
 {}
**{}**
"{}"
`{}`
[{}]
({})
<{}>
<answer>{}</answer>
It is {}.
I think it is {}
it must be {}
It's {}, I think
No doubt, it is {}
No doubt it is {}
Without a doubt it is {}
Not sure. {}
Is it {}? Yes.
No. {}
Correct: {}
{} is correct
{} is not wrong
{}, but I am not sure""".splitlines()

READERS = {
    "choice by letter": (lambda text: answers.parse_choice(text, CHOICES, "lenient"), "B", 1),
    "choice by text": (lambda text: answers.parse_choice(text, CHOICES, "lenient"), "front left", 2),
    "choice of names": (lambda text: answers.parse_choice(text, ANIMALS, "lenient"), "bell", 1),
    "side": (lambda text: answers.parse_axis(text, "left_right", "lenient"), "left", "left"),
    "height": (lambda text: answers.parse_axis(text, "above_below", "lenient"), "overhead", "above"),
    "direction word": (lambda text: answers.parse_direction_word(text, "lenient"), "behind", "behind"),
    "distance": (lambda text: answers.parse_distance(text, "lenient"), "2 m", 2.0),
    "seconds": (lambda text: answers.parse_seconds(text, "lenient"), "3 seconds", 3.0),
    "span": (lambda text: parse_span(text, "lenient"), "1.2 to 3.4 s", (1.2, 3.4)),
    "motion": (lambda text: answers.parse_motion(text, "lenient"), "clockwise", "clockwise"),
    "motion sideways": (lambda text: answers.parse_motion(text, "lenient"), "left to right", "left to right"),
    "azimuth": (lambda text: answers.parse_azimuth(text, "lenient"), "35 degrees", 35.0),
    "elevation": (lambda text: answers.parse_elevation(text, "lenient"), "-20 degrees", -20.0),
    "clock": (lambda text: answers.parse_clock(text, "lenient"), "2 o'clock", 2),
    "count": (lambda text: answers.parse_count(text, "lenient"), "3", 3),
    "room": (lambda text: (parse_value("ROOM_SIZE", text, "lenient") or {}).get("room_size"), "small", "small"),
    "label": (lambda text: answers.parse_labels(text, "lenient", KNOWN), "a dog", ["dog"]),
}
STRICT = {
    "choice by letter": lambda text: answers.parse_choice(text, CHOICES),
    "side": lambda text: answers.parse_axis(text, "left_right"),
    "direction word": lambda text: answers.parse_direction_word(text),
    "distance": lambda text: answers.parse_distance(text),
    "seconds": lambda text: answers.parse_seconds(text),
    "span": lambda text: parse_span(text),
    "motion": lambda text: answers.parse_motion(text),
    "azimuth": lambda text: answers.parse_azimuth(text),
    "elevation": lambda text: answers.parse_elevation(text),
    "clock": lambda text: answers.parse_clock(text),
    "count": lambda text: answers.parse_count(text),
    "room": lambda text: parse_value("ROOM_SIZE", text),
}


@pytest.mark.parametrize("kind", READERS)
def test_what_is_denied_or_left_open_is_not_read(kind):
    read, value, _ = READERS[kind]
    assert {text: read(text.format(value)) for text in UNCOMMITTED if read(text.format(value)) is not None} == {}


@pytest.mark.parametrize("kind", STRICT)
def test_nor_by_the_strict_reading(kind):
    value = READERS[kind][1]
    found = {text: STRICT[kind](text.format(value)) for text in UNCOMMITTED}
    assert {text: read for text, read in found.items() if read is not None} == {}


@pytest.mark.parametrize("kind", READERS)
def test_what_is_stated_is_read(kind):
    read, value, expected = READERS[kind]
    # a sign before a number is one of its parts, and marks around a span or a list have readings of their own
    odd = {
        "label": (
            "Correct: {}", "{} is correct", "{} is not wrong", "{}, but I am not sure", "Not sure. {}", "No. {}",
            "No doubt, it is {}", "No doubt it is {}", "Without a doubt it is {}",
            "Is it {}? Yes.", "It's {}, I think", "<answer>{}</answer>", "I think it is {}",
            "it must be {}",
        ),
        "count": ("No. {}",),
        "room": ("No. {}", "No doubt, it is {}", "No doubt it is {}", "Without a doubt it is {}",
            "Not sure. {}", "{}, but I am not sure", "{} is not wrong"),
    }.get(kind, ())  # fmt: skip
    found = {text: read(text.format(value)) for text in COMMITTED if text not in odd}
    assert {text: got for text, got in found.items() if got != expected} == {}


@pytest.mark.parametrize("join", JOINS)
@pytest.mark.parametrize(
    ("read", "first", "second"),
    [
        (lambda text: answers.parse_choice(text, CHOICES, "lenient"), "A", "C"),
        (lambda text: answers.parse_choice(text, CHOICES, "lenient"), "B", "A"),
        (lambda text: answers.parse_choice(text, CHOICES, "lenient"), "(B)", "(C)"),
        (lambda text: answers.parse_choice(text, CHOICES, "lenient"), "<A>", "<B>"),
        (lambda text: answers.parse_choice(text, CHOICES, "lenient"), "option a", "b"),
        (lambda text: answers.parse_choice(text, CHOICES, "lenient"), "left", "right"),
        (lambda text: answers.parse_axis(text, "left_right", "lenient"), "left", "right"),
        (lambda text: answers.parse_axis(text, "front_behind", "lenient"), "ahead", "at the back"),
        (lambda text: answers.parse_axis(text, "above_below"), "above", "below"),
        (lambda text: answers.parse_distance(text, "lenient"), "2 m", "3 m"),
        (lambda text: answers.parse_distance(text, "lenient"), "two metres", "five metres"),
        (lambda text: answers.parse_azimuth(text, "lenient"), "30 degrees", "40 degrees"),
        (lambda text: answers.parse_clock(text, "lenient"), "2 o'clock", "3 o'clock"),
        (lambda text: answers.parse_count(text, "lenient"), "3", "4"),
        (lambda text: answers.parse_yes_no(text, "lenient"), "yes", "no"),
        (lambda text: answers.parse_yes_no(text, "lenient"), "no", "yes"),
    ],
)
def test_of_two_values_none_is_read(read, first, second, join):
    assert read(join.format(first, second)) is None


@pytest.mark.parametrize(
    "text",
    [
        "A/B", "A & B", "A, B", "between A and B", "A to C", "A - B", "Answer: A or B", "The answer could be A or C.",
        "B or something else", "B or not", "B or E", "A or none of them", "either B", "option a, b or c", "It's A or C",
        "B? No, C", "A? B? C?", "(A) left or (B) right", "a cat or a dog", "B does not fit", "B doesn't match the recording",
        "a dog can not be heard", "B is what I would not choose", "A is wrong, so B", "Eliminating A and B leaves C",
        "A. left is wrong", "A rather than B", "A instead of B", "A but not B", "B. Or C.", "neither A nor B",
    ],
)  # fmt: skip
def test_choices_that_name_no_single_option(text):
    assert answers.parse_choice(text, CHOICES, "lenient") is None


MARKS = ["<{}>", "({})", "[{}]", "{{{}}}", "**{}**", "{}.", "{}:", "{})", "'{}'", '"{}"', "`{}`", "$\\boxed{{{}}}$", "${}$"]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("lead", ["", "Answer: ", "The answer is ", "Final answer: ", "The correct option is "])
@pytest.mark.parametrize("letter", ["A", "B", "D"])
def test_a_letter_in_any_marks(lead, mark, letter):
    assert answers.parse_choice(lead + mark.format(letter), CHOICES, "lenient") == "ABCD".index(letter)


def test_a_letter_in_a_sentence():
    for text in ("option a", "Option A.", "A is correct", "I pick A", "<b>A</b>", "(A"):
        assert answers.parse_choice(text, CHOICES, "lenient") == 0, text
    for text in ("choice b", "I'd go with B", "<b>B</b>", "B: it is on the right", "B, but I am not sure", "B is not wrong"):
        assert answers.parse_choice(text, CHOICES, "lenient") == 1, text


def test_the_words_of_an_option_deny_nothing():
    for options in (["false", "true"], ["moving", "not moving"], ["no sound", "a sound"], ["left or right", "above"]):
        for index, option in enumerate(options):
            for text in (option, f"({'AB'[index]}) {option}", f"It is {option}."):
                assert answers.parse_choice(text, options, "lenient") == index


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("about 2 m", 2.0), ("2 m or so", 2.0), ("2 m, give or take", 2.0), ("almost 2 m", 2.0), ("exactly 2 m", 2.0),
        ("2 m away", 2.0), ("2 m above you", 2.0), ("2 m or more", None), ("2 m or a bit more", None), ("2 m at most", None),
        ("2 m at least", None), ("2 m max", None), ("2 m plus", None), ("2+ m", None), ("\u00b12 m", None),
        ("\u22602 m", None), ("2\u00b10.5 m", None),
        ("!= 2 m", None), ("<= 2 m", None), ("less than or equal to 2 m", None), ("2 m \u00b1 0.5 m", None),
        ("2 m plus or minus 0.5", None), ("2 ... 3 m", None), ("2 times 3 m", None), ("2 x 3 m", None), ("twice 2 m", None),
        ("half of 2 m", None), ("2 m more", None), ("2 m further", None), ("2 m nearer than the bell", None),
        ("minus 2 m", None), ("negative 2 m", None), ("2 m per second", None), ("2 m2", None), ("2 m left or 3", None),
        ("2 m, or 3", None), ("between 2 and 3 m", None), ("from 2 to 3 m", None), ("2-3 m", None), ("2 m - 3 m", None),
        ("no more than 2 m", None), ("not less than 2 m", None), ("within 2 m", None), ("up to 2 m", None),
        ("over 2 m", None),
    ],
)  # fmt: skip
def test_amounts(text, expected):
    assert answers.parse_distance(text, "lenient") == expected
    strict = answers.parse_distance(text)
    assert strict is None or strict == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("minus 35 degrees", -35.0), ("negative thirty degrees", -30.0), ("plus 35 degrees", 35.0), ("35 degrees", 35.0),
        ("\u00b135 degrees", None), ("+/- 35 degrees", None), ("35 degrees to either side", None),
        ("35 degrees left or 40", None),
        ("35\u00b0 \u00b1 5\u00b0", None), ("35 degrees plus or minus 5", None), ("35 degrees to the left or right", None),
        ("minus 35 degrees to the left", None), ("at most 35 degrees", None), ("35 degrees at most", None),
        ("not 35 degrees to the left", None), ("35 degrees or more to the left", None),
    ],
)  # fmt: skip
def test_angles(text, expected):
    assert answers.parse_azimuth(text, "lenient") == expected
    strict = answers.parse_azimuth(text)
    assert strict is None or strict == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes is wrong", None), ("no is wrong", None), ("no is incorrect", None), ("yes would be wrong", None),
        ("yes can be ruled out", None), ("anything but yes", None), ("the answer is anything but no", None),
        ("everything but yes", None), ("either yes or no", None), ("say yes or no", None), ("Could be yes or no", None),
        ("no or yes", None), ("neither yes nor no", None), ("yes/no", None), ("I can't say yes", None), ("not yes", None),
        ("I refuse to say no", None), ("It's hard to say yes", None), ("there is no reason to say yes", None),
        ("I cannot answer yes or no", None), ("yes and no", None), ("the opposite of yes", None), ("Yes. No.", None),
        ("yes is correct", True), ("I'd say yes", True), ("the answer is no", False), ("No, that is wrong", False),
        ("yes rather than no", True), ("It is not wrong", True),
    ],
)  # fmt: skip
def test_verdicts(text, expected):
    assert answers.parse_yes_no(text, "lenient") is expected


@pytest.mark.parametrize(
    ("question_type", "text", "expected"),
    [
        ("NEAREST", "the dog is nearer than the bell", None),
        ("NEAREST", "the dog is closer to you than the bell", None),
        ("NEAREST", "the bell is not nearer", None),
        ("NEAREST", "the bell is farther", None),
        ("NEAREST", "the dog is nearer", ["dog"]),
        ("NEAREST", "the dog rather than the bell", None),
        ("NEAREST", "the dog instead of the bell", None),
        ("FARTHEST", "the dog is nearer", None),
        ("FARTHEST", "the dog is farther away", ["dog"]),
        ("RELATION_LEFT", "the bell is on the right", None),
        ("RELATION_RIGHT", "the bell", ["bell"]),
        ("RELATION_BEHIND", "the bell is ahead", None),
        ("ONSET_FIRST", "the bell starts later", None),
        ("ONSET_FIRST", "the dog starts before the bell", None),
        ("ONSET_ORDER", "dog before bell", ["dog", "bell"]),
        ("CLASSIFICATION", "a dog, unlikely a bell", None),
        ("CLASSIFICATION", "a dog and a bell", ["bell", "dog"]),
    ],
)
def test_comparisons_of_sounds(question_type, text, expected):
    """A name that the text compares away, or says the opposite of, does not answer the question."""
    value = parse_value(question_type, text, "lenient", KNOWN)
    assert (None if value is None else next(iter(value.values()))) == expected


def test_directions_that_leave_an_axis_open():
    for text in ("left or somewhere else", "left or not", "above or level", "at or above ear level", "left or something"):
        for axis in ("left_right", "above_below"):
            assert answers.parse_axis(text, axis, "lenient") is None, text
    assert answers.parse_axis("on the left or so", "left_right", "lenient") == "left"
    assert answers.parse_axis("not only left but also in front", "left_right", "lenient") == "left"
    assert answers.parse_axis("All right, it is on the left", "left_right", "lenient") == "left"
    assert answers.parse_axis("The dog on the left is not loud", "left_right", "lenient") == "left"
    assert answers.parse_directions("far from you, on the left, ahead, overhead", "lenient") == ("left", "front", "above")
    assert answers.parse_direction_word("either in front or behind", "lenient") is None
    assert answers.parse_direction_word("either left or in front", "lenient") is None
