"""Directions of motion: phrases alone, and in sentences of language models."""

import pytest

from spatial_llm.answers import KINDS, parse_motion, read, write
from spatial_llm.answers.kinds.motion import DIRECTIONS
from spatial_llm.errors import SpatialLLMError


@pytest.mark.parametrize(
    ("text", "strict", "lenient"),
    [
        ("left to right", "left to right", "left to right"),
        ("Right to left.", "right to left", "right to left"),
        ("left-to-right", "left to right", "left to right"),
        ("Counterclockwise", "counter-clockwise", "counter-clockwise"),
        ("anti-clockwise", "counter-clockwise", "counter-clockwise"),
        ("It moves from left to right.", None, "left to right"),
        ("The dog passes from your right side to your left.", None, "right to left"),
        ("from the left over to the right", None, "left to right"),
        ("It goes clockwise around you.", None, "clockwise"),
        ("It circles you anticlockwise", None, "counter-clockwise"),
        ("The helicopter rises.", None, "up"),
        ("It is moving upwards", None, "up"),
        ("downwards", None, "down"),
        ("The car is coming towards you", None, "towards"),
        ("it approaches", None, "towards"),
        ("it comes closer", None, "towards"),
        ("It moves away from you.", None, "away"),
        ("it recedes", None, "away"),
        ("It does not move clockwise", None, None),
        ("clockwise or counter-clockwise", None, None),
        ("left to right, then right to left", None, None),
        ("up and then down", None, None),
        ("It is on the left", None, None),
        ("left", None, None),
        ("to the right", None, None),
        ("it moves up on the left", None, None),
        ("It stands still", None, None),
        ("not clockwise but counter-clockwise", None, None),
        ("back and forth", None, None),
        ("I cannot tell whether it moves up", None, None),
        ("", None, None),
    ],
)
def test_directions_of_motion(text, strict, lenient):
    assert (parse_motion(text), parse_motion(text, "lenient")) == (strict, lenient)


def test_what_is_written_and_what_the_mirror_image_does():
    kind = KINDS["motion"]
    for direction, opposite in DIRECTIONS.items():
        value = {"motion": direction}
        assert read("motion", write("motion", value)) == value
        mirrored = kind.mirror(value)["motion"]
        assert mirrored == (direction if direction in ("up", "down", "towards", "away") else opposite)
    for wrong in ("left", "anticlockwise", 3, None):
        with pytest.raises(SpatialLLMError, match="no value of kind 'motion'"):
            write("motion", {"motion": wrong})


def test_a_moment_is_a_time_of_the_recording():
    assert read("moment", "3.2 s") == {"time_s": 3.2} == read("moment", "at 3.2 seconds")
    assert read("moment", "after three seconds", "lenient") == {"time_s": 3.0}
    assert write("moment", {"time_s": 0.0}) == "0 s"
    assert read("moment", "1.2 to 3.4 s") is None
