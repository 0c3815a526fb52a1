"""The official types: their forms, truth by construction, ambiguity refused, balance; and what the writer adds to them."""

from collections import Counter

import numpy as np
import pytest

from spatial_llm.errors import SceneError
from spatial_llm.questions import (
    HeardScene,
    HeardSource,
    QuestionConfig,
    QuestionWriter,
    official_only,
    scene_to_text,
)
from spatial_llm.questions.facts import step_distance_m
from spatial_llm.questions.types import QUESTION_TYPES, parse_value
from tests.questions.scenes import EVERY, OWN

BELL = HeardSource("bell", 45.0, 30.0, 2.6)  # left, front, above; 2.5m
RAIN = HeardSource("rain", -135.0, -30.0, 1.1)  # right, behind, below; 1m
EACH = official_only({"detection_at_place": 2, "location_of_named": 2, "open_relation": 3})


def ask(*sources, config=EACH, seed=0):
    return QuestionWriter(config, np.random.default_rng(seed)).write(HeardScene(sources))


def test_one_source():
    detection, location = ask(BELL)
    assert (detection.type, detection.question_type, detection.answer) == ("A", "CLASSIFICATION", "bell")
    assert (location.type, location.question_type, location.answer) == ("B", "DOA", "left, front, above; 2.5m")
    assert location.truth == {"left_right": "left", "front_behind": "front", "above_below": "above", "distance_m": 2.5}


def test_two_sources_give_types_c_d_e_with_true_answers():
    seen = Counter()
    for seed in range(40):
        for item in ask(BELL, RAIN, seed=seed):
            seen[item.question_type] += 1
            assert parse_value(item.question_type, item.answer) == item.truth
            assert item.type == QUESTION_TYPES[item.question_type]
            assert item.answer == expected(item.question), item
    assert set(seen) == {name for name, kind in QUESTION_TYPES.items() if kind in ("C", "D", "E")}


def expected(question: str) -> str:
    """The right answer about bell (left, front, above; 2.6 m) and rain (right, behind, below; 1.1 m), read off the text."""
    text = question.lower()
    first = "bell" if ("rain" not in text or -1 < text.find("bell") < text.find("rain")) else "rain"
    bell_words, rain_words = ("left", "in front", "above"), ("right", "behind", "below")
    words = bell_words if first == "bell" else rain_words
    if "approximately" in text:
        return "bell" if "left, front, above" in text and "2.5 meters" in text else "rain"
    if "distance between" in text or "how far away" in text:
        return "3.5m"
    if "distance and in which" in text or "where is" in text or "how would you describe" in text:
        return "left, front, above; 2.5m" if first == "bell" else "right, behind, below; 1m"
    if " or " in text:
        axis = [("left", "right"), ("in front", "behind"), ("above", "below")]
        (pair,) = [pair for pair in axis if pair[0] in text]
        return next(word for word in pair if word in words).removeprefix("in ")
    if text.startswith(("what is the sound", "which sound")):
        return "rain" if first == "bell" else "bell"
    if "nearer" in text or "closer" in text:
        return "Yes" if first == "rain" else "No"
    if "farther" in text:
        return "Yes" if first == "bell" else "No"
    if "coming from" in text:  # joint: the first word belongs to the first sound
        between = text[text.find(first) : text.find(" and ")]
        return "Yes" if any(word.removeprefix("in ") in between for word in words) else "No"
    return "Yes" if any(word in text for word in words) else "No"


@pytest.mark.parametrize(
    "source",
    [HeardSource("bell", 3.0, 30.0, 2.0), HeardSource("bell", 92.0, 30.0, 2.0), HeardSource("bell", 45.0, -2.0, 2.0)],
)
def test_a_source_near_an_axis_plane_is_not_located(source):
    assert [item.type for item in ask(source)] == ["A"]
    asked = ask(source, RAIN)
    assert not [item for item in asked if item.type == "D" and "bell" in item.question]
    assert not [item for item in asked if item.type == "C" and item.answer == "bell"]


