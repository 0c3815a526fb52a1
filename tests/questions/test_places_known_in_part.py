"""Sounds of which not all is known: nothing is asked that needs what is missing, and what is asked is true."""

import numpy as np
import pytest

from spatial_llm.errors import SceneError
from spatial_llm.questions import HeardScene, HeardSource, QuestionConfig, QuestionWriter
from spatial_llm.questions.about import About, check_place, places_apart
from spatial_llm.questions.facts import same_place, side_of
from spatial_llm.questions.families import FAMILIES

LABELS = ("bell", "rain", "dog", "siren")
ALL = QuestionConfig(ask={family.name: family.most or 3 for family in FAMILIES}, limit=200)


def drawn(rng: np.random.Generator, label: str) -> HeardSource:
    """A source of which parts are not known, at random."""
    folded = bool(rng.random() < 0.3)
    azimuth_deg = float(rng.uniform(-90, 90) if folded else rng.uniform(-180, 180))
    place = [azimuth_deg, float(rng.uniform(-60, 60)), float(rng.uniform(0.5, 6))]
    known = [value if rng.random() < 0.7 else None for value in place]
    onset_s = float(rng.uniform(0, 3))
    return HeardSource(label, *known, onset_s, onset_s + 1.5, folded=folded and known[0] is not None)


@pytest.mark.parametrize("complete", [True, False])
def test_every_question_about_a_place_asks_only_for_what_is_known_and_is_true(complete: bool) -> None:
    rng = np.random.default_rng(1)
    writer = QuestionWriter(ALL, rng, ("cat", *LABELS))
    types = set()
    for _ in range(60):
        labels = rng.choice(LABELS, int(rng.integers(1, 5)))
        scene = HeardScene(tuple(drawn(rng, str(label)) for label in labels), duration_s=5.0, complete=complete)
        for question in writer.write(scene):
            types.add(question.question_type)
            about = question.about
            if len(about.sources) == 1:
                assert places_apart(question.truth, scene.sources[about.sources[0]].after_turn(about.turn_deg)) == []
            for index in about.sources if about.axis not in (None, "distance") else ():
                assert scene.sources[index].knows(about.axis)
            if about.axis == "distance":
                assert all(scene.sources[index].distance_m is not None for index in about.sources)
    counted = {"COUNT_SOURCES", "NEAREST", "ONSET_FIRST", "RELATION_LEFT", "MIXUP_NONBINARY_SOURCE"}
    assert counted <= types if complete else not counted & types
    assert {"AZIMUTH_DEG", "DISTANCE", "ELEVATION_DEG", "WRONG_PLACE", "PRESENT", "DURATION"} <= types


def test_a_place_known_in_part() -> None:
    moving, stereo = HeardSource("bell"), HeardSource("bell", 30.0, None, 2.0, folded=True)
    far = HeardSource("dog", -60.0, 5.0, None)
    assert [stereo.knows(axis) for axis in ("left_right", "front_behind", "above_below")] == [True, False, False]
    assert stereo.is_clear("left_right", 10.0) and not moving.is_clear("left_right", 0.0) and not far.all_clear(0.0)
    assert same_place(moving, far) and same_place(stereo, far)  # cannot be told apart, as far as is known
    assert side_of(stereo, far, "left_right", 10.0, 0.3) == 1
    assert side_of(far, HeardSource("cat", -20.0, 0.0, 1.0), "left_right", 10.0, 0.3) == 0  # needs the distances
    assert moving.after_turn(90.0) == moving.mirror_image() == moving
    for each in (moving, stereo, far):
        with pytest.raises(SceneError, match="not known in full"):
            _ = each.location


def test_an_answer_that_gives_what_is_not_known_is_found() -> None:
    stereo = HeardSource("bell", 30.0, None, 2.0, folded=True)
    assert places_apart({"left_right": "left", "distance_m": 2.0}, stereo) == []
    assert places_apart({"left_right": "left", "front_behind": "front"}, stereo) == ["front_behind"]
    assert places_apart({"azimuth_deg": 30.0}, stereo) == ["azimuth_deg"]
    assert places_apart({"clock_hour": 11, "elevation_deg": 0.0}, HeardSource("bell")) == ["elevation_deg", "clock_hour"]
    with pytest.raises(Exception, match="a place known in part"):
        check_place(About((0,)), {"elevation_deg": 0.0}, stereo)
