"""Further wordings for training: usable, told apart from those of evaluation, and used where they are wanted."""

import string

import numpy as np
import pytest

from spatial_llm.questions import HeardScene, QuestionConfig, QuestionWriter, templates
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.more_phrasings import MORE
from spatial_llm.questions.phrasings import CONVENTIONS, PHRASINGS
from spatial_llm.questions.training_phrasings import TRAINING_PHRASINGS

LABELS = ["bell", "rain", "siren"]


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def bare(text: str) -> str:
    for convention in CONVENTIONS:
        text = text.removesuffix(f" {convention}")
    return text


@pytest.mark.parametrize("name", sorted(TRAINING_PHRASINGS))
def test_same_words_are_filled_in_and_none_is_of_evaluation(name: str) -> None:
    known = MORE[name] if name in MORE else PHRASINGS[name]
    base = (*getattr(templates, name), *known.train) if name in MORE else (*known.both, *known.train)
    for text in TRAINING_PHRASINGS[name]:
        assert fields(text) == fields(base[0])
        assert text not in {bare(other) for other in (*known.eval, *base)}
    assert len(set(TRAINING_PHRASINGS[name])) == len(TRAINING_PHRASINGS[name])


def questions(split: str, **changes: object) -> set[str]:
    config = QuestionConfig(limit=30, time=0, span=0, room=0, same_class=0, relation=0, negative=0, **changes)
    rng = np.random.default_rng(1)
    writer = QuestionWriter(config, rng, LABELS, split)
    asked = set()
    for _ in range(400):
        count = int(rng.integers(1, 3))
        names = rng.permutation(LABELS)[:count]
        sources = tuple(
            HeardSource(str(name), float(rng.uniform(-180, 180)), float(rng.uniform(-40, 40)), float(rng.uniform(0.5, 4)))
            for name in names
        )
        for question in writer.write(HeardScene(sources)):
            text = question.question
            for label in LABELS:
                text = text.replace(label, "#")
            asked.add(text)
    return asked


def test_unseen_phrasings_share_nothing_with_training() -> None:
    trained = questions("train", more_phrasings=True)
    unseen = questions("eval", more_phrasings=True, only_unseen_phrasings=True)
    assert "Where is the #?" in trained and "What is nearest?" in trained
    assert len(unseen) > 50 and not unseen & trained
    usual = questions("eval", more_phrasings=True)
    assert usual & trained, "the usual evaluation shares wordings with training"
    assert not usual & {"Where is the #?", "What is nearest?"}, "those for training only stay there"
    plain = questions("train")
    assert not plain & {"Where is the #?", "What is nearest?"}
