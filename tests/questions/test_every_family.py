"""What must hold of every family and of every kind of value, whichever is added: the tests find them in the tables."""

import json
from collections import Counter

import numpy as np
import pytest

from spatial_llm import answers
from spatial_llm.answers import KINDS
from spatial_llm.evaluation.metrics.kinds import KIND_METRICS
from spatial_llm.questions import HeardScene, HeardSource, QuestionConfig, QuestionWriter
from spatial_llm.questions.families import FAMILIES
from spatial_llm.questions.types import QUESTION_TYPES, VALUE_KINDS, format_value, parse_value
from tests.questions.moving_scenes import draw_moving_scenes
from tests.questions.scenes import LABELS, draw_scenes

READINGS = ("strict", "lenient")


@pytest.fixture(scope="module")
def scenes() -> list[HeardScene]:
    return [HeardScene.from_scene(scene) for scene in (*draw_scenes(150, seed=11), *draw_moving_scenes(150, seed=12))]


def asked(family: str, scenes: list[HeardScene], seed: int = 0) -> list:
    writer = QuestionWriter(QuestionConfig(ask={family: 2}), np.random.default_rng(seed), LABELS)
    return [item for scene in scenes for item in writer.write(scene)]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda each: each.name)
def test_answers_read_as_their_truth_and_a_mirror_image_twice_is_the_original(family, scenes) -> None:
    items = asked(family.name, scenes)
    assert len(items) >= 10
    assert {item.question_type for item in items} == set(family.types or ["WRONG_PLACE"])
    for item in items:
        kind = KINDS[VALUE_KINDS[item.question_type]]
        assert item.type == family.type == QUESTION_TYPES[item.question_type]
        assert json.loads(json.dumps(item.truth)) == item.truth
        for reading in READINGS:
            known = LABELS if reading == "lenient" else None
            assert parse_value(item.question_type, item.answer, reading, known) == item.truth
        assert format_value(item.question_type, item.truth) == item.answer
        image = kind.mirror(item.truth)
        assert kind.mirror(image) == item.truth
        assert answers.read(kind.name, answers.write(kind.name, image)) == image


@pytest.mark.parametrize("family", FAMILIES, ids=lambda each: each.name)
def test_a_scene_in_which_nothing_is_clear_is_not_asked_about(family) -> None:
    """Two sounds of one class in the same place: straight ahead on the border of all sides, of unknown times, in an unknown
    room. Only how many classes there are is clear."""
    same = HeardSource("bell", 0.0, 0.0, 2.0)
    writer = QuestionWriter(QuestionConfig(ask={family.name: 2}), np.random.default_rng(0), LABELS)
    found = Counter(item.question_type for _ in range(20) for item in writer.write(HeardScene((same, same))))
    assert set(found) <= {"COUNT_CLASSES", "PRESENT"}, "whether and how many classes sound does not depend on the place"


def test_every_kind_has_a_name_of_its_own_and_is_asked_for() -> None:
    assert list(KINDS) == [kind.name for kind in KINDS.values()]
    assert set(VALUE_KINDS.values()) == set(KINDS) and set(KIND_METRICS) <= set(KINDS)
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    owners = Counter(question_type for family in FAMILIES for question_type in family.types)
    assert set(owners.values()) == {1}