def test_nearly_equal_distances_are_not_compared():
    asked = ask(BELL, HeardSource("rain", -135.0, -30.0, 2.3))
    assert "MIXUP_DISTANCE_BOTH" not in {item.question_type for item in asked}


def test_same_side_is_not_related_and_same_place_not_asked_for():
    near = HeardSource("rain", 60.0, 25.0, 2.4)  # same octant, same distance
    kinds = {item.question_type for item in ask(BELL, near)}
    assert kinds == {"MIXUP_SINGLE_DOA", "MIXUP_NONBINARY_DISTANCE"}
    far = HeardSource("rain", 60.0, 25.0, 3.9)  # same octant, other distance: can be told apart
    assert "MIXUP_SINGLE_CLASSIFICATION" in {item.question_type for item in ask(BELL, far)}


def test_two_sources_of_one_class_are_never_named():
    asked = ask(BELL, HeardSource("bell", -135.0, -30.0, 1.1))
    assert {item.type for item in asked} == {"C"}


def test_balance_and_no_giveaway():
    rng, writer = np.random.default_rng(1), QuestionWriter(official_only(), np.random.default_rng(2))
    answers, by_words = {}, {}
    for _ in range(1500):
        pair = (HeardSource(n, rng.uniform(-180, 180), rng.uniform(-40, 40), rng.uniform(0.5, 4)) for n in "ab")
        for item in writer.write(HeardScene(tuple(pair))):
            if item.type == "E" and "labels" not in item.truth and "distance_m" not in item.truth:
                answers.setdefault(item.question_type, Counter())[item.answer] += 1
                masked = (
                    item.question.replace(" a ", " _ ").replace(" b ", " _ ").replace(" b?", " _?").replace(" a?", " _?")
                )
                by_words.setdefault(masked, Counter())[item.answer] += 1
    for kind in ("MIXUP_DIRECTION", "MIXUP_DISTANCE_BOTH"):
        assert abs(answers[kind]["Yes"] / answers[kind].total() - 0.5) < 0.01
    open_words = answers["MIXUP_NONBINARY_DIRECTION"]
    for one, other in (("left", "right"), ("front", "behind"), ("above", "below")):
        assert abs(open_words[one] - open_words[other]) <= 1
    for counts in by_words.values():  # the words of the question say nothing about the answer
        if counts.total() > 60:
            assert max(counts.values()) / counts.total() < 0.68


def test_distance_steps_are_the_official_rounding():
    assert [step_distance_m(d) for d in (0.6, 0.75, 1.25, 1.3, 2.74)] == [0.5, 1.0, 1.0, 1.5, 2.5]  # banker's: 2.5 -> 2


def test_scene_in_words():
    scene = HeardScene((BELL, RAIN))
    assert scene_to_text(scene) == "bell: left, front, above; 2.5m | rain: right, behind, below; 1m"
    timed = HeardScene((HeardSource("bell", 45.0, 30.0, 2.62, 0.5, 2.04),), 0.456, 79.6, 10.0)
    assert scene_to_text(timed, everything=True) == (
        "bell: left, front, above; 2.5m, azimuth 45, elevation 30, distance 2.6m, from 0.5 s to 2 s | "
        "room: RT60 0.46 s, 80 cubic meters"
    )
    assert scene_to_text(scene, everything=True).endswith("rain: right, behind, below; 1m, azimuth -135, elevation -30, "
                                                          "distance 1.1m")  # fmt: skip


def test_official_types_alone_are_asked_as_before_and_never_of_three():
    third = HeardSource("dog", -60.0, 20.0, 3.0)
    assert not ask(BELL, RAIN, third)
    mixed = ask(BELL, RAIN, third, config=QuestionConfig(ask=EVERY))
    assert mixed and not [item for item in mixed if item.type in "ABCDE"]


