"""Truths of recordings that are played backwards: those of the scene whose paths run backwards."""

import pytest

from spatial_llm.questions.reversing import reverse
from spatial_llm.questions.types import QUESTION_TYPES


@pytest.mark.parametrize(
    ("question_type", "value", "reversed_value"),
    [
        ("MOTION_SIDEWAYS", {"motion": "left to right"}, {"motion": "right to left"}),
        ("MOTION_AROUND", {"motion": "clockwise"}, {"motion": "counter-clockwise"}),
        ("MOTION_UPRIGHT", {"motion": "up"}, {"motion": "down"}),
        ("MOTION_RANGE", {"motion": "away"}, {"motion": "towards"}),
        ("LISTENER_TURN", {"left_right": "left"}, {"left_right": "right"}),
        ("MOVES", {"yes": True}, {"yes": True}),
        ("COUNT_MOVING", {"count": 2}, {"count": 2}),
        ("CLASSIFICATION", {"labels": ["dog"]}, {"labels": ["dog"]}),
        ("MOTION_START", {"left_right": "left", "front_behind": "front", "above_below": "above", "distance_m": 1.0}, None),
        ("WHEN_NEAREST", {"time_s": 1.0}, None),
    ],
)
def test_what_is_true_backwards(question_type, value, reversed_value):
    assert reverse(question_type, value) == reversed_value
    if reversed_value is not None:
        assert reverse(question_type, reversed_value) == value


def test_every_type_of_question_has_an_answer_or_none():
    assert {question_type for question_type in QUESTION_TYPES if question_type.startswith("MOTION")} >= {"MOTION_AROUND"}
    for question_type in QUESTION_TYPES:
        values = {"motion": "up", "left_right": "left", "yes": True, "count": 1}
        found = reverse(question_type, values)
        assert found is None or found == values or set(found) < set(values), question_type
