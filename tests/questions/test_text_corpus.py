"""Text-only examples: repeatable, of all types, true to their scene."""

import hashlib
import json
import re
from collections import Counter

import pytest

from spatial_llm.errors import SceneError
from spatial_llm.questions import QuestionConfig, text_examples
from spatial_llm.questions.types import QUESTION_TYPES, parse_value
from tests.questions.moving_scenes import MOTION_TYPES, MOVING
from tests.questions.scenes import EVERY, WRITTEN

LABELS = ["bell", "rain", "waves, surf", "walk, footsteps"]


def test_examples():
    examples = text_examples(LABELS, 1500, seed=4)
    assert examples == text_examples(reversed(LABELS), 1500, seed=4) and len(examples) == 1500
    assert examples != text_examples(LABELS, 1500, seed=5)
    counts = Counter(example["question_type"] for example in examples)
    assert set(counts) == {name for name, kind in QUESTION_TYPES.items() if kind in "ABCDE"} and min(counts.values()) > 40
    for example in examples:
        assert set(example) == {"scene", "question", "answer", "type", "question_type"}
        assert parse_value(example["question_type"], example["answer"]) is not None
        if example["type"] in "BD":  # the answer stands in the scene, behind the name of what was asked for
            named = [
                part
                for part in example["scene"].split(" | ")
                if example["type"] == "B" or f" {part.split(':')[0]} " in example["question"].replace("?", " ")
            ]
            assert example["answer"] in [part.split(": ")[1] for part in named]
        elif example["type"] in "AC":
            assert f"{example['answer']}: " in example["scene"]


def test_types_a_to_e_are_what_they_were_before_other_families_came():
    text = json.dumps(text_examples(LABELS, 1500, seed=4))
    assert hashlib.sha256(text.encode()).hexdigest().startswith("c99c6adf19e7d185")


def test_our_families_in_words():
    labels = [*LABELS, "bark", "siren"]
    config = QuestionConfig(ask=EVERY, limit=14)
    examples = text_examples(labels, 6000, seed=4, config=config)
    assert examples == text_examples(labels, 6000, seed=4, config=config)
    assert {example["question_type"] for example in examples} == WRITTEN
    for example in examples:  # what is asked for stands in the words
        parts = {part.split(": ")[0]: part.split(": ")[1] for part in example["scene"].split(" | ")}
        if example["question_type"] == "AZIMUTH_DEG":
            (named,) = [label for label in labels if f" {label}" in example["question"]]
            assert f"azimuth {example['answer'].removesuffix(' degrees')}," in parts[named]
        elif example["question_type"] == "COUNT_CLASSES":
            assert int(example["answer"]) == len(parts) - 1  # and the room
        elif example["question_type"] == "ONSET_ORDER":
            starts = [float(parts[label].split("from ")[1].split(" s")[0]) for label in example["answer"].split("; ")]
            assert starts == sorted(starts)
        elif example["question_type"] == "SPAN":
            (named,) = [label for label in labels if f" {label}" in example["question"]]
            start, end = example["answer"].removesuffix(" s").split(" to ")
            assert parts[named].endswith(f"from {start} s to {end} s")
        elif example["question_type"].startswith("ROOM"):
            assert "RT60" in parts["room"] and "cubic meters" in parts["room"]


def test_errors():
    with pytest.raises(SceneError, match="no question"):
        text_examples(LABELS, 10, seed=0, config=QuestionConfig(ask={"same_class": 1}, axis_margin_deg=89.0))


def test_two_labels_are_needed():
    with pytest.raises(SceneError, match="two different"):
        text_examples(["bell", "bell"], 10, seed=0)


def test_words_say_what_is_asked_for_and_no_more():
    config = QuestionConfig(
        ask=EVERY
        | dict.fromkeys(
            ("time", "span", "overlap", "caption", "room", "same_class", "relation", "negative", "humility_time"), 0
        ),
        limit=12,
    )
    examples = text_examples(LABELS, 3000, seed=4, config=config, most_sources=2)
    scenes = {example["scene"] for example in examples}
    assert max(scene.count("|") for scene in scenes) == 1, "two sources at most"
    assert all("azimuth" in scene for scene in scenes)
    assert not any("from" in scene or "room" in scene for scene in scenes)
    with pytest.raises(SceneError, match="most_sources is 9"):
        text_examples(LABELS, 10, seed=4, config=config, most_sources=9)


def test_motion_in_words():
    ask = {family.name: 2 for family in MOVING}
    examples = text_examples(LABELS, 600, seed=4, config=QuestionConfig(ask=ask, limit=12))
    assert examples == text_examples(LABELS, 600, seed=4, config=QuestionConfig(ask=ask, limit=12))
    assert {example["question_type"] for example in examples} == MOTION_TYPES - {"CAPTION"}
    for example in examples:  # what is asked for stands in the words
        parts = dict(part.split(": ", 1) for part in example["scene"].split(" | "))
        named = [label for label in LABELS if f" {label}" in example["question"]]
        if example["question_type"] == "MOVES" and "at " in parts[named[0]]:
            assert parts[named[0]].startswith("moves") == (example["answer"] == "Yes")
        elif example["question_type"] == "LISTENER_TURN":
            first, *_, last = re.findall(r"(-?\d+) at", parts["listener"])
            assert (int(last) > int(first)) == (example["answer"] == "left")
        elif example["question_type"] in ("MOTION_START", "MOTION_END"):
            metres = re.findall(r"distance ([\d.]+)m", parts[named[0]])[
                0 if example["question_type"] == "MOTION_START" else -1
            ]
            assert abs(float(metres) - parse_value("MOTION_START", example["answer"])["distance_m"]) <= 0.3
