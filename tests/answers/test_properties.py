"""Both readings bring back what was written; synonyms keep a value, mirrored words mirror it, contradictions end it."""

import re
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spatial_llm import answers
from spatial_llm.answers import AXES, Location
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.types import format_value, parse_value
from tests.answers.test_strict import LOCATIONS, TYPE_OF_KIND, VALUES
from tests.answers.test_timed_caption import captions, one_event

SYNONYMS = {
    "left": ["to the left", "on your left-hand side", "leftwards"],
    "right": ["to the right", "on your right-hand side", "rightwards"],
    "front": ["in front of you", "ahead", "forward", "at the front"],
    "behind": ["at the back", "in the rear", "backwards", "behind you"],
    "above": ["up", "overhead", "higher", "upwards", "above you"],
    "below": ["down", "underneath", "beneath you", "lower", "under you"],
}
FACTORS = {"cm": 100, "centimetres": 100, "mm": 1000, "feet": 1 / 0.3048, "inches": 1 / 0.0254, "yards": 1 / 0.9144}
PLAIN_NAMES = st.lists(
    st.text("abcdefgh ,", min_size=1).map(lambda name: " ".join(name.split()).strip(", ")).filter(lambda n: len(n) > 2),
    min_size=1,
    unique=True,
)
PLAIN = {  # names that strict and lenient both read as names: no wording, no marks at their ends
    "labels": PLAIN_NAMES.map(lambda names: {"labels": sorted(names)}),
    "order": PLAIN_NAMES.map(lambda names: {"order": names}),
    "timed_caption": captions(one_event(st.sampled_from(["bell", "dog", "male speech, man speaking"]))),
    "location_or_absent": st.one_of(
        LOCATIONS.map(Location.to_dict), PLAIN_NAMES.map(lambda names: {"absent": names[0]})
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", sorted(TYPE_OF_KIND))
def test_what_was_written_is_read_back_in_both_readings(kind):
    @given(PLAIN.get(kind, VALUES[kind]))
    def round_trip(value):
        text = format_value(TYPE_OF_KIND[kind], value)
        for reading in ("strict", "lenient"):
            assert parse_value(TYPE_OF_KIND[kind], text, reading) == value
            assert parse_value(TYPE_OF_KIND[kind], f" {text}\n", reading) == value

    round_trip()


@given(st.floats(-180, 180, exclude_min=True), st.floats(-90, 90))
def test_bearings_are_read_back_in_both_readings(azimuth_deg, elevation_deg):
    text = answers.format_bearing(azimuth_deg, elevation_deg)
    for reading in ("strict", "lenient"):
        assert answers.parse_bearing(text, reading) == (azimuth_deg, elevation_deg)
        assert answers.parse_azimuth(text.split(",")[0], reading) == azimuth_deg


@given(LOCATIONS, st.data())
def test_synonyms_and_other_units_keep_the_value(location, data):
    phrases = data.draw(st.permutations([data.draw(st.sampled_from(SYNONYMS[word])) for word in location.words]))
    distance_m = round(location.distance_m % 50, 1)
    unit = data.draw(st.sampled_from(sorted(FACTORS)))
    text = f"It is {phrases[0]}, {phrases[1]} and {phrases[2]}, about {distance_m * FACTORS[unit]:.6f} {unit} away."
    found = answers.parse_location(text, "lenient")
    assert found.words == location.words
    assert found.distance_m == pytest.approx(distance_m, abs=1e-5)


def mirrored(text):
    return re.sub(r"left|right", lambda word: {"left": "right", "right": "left"}[word[0]], text)


@given(st.data())
def test_mirrored_words_give_mirrored_values(data):
    words = [
        data.draw(st.sampled_from([*chain(*SYNONYMS.values()), "not", "or", "and", "30 degrees", ";"])) for _ in range(5)
    ]
    text = ", ".join(words) if data.draw(st.booleans()) else " ".join(words)
    before, after = (answers.parse_axis(each, "left_right", "lenient") for each in (text, mirrored(text)))
    assert after == (None if before is None else mirrored(before))
    azimuth_deg, other_deg = (answers.parse_azimuth(each, "lenient") for each in (text, mirrored(text)))
    if "degrees to the" in text or "degrees left" in text or "degrees right" in text:
        assert other_deg == (None if azimuth_deg is None else -azimuth_deg)
    for axis in ("front_behind", "above_below"):
        assert answers.parse_axis(text, axis, "lenient") == answers.parse_axis(mirrored(text), axis, "lenient")


@given(LOCATIONS, st.data())
def test_a_second_contradicting_direction_ends_the_value(location, data):
    axis = data.draw(st.sampled_from(list(AXES)))
    word = dict(zip(AXES, location.words, strict=True))[axis]
    (opposite,) = set(AXES[axis]) - {word}
    text = f"{answers.format_location(location)}, {data.draw(st.sampled_from(SYNONYMS[opposite]))}"
    assert answers.parse_axis(text, axis, "lenient") is None
    assert answers.parse_location(text, "lenient") is None
    denied = f"It is not {data.draw(st.sampled_from(SYNONYMS[word]))}"
    assert answers.parse_axis(denied, axis, "lenient") is None


def test_angles_beyond_the_sphere_are_refused():
    with pytest.raises(SpatialLLMError, match="angle_deg"):
        answers.format_bearing(0, 91)
