"""Questions about motion: true of the room's coordinates, mirrored and reversed as the scene is, asked only where clear."""

import dataclasses

import numpy as np
import pytest

from spatial_llm.answers import KINDS
from spatial_llm.answers.kinds.motion import DIRECTIONS
from spatial_llm.questions import HeardScene, HeardSource, QuestionConfig, QuestionWriter
from spatial_llm.questions.about import check_about, check_place
from spatial_llm.questions.balance import balance, balance_table
from spatial_llm.questions.mirroring import mirror
from spatial_llm.questions.motion import courses
from spatial_llm.questions.types import QUESTION_TYPES, VALUE_KINDS, format_value, parse_value
from spatial_llm.scenes.scene import Listener, Scene, place_at
from tests.questions.moving_scenes import (
    EVERY_MOTION,
    MOTION_TYPES,
    draw_moving_scenes,
    frozen_at,
    is_true,
    mirrored,
    reversed_in_time,
)
from tests.questions.scenes import CLIP_S, LABELS, SEVERAL, expected
from tests.scenes.motion.test_track import passing, with_truth
from tests.scenes.small import source

CHANCE = {"COUNT_MOVING": 1 / 5, "FASTER": 1 / 2, "THINK_FASTER": 1 / 2, "LISTENER_TURN": 1 / 2} | {
    name: 1 / 2 for name in MOTION_TYPES if VALUE_KINDS[name] in ("yes_no", "motion")
}
FACING = Listener((3.0, 2.5, 1.5), 0.0)


def asked_about(scenes: list[Scene], ask: dict[str, int], seed: int = 8, limit: int = 24) -> list:
    writer = QuestionWriter(QuestionConfig(ask=ask, limit=limit), np.random.default_rng(seed), LABELS)
    return [(scene, item) for scene in scenes for item in writer.write(HeardScene.from_scene(scene))]


@pytest.fixture(scope="module")
def asked() -> list:
    return asked_about(draw_moving_scenes(60, seed=7), EVERY_MOTION)


@pytest.fixture(scope="module")
def thousand() -> list:
    return asked_about(draw_moving_scenes(1000, seed=7), EVERY_MOTION)


def check_truth(asked: list) -> None:
    for scene, item in asked:
        assert parse_value(item.question_type, item.answer) == item.truth
        assert QUESTION_TYPES[item.question_type] == item.type
        assert is_true(item, scene), (scene.id, item)
        check_about(item.about, [(each.label,) for each in scene.sources], item.truth)
        if len(item.about.sources) == 1 and item.about.time_s is not None:
            index = item.about.sources[0]
            there = place_at(scene.listener, scene.sources[index], item.about.time_s)
            check_place(item.about, item.truth, HeardSource(scene.sources[index].label, *there))


def test_answers_about_sixty_scenes_are_true(asked) -> None:
    assert len({item.question_type for _, item in asked}) >= 16
    check_truth(asked)


@pytest.mark.slow
def test_answers_about_a_thousand_scenes_are_true(thousand) -> None:
    assert {item.question_type for _, item in thousand} == MOTION_TYPES
    check_truth(thousand)


@pytest.mark.slow
def test_guessing_about_a_thousand_scenes_gains_nothing(thousand) -> None:
    items = [item for _, item in thousand]
    found = balance(items, by="question_type")
    print(f"\n{len(items)} questions\n{balance_table(balance(items))}\n\n{balance_table(found)}")
    for name, row in found.items():
        if row.yes is not None:
            assert abs(row.yes - 0.5) < 0.02, name
        chance = CHANCE.get(name, 0.13)
        assert row.question_only <= chance + 3 * np.sqrt(chance * (1 - chance) / (row.n / 2)), name


