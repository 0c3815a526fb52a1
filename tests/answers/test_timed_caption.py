"""Captions with times: what is written is read back exactly, sentences are read leniently, and what is no caption is not."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial_llm import answers
from spatial_llm.answers import AXES, format_timed_caption, parse_timed_caption
from spatial_llm.answers.kinds.timed_caption import PLACES
from spatial_llm.answers.text.sounds import name_of
from spatial_llm.errors import SpatialLLMError

TENTHS = st.integers(0, 864_000).map(lambda tenths: tenths / 10)
NAMES = ("bell", "male speech, man speaking", "back door", "dog", "vehicle horn, car horn, honking", "left hand", "3 bells")
WORDS = {axis: st.sampled_from(words) for axis, words in AXES.items()}
NUMBERS = {
    "azimuth_deg": st.floats(-180, 180, exclude_min=True).map(lambda value: value + 0.0),
    "elevation_deg": st.floats(-90, 90).map(lambda value: value + 0.0),
    "distance_m": st.floats(0, 1e4).map(lambda value: value + 0.0),
}


SAMPLED_NAMES = st.sampled_from(NAMES)


@st.composite
def one_event(draw, names=SAMPLED_NAMES):
    ends = sorted(draw(st.lists(TENTHS, min_size=2, max_size=2, unique=True)))
    event = {"label": draw(names), "onset_s": ends[0], "offset_s": draw(st.sampled_from([None, ends[1]]))}
    places = draw(st.lists(st.sampled_from(PLACES), unique=True))
    return event | {name: draw({**WORDS, **NUMBERS}[name]) for name in PLACES if name in places}


def captions(events):
    """Values of captions, with their events in the order in which they are read."""
    return st.lists(events, max_size=5).map(lambda found: {"events": parse_timed_caption(format_timed_caption(found))})


@settings(deadline=None)
@given(st.lists(one_event(), max_size=5))
def test_what_was_written_is_read_back_exactly(events):
    text = format_timed_caption(events)
    found = parse_timed_caption(text)
    assert sorted(map(repr, map(sorted, map(dict.items, found)))) == sorted(map(repr, map(sorted, map(dict.items, events))))
    assert format_timed_caption(found) == text
    assert parse_timed_caption(f" {text.upper()}.\n") == found
    assert answers.read("timed_caption", answers.write("timed_caption", {"events": found})) == {"events": found}
    assert parse_timed_caption(text, "lenient", NAMES) == found


@settings(deadline=None)
@given(one_event(st.text(min_size=1)))
def test_a_label_that_would_not_come_back_is_refused(event):
    try:
        text = format_timed_caption([event])
    except SpatialLLMError:
        return
    assert parse_timed_caption(text) == [event] and event["label"] == name_of(event["label"])


def test_the_written_form():
    events = [
        {"label": "bell", "onset_s": 3.0, "offset_s": None, "azimuth_deg": -35.0, "elevation_deg": 10.0},
        {"label": "dog", "onset_s": 1.1, "offset_s": 2.4, "left_right": "left", "front_behind": "front", "distance_m": 2.5},
    ]
    text = "1.1 to 2.4 s dog, left, front, 2.5m; 3.0 s bell, azimuth -35 degrees, elevation 10 degrees"
    assert format_timed_caption(events) == text
    assert (format_timed_caption([]), parse_timed_caption("No sound.")) == ("no sound", [])


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"onset_s": 1.05, "offset_s": 2.0}, "rounded to 0.1 s"),
        ({"onset_s": -1.0, "offset_s": 2.0}, "rounded to 0.1 s"),
        ({"onset_s": float("nan"), "offset_s": 2.0}, "rounded to 0.1 s"),
        ({"onset_s": 2.0, "offset_s": 2.0}, "not be read back"),
        ({"onset_s": 1.0, "offset_s": 2.0, "label": "bell; dog"}, "not be read back"),
        ({"onset_s": 1.0, "offset_s": 2.0, "label": "bell, left"}, "not be read back"),
        ({"onset_s": 1.0, "offset_s": 2.0, "label": "Bell"}, "not be read back"),
        ({"onset_s": 1.0, "offset_s": None, "label": "to 3 s bell"}, "not be read back"),
        ({"onset_s": 1.0, "offset_s": 2.0, "left_right": "up"}, "not be read back"),
        ({"onset_s": 1.0, "offset_s": 2.0, "azimuth_deg": 200.0}, "angle_deg"),
        ({"onset_s": 1.0, "offset_s": 2.0, "loud": True}, "give label, onset_s, offset_s, and any of"),
    ],
)
def test_what_cannot_be_written(event, words):
    with pytest.raises(SpatialLLMError, match=words):
        format_timed_caption([{"label": "bell", **event}])
    with pytest.raises(SpatialLLMError, match="give label"):
        format_timed_caption([{"onset_s": 1.0, "offset_s": 2.0}])


DOG = {"label": "dog", "onset_s": 1.1, "offset_s": None}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at 1.1 s dog", [DOG]),
        ("from 1.1 s to 2 seconds dog", [DOG | {"offset_s": 2.0}]),
        ("1.1 until 2 s, dog, right", [DOG | {"offset_s": 2.0, "left_right": "right"}]),
        ("1.1-2s: dog, 2 meters", [DOG | {"offset_s": 2.0, "distance_m": 2.0}]),
        ("2.0 s bell; 1.1 s dog", [DOG, {"label": "bell", "onset_s": 2.0, "offset_s": None}]),
        ("2.0 to 1.1 s dog", None),
        ("1.1 s dog at 3 s", None),
        ("1.1 s", None),
        ("dog", None),
        ("1.1 s dog; a bell", None),
        ("1.1 s dog;", None),
        ("1.1 s dog, left, right", None),
        ("1.1 m dog", None),
        ("", None),
    ],
)
def test_the_strict_reading(text, expected):
    assert parse_timed_caption(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.1 s a dog barks on the left; 2 to 3.5 s rain behind",
         [DOG | {"left_right": "left"}, {"label": "rain", "onset_s": 2.0, "offset_s": 3.5, "front_behind": "behind"}]),
        ("A dog barks on the left from 1.1 to 2.4 s.\n- rain at 3 s, 2 m away.",
         [DOG | {"offset_s": 2.4, "left_right": "left"},
          {"label": "rain", "onset_s": 3.0, "offset_s": None, "distance_m": 2.0}]),
        ("I hear a dog at 1.1 s. Then rain from 2.0 to 3.5 s.", [DOG, {"label": "rain", "onset_s": 2.0, "offset_s": 3.5}]),
        ("between 1.1 and 2.5 seconds a dog", [DOG | {"offset_s": 2.5}]),
        ("1.1 s a dog does not bark", None),
        ("there is no dog at 1.1 s", None),
        ("a dog for 2 s", None),
        ("the dog lasts 2 s", None),
        ("a dog from 1 to 2 s and a bell from 3 to 4 s", None),
        ("1.1 s a dog on the left, no, on the right", None),
        ("1.1 s a dog, then a bell", [DOG]),
        ("1.1 s a dog; later rain", None),
        ("I cannot tell.", None),
    ],
)  # fmt: skip
def test_the_lenient_reading_with_known_names(text, expected):
    assert parse_timed_caption(text, "lenient", ("Dog", "rain")) == expected


def test_without_known_names_the_words_before_the_place_are_the_name():
    (found,) = parse_timed_caption("1.1 s a dog barks on the left", "lenient")
    assert found == {"label": "dog barks", "onset_s": 1.1, "offset_s": None, "left_right": "left"}


def test_left_and_right_are_exchanged():
    text, mirrored = (
        "1.0 s dog, left, azimuth 30 degrees; 1.0 s dog, right",
        "1.0 s dog, left; 1.0 s dog, right, azimuth -30 degrees",
    )
    value = answers.KINDS["timed_caption"].mirror(answers.read("timed_caption", text))
    assert value == answers.read("timed_caption", mirrored)
    assert answers.KINDS["timed_caption"].mirror(value) == answers.read("timed_caption", text)