def test_the_limit_cuts_our_families_and_not_the_official_types():
    few = QuestionConfig(ask=EVERY, limit=6)
    assert all(len(ask(BELL, RAIN, config=few, seed=seed)) == 6 for seed in range(10))
    assert (
        len(ask(BELL, RAIN, config=QuestionConfig(ask=EVERY, limit=0))) == len(ask(BELL, RAIN, config=official_only())) == 5
    )
    ours = {item.type for seed in range(40) for item in ask(BELL, RAIN, config=few, seed=seed)} - set("ABCDE")
    unknown = {"same_class", "time", "span", "overlap", "caption", "room", "humility_time"}
    assert ours == set(OWN) - unknown - {"side"}, "of the sides, nothing is asked here"
    items = ask(BELL, RAIN, config=QuestionConfig(ask=EVERY | dict.fromkeys(OWN, 9), limit=60))
    assert len({item.question for item in items}) == len(items)  # nothing is asked twice of a clip


def test_far_sources_are_asked_about_beyond_the_classes_of_the_encoder():
    far = HeardSource("siren", 60.0, 30.0, 14.1)
    (_, location) = ask(far)
    assert location.answer == "left, front, above; 14m"
    assert {item.type for item in ask(far, RAIN)} == {"C", "D", "E"}


def test_errors():
    with pytest.raises(SceneError, match="one to 4"):
        ask(BELL, RAIN, BELL, RAIN, BELL)
    with pytest.raises(SceneError, match="one to 4"):
        ask()
    with pytest.raises(SceneError, match="at most 2"):
        QuestionConfig(ask={"location_of_named": 3})
    with pytest.raises(SceneError, match="not a valid label"):
        ask(HeardSource("Bell", 45.0, 30.0, 2.6))  # upper case: the answer would not read as the truth
    with pytest.raises(SceneError, match="labels are"):
        ask(HeardSource("a;b", 45.0, 30.0, 2.6))
    with pytest.raises(SceneError, match="'train' or 'eval'"):
        QuestionWriter(EACH, np.random.default_rng(0), split="test")
    with pytest.raises(SceneError, match=r"ask\.azimuth is -1"):
        QuestionConfig(ask={"azimuth": -1})
    with pytest.raises(SceneError, match="ask names bearing; the families are detection,"):
        QuestionConfig(ask={"bearing": 1})
    for nothing in ({}, {"azimuth": 0}):
        with pytest.raises(SceneError, match=r"no question is asked; name families .* detection, location,"):
            QuestionWriter(QuestionConfig(ask=nothing), np.random.default_rng(0))
    for wrong in (
        {"rt60_bands_s": ()},
        {"rt60_bands_s": (0.6, 0.3)},
        {"dry_below_s": 2.0},
        {"small_below_m3": 900.0},
        {"clock_margin_deg": 15.0},
        {"zenith_margin_deg": 90.0},
    ):
        with pytest.raises(SceneError, match=next(iter(wrong))):
            QuestionConfig(**wrong)


def test_types_that_are_left_out_are_not_asked_and_the_others_as_often():
    config = QuestionConfig(ask={"negative": 2}, limit=2, leave_out=["ABSENT", "SWAPPED"])
    writer = QuestionWriter(config, np.random.default_rng(0), ["bell", "rain", "bark", "siren"])
    other = (HeardSource("bark", 45.0, 30.0, 2.6), HeardSource("siren", -135.0, -30.0, 1.1))
    scenes = [HeardScene((BELL, RAIN)), HeardScene(other)] * 30
    asked = Counter(item.question_type for scene in scenes for item in writer.write(scene))
    assert set(asked) == {"PRESENT", "PRESENT_AT_PLACE", "WRONG_PLACE"}
    assert sum(asked.values()) > 110 and min(asked.values()) > 30
    with pytest.raises(SceneError, match=r"leave_out names AZIMUTH_DEG; the question types that `ask` asks are PRESENT, "):
        QuestionConfig(ask={"negative": 1}, leave_out=["AZIMUTH_DEG"])
    with pytest.raises(SceneError, match="leave_out names all question types of nearest"):
        QuestionConfig(ask={"negative": 1, "nearest": 1}, leave_out=["NEAREST", "FARTHEST"])
    for key in ("ask", "leave_out"):  # as of a key of a YAML without a value
        with pytest.raises(SceneError, match=f"{key} is None; give .*, or leave the key out"):
            QuestionConfig(**{"ask": {"negative": 1}, key: None})