def test_the_mirror_image_has_the_mirrored_answer(asked) -> None:
    changed, unknown = set(), set()
    for scene, item in asked:
        value = mirror(item.question_type, item.about, item.truth)
        if value is None:
            unknown.add(item.question_type)
            continue
        image = dataclasses.replace(item, truth=value, answer=format_value(item.question_type, value))
        assert is_true(image, mirrored(scene)), (scene.id, item)
        changed |= {item.question_type} if value != item.truth else set()
        assert KINDS[VALUE_KINDS[item.question_type]].mirror(value) == item.truth
    assert unknown <= {"CROSSES"}  # it names sides, and what goes the other way is not known
    assert changed >= {"MOTION_SIDEWAYS", "MOTION_AROUND", "MOTION_AT", "MOTION_AZIMUTH_AT", "CAPTION", "AFTER_TURN"}
    assert not changed & {"MOVES", "ANY_MOVES", "COUNT_MOVING", "MOTION_UPRIGHT", "MOTION_RANGE", "WHEN_AHEAD", "FASTER"}


def test_backwards_everything_goes_the_other_way() -> None:
    counts = dict.fromkeys(("crossing", "around", "rising", "leaving", "nearest", "ahead"), 0)
    for scene in draw_moving_scenes(80, seed=3):
        first = HeardScene.from_scene(scene)
        if first.stands_still:
            continue
        last = HeardScene.from_scene(reversed_in_time(scene))
        for one, other in zip(courses(first), courses(last), strict=True):
            assert one.has_moved == other.has_moved
            assert np.allclose(one.speeds_m_s, other.speeds_m_s)
            there = [each.xyz for each in (one.places[0], one.places[-1], other.places[-1], other.places[0])]
            assert np.allclose(there[:2], there[2:])  # begin and end are exchanged
            for name, forwards, backwards in (
                ("crossing", one.crossing(10.0), other.crossing(10.0)),
                ("around", one.around_deg(), other.around_deg()),
                ("rising", one.rising_deg(), other.rising_deg()),
                ("leaving", one.leaving_m(), other.leaving_m()),
            ):
                assert backwards == pytest.approx(-forwards, abs=1e-6), name
                counts[name] += forwards != 0
            for name, forwards, backwards in (
                ("nearest", one.nearest_s(), other.nearest_s()),
                ("ahead", one.ahead_s(10.0), other.ahead_s(10.0)),
            ):
                assert (forwards is None) == (backwards is None), name
                assert forwards is None or backwards == pytest.approx(CLIP_S - forwards, abs=1e-6), name
                counts[name] += forwards is not None
    assert min(counts.values()) >= 5, counts


def answers_to(scene: Scene, *families: str, seeds: int = 12) -> dict[str, set[str]]:
    """Question type -> all answers that a scene is asked for."""
    found: dict[str, set[str]] = {}
    for seed in range(seeds):
        config = QuestionConfig(ask=dict.fromkeys(families, 4), limit=60)
        writer = QuestionWriter(config, np.random.default_rng(seed), LABELS)
        for item in writer.write(HeardScene.from_scene(scene)):
            found.setdefault(item.question_type, set()).add(item.answer)
    return found


def test_worked_by_hand_with_the_truth_of_its_sounds() -> None:
    """A source passes 1 m ahead from left to right with 1 m/s, in a recording whose dry sound is made and measured."""
    made = with_truth([passing((0.0, (1.0, 2.0, 0.7)), (4.0, (1.0, -2.0, 0.7)))], FACING)
    found = answers_to(made, "moving", "motion", "motion_place", "motion_time", "caption")
    degrees, places = found.pop("MOTION_AZIMUTH_AT"), found.pop("MOTION_AT")
    assert found == {
        "MOVES": {"Yes"}, "ANY_MOVES": {"Yes"},
        "MOTION_SIDEWAYS": {"left to right"}, "MOTION_AROUND": {"clockwise"},
        "MOTION_START": {"left, front, above; 2.5m"}, "MOTION_END": {"right, front, above; 2.5m"},
        "WHEN_NEAREST": {"2 s"}, "WHEN_AHEAD": {"2 s"},
        "CAPTION": {"0.0 to 4.0 s rain, left, front, 2.5m"},
    }  # fmt: skip
    assert places <= {f"{side}, front, above; {m}m" for side in ("left", "right") for m in ("1.5", "2", "2.5")}
    at_s = 2 - np.tan(np.deg2rad([float(answer.split()[0]) for answer in degrees]))
    assert np.all((at_s > 0) & (at_s < 4)) and len(degrees) >= 8


