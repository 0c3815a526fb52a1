"""The question type of a question is found again from its text alone."""

import numpy as np
import pytest

from spatial_llm.questions import HeardScene, QuestionConfig, QuestionWriter
from spatial_llm.questions.recognising import recognise
from tests.questions.scenes import EVERY, LABELS, WRITTEN, draw_scenes


@pytest.mark.parametrize("split", ["train", "eval"])
def test_every_question_that_is_written_is_recognised(split: str) -> None:
    config = QuestionConfig(ask=EVERY, limit=14, more_phrasings=True)
    writer = QuestionWriter(config, np.random.default_rng(3), LABELS, split)
    items = [item for scene in draw_scenes(300, seed=5) for item in writer.write(HeardScene.from_scene(scene))]
    assert {item.question_type for item in items} == WRITTEN
    second = set()
    for item in items:
        found = [each.question_type for each in recognise(item.question)]
        assert item.question_type in found, item.question
        if found[0] != item.question_type:
            second.add((item.question_type, found[0]))
    # Asked about a sound that may be absent, in the words of a sound that is there.
    assert second <= {("ABSENT", "MIXUP_SINGLE_DOA")}


@pytest.mark.parametrize(
    ("question", "found", "words"),
    [
        ("where is  the SOUND in this audio clip coming from", "DOA", {}),
        ("What is the azimuth of the sound of the door bell in degrees?", "AZIMUTH_DEG", {"x": "door bell"}),
        ("Is the sound of the bell on your left?", "WRONG_PLACE", {"x": "bell", "side": "on your left"}),
        ("Name everything that sounds behind the bell.", "RELATION_BEHIND", {"x": "bell", "side": "behind"}),
    ],
)
def test_spelling_may_differ(question: str, found: str, words: dict[str, str]) -> None:
    first = recognise(question)[0]
    assert (first.question_type, first.words) == (found, words)


@pytest.mark.parametrize("question", ["", "What is the capital of France?", "Which machine is broken?", "Where is the"])
def test_other_questions_are_not(question: str) -> None:
    assert recognise(question) == []
