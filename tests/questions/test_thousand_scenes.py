"""A thousand scenes, ten thousand questions: true, read back to their truth, and not to be guessed without listening."""

import numpy as np
import pytest

from spatial_llm.questions import HeardScene, QuestionConfig, QuestionWriter
from spatial_llm.questions.balance import balance, balance_table
from spatial_llm.questions.types import QUESTION_TYPES, parse_value
from tests.questions.scenes import LABELS, SEVERAL, WRITTEN, draw_scenes, expected

MANY = QuestionConfig(ask=SEVERAL, limit=16)
WORDS = 12  # six sides in two forms
CHANCE = {
    "COUNT_SOURCES": 1 / 4,
    "COUNT_CLASSES": 1 / 4,
    "ROOM_RT60": 1 / 3,
    "ROOM_SIZE": 1 / 2,
    "ROOM_REVERB": 1 / 2,
    "ABSENT": 1 / 2,
    **dict.fromkeys(("ELEVATION_IF_KNOWN", "DISTANCE_IF_KNOWN", "LOCATION_IF_KNOWN", "SPAN_IF_KNOWN"), 1 / 2),
    "MIXUP_NONBINARY_DIRECTION": 1 / 2,
}


@pytest.fixture(scope="module")
def asked():
    scenes = draw_scenes(1000, seed=7)
    writer = QuestionWriter(MANY, np.random.default_rng(8), LABELS)
    asked = [(scene, item) for scene in scenes for item in writer.write(HeardScene.from_scene(scene))]
    assert len(asked) >= 10_000
    return asked


def test_every_answer_reads_back_to_its_truth(asked):
    assert {item.question_type for _, item in asked} == WRITTEN
    for _, item in asked:
        assert parse_value(item.question_type, item.answer) == item.truth
        assert QUESTION_TYPES[item.question_type] == item.type


def test_every_answer_is_true_of_the_rooms_coordinates(asked):
    """The official types are checked likewise in test_writer."""
    ours = [(scene, item) for scene, item in asked if item.type not in "ABCDE"]
    assert [item for scene, item in ours if item.answer != expected(item, scene)] == []


def test_guessing_from_the_question_gains_nothing(asked):
    items = [item for _, item in asked]
    found = balance(items, by="question_type")
    print(f"\n{len(items)} questions about 1000 scenes\n{balance_table(balance(items))}\n\n{balance_table(found)}")
    said = [item.truth["yes"] for item in items if "yes" in item.truth]
    assert len(said) > 2000 and abs(np.mean(said) - 0.5) < 0.02
    for name, row in found.items():
        if row.yes is not None:
            # Answers are even for each of the words that a question names, so that each word may be ahead by one.
            assert abs(row.yes - 0.5) < max(0.02, WORDS / 2 / row.n), name
        # the most that knowing the answers, but not hearing, can give; and room for the luck of n/2 draws
        chance = CHANCE.get(name, 0.13 if row.yes is None else 1 / 2)
        assert row.question_only <= chance + 3 * np.sqrt(chance * (1 - chance) / (row.n / 2)), name