def test_what_moves_too_little_or_to_and_fro_is_not_asked_about() -> None:
    little = with_truth([passing((0.0, (2.0, 0.1, 0.0)), (4.0, (2.0, -0.3, 0.0)))], FACING)  # 0.4 m, 11 degrees
    assert answers_to(little, *EVERY_MOTION) == {}
    there_and_back = with_truth([passing((0.0, (1.0, 1.5, 0.0)), (2.0, (1.0, -1.5, 0.0)), (4.0, (1.0, 1.5, 0.0)))], FACING)
    assert answers_to(there_and_back, "motion", "motion_time") == {}
    assert answers_to(there_and_back, "moving") == {"MOVES": {"Yes"}, "ANY_MOVES": {"Yes"}}


def test_a_level_source_that_comes_closer_overhead_does_not_rise() -> None:
    made = with_truth([passing((0.0, (2.5, 0.0, 1.0)), (4.0, (0.5, 0.0, 1.0)))], FACING)
    assert answers_to(made, "motion") == {"MOTION_RANGE": {"towards"}}


def test_a_turning_listener() -> None:
    """What stands still seems to move, and is said to stand still; its place is asked for after the turn alone."""
    turning = dataclasses.replace(FACING, headings=((1.0, 0.0), (3.0, 90.0)))
    bell = dataclasses.replace(source(), position_m=(3.0 + 1.0, 2.5 + 0.5, 1.5 + 0.5))
    made = with_truth([bell], turning)
    assert answers_to(made, *(name for name in EVERY_MOTION if name != "caption")) == {
        "MOVES": {"No"}, "ANY_MOVES": {"No"},
        "LISTENER_TURN": {"left"}, "AFTER_TURN": {"right, front, above; 1m"},
        "WHEN_AHEAD": {"1.6 s"},
    }  # fmt: skip


def test_recordings_of_which_motion_is_not_known_are_not_asked_about_it() -> None:
    bell = HeardSource("bell", 45.0, 30.0, 2.0, 1.0, 5.0)
    names = {name: 3 for name in EVERY_MOTION if name != "caption"}
    writer = QuestionWriter(QuestionConfig(ask=names), np.random.default_rng(0), LABELS)
    assert writer.write(HeardScene((bell,), duration_s=10.0)) == []
    assert {item.answer for item in writer.write(HeardScene((bell,), duration_s=10.0, stands_still=True))} == {"No"}


def says_nothing_else(answer: str, expected: str) -> bool:
    """Whether each sentence of a thought-out answer says what the other one says, or a part of it."""
    pairs = zip(answer.split(". "), expected.split(". "), strict=True)
    said = [[set(each.replace(": ", ", ").split(", ")) for each in pair] for pair in pairs]
    return all(one <= other for one, other in said)


def test_no_other_question_is_falsified_by_motion() -> None:
    """What is asked by the families of still scenes is true of the scene at every time."""
    of_a_place = 0
    for scene, item in asked_about(draw_moving_scenes(90, seed=4), SEVERAL | {"caption": 0}, limit=40):
        if item.type in "ABCDE":
            about = [*item.about.sources, *([] if item.about.reference is None else [item.about.reference])]
            still = not scene.listener.turns and not any(scene.sources[index].moves for index in about)
            assert item.question_type == "CLASSIFICATION" or still or VALUE_KINDS[item.question_type] == "yes_no"
            continue
        for time_s in np.linspace(0, CLIP_S, 9) if scene.moves else (0.0,):
            due = expected(item, frozen_at(scene, float(time_s)))
            if item.type == "thinking":  # it states what is known at every time
                assert says_nothing_else(item.answer, due), (scene.id, time_s, item)
            else:
                assert due == item.answer, (scene.id, time_s, item)
        of_a_place += scene.moves and item.type in ("azimuth", "elevation", "distance", "relation", "rotated", "nearest")
    assert of_a_place > 30


def test_directions_and_their_opposites() -> None:
    assert all(DIRECTIONS[DIRECTIONS[name]] == name != DIRECTIONS[name] for name in DIRECTIONS)
