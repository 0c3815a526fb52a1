"""Wordings: complete, told apart between training and evaluation, and used where they are wanted."""

import string

import numpy as np
import pytest

from spatial_llm.questions import HeardScene, HeardSource, QuestionConfig, QuestionWriter, official_only
from spatial_llm.questions.families import CONVENTIONS, FAMILIES, detection, location, open_relation
from spatial_llm.questions.wordings import Wordings
from tests.questions.scenes import EVERY
from tests.questions.scenes import LABELS as MANY_LABELS

LABELS = ["bell", "rain", "siren"]
ALL = [(family.name, wordings) for family in FAMILIES for wordings in family.wordings]
# As published in SpatialSoundQA: the released files, and the README of SLAM-LLM's recipe. The list of its templates is not
# public.
VERBATIM = (
    "Enumerate the sound occurrences in the audio clip.",
    "How would you describe the location of this audio clip?",
    "Where is the sound of the {x} coming from?",
    "What is the distance between the sound of the {x} and the sound of the {y}?",
    "How far away is the sound of the {x} from the sound of the {y}?",
    "What is the sound on the right side of the sound of the {x}?",
)


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize(("family", "wordings"), ALL)
def test_every_wording_has_the_same_words_to_fill_in_and_training_shares_only_what_it_should(
    family: str, wordings: Wordings
) -> None:
    texts = [*wordings.official, *wordings.both, *wordings.train, *wordings.eval, *wordings.extra]
    assert len(set(texts)) == len(texts)
    assert len({frozenset(fields(text)) for text in texts}) == 1  # each says all that has to be said
    train, unseen = set(wordings.of("train", more=True)), set(wordings.of("eval", more=True))
    assert min(len(train), len(unseen)) >= 4 and train & unseen and train - unseen and unseen - train
    assert set(wordings.of("eval", only_unseen=True)) == unseen - train
    assert all(text.endswith(wordings.convention) for text in (unseen - set(wordings.official)))
    if wordings.official:
        assert wordings.of("train") == wordings.of("eval") == wordings.official
    else:
        assert len(wordings.of("train")) >= 5 and not set(wordings.extra) & set(wordings.of("train"))


def test_answers_in_signed_degrees_come_with_their_convention() -> None:
    signed = {family for family, wordings in ALL if wordings.convention.endswith("degrees.")}
    assert signed == {"azimuth", "elevation", "rotated", "motion_place", "humility"} and len(CONVENTIONS) == 5


def test_published_questions_are_among_the_wordings() -> None:
    sides = open_relation._SIDES.values()
    official = {text.replace("{side}", side) for _, wordings in ALL for text in wordings.official for side in sides}
    assert set(VERBATIM) <= official


def test_further_wordings_of_the_official_types() -> None:
    bell = HeardScene((HeardSource("bell", 45.0, 30.0, 2.6),))
    more = official_only(more_phrasings=True)
    writers = [QuestionWriter(more, np.random.default_rng(seed)) for seed in range(200)]
    asked = {item.question for writer in writers for item in writer.write(bell)}
    assert asked == {
        *detection.WORDINGS.official, *location.WORDINGS.official, "Which sounds occur in the audio clip?",
        "Give the direction and distance of the sound.", *detection.WORDINGS.extra, *location.WORDINGS.extra,
    }  # fmt: skip


@pytest.mark.parametrize("family", [family for family in FAMILIES if not family.is_official], ids=lambda each: each.name)
def test_the_writer_uses_the_wordings_of_its_split(family) -> None:
    sources = (
        HeardSource("bell", 45.0, 30.0, 2.62, 1.0, 3.5), HeardSource("rain", -135.0, -30.0, 1.1, 0.2, 9.9),
        HeardSource("dog", -58.0, 20.0, 3.94, 4.04, 4.9),
    )  # fmt: skip
    for split, other in (("train", "eval"), ("eval", "train")):
        config = official_only({family.name: 9}, limit=60)
        only_other = {
            text.split("{")[0]
            for _, wordings in ALL
            for text in set(wordings.of(other)) - set(wordings.of(split))
            if len(text.split("{")[0]) > 20
        }
        writer = QuestionWriter(config, np.random.default_rng(0), MANY_LABELS, split)
        for item in writer.write(HeardScene(sources, 0.2, 40.0, 10.0)):
            assert not [start for start in only_other if item.question.startswith(start)]


def questions(split: str, **changes: object) -> set[str]:
    config = QuestionConfig(
        ask=EVERY | dict.fromkeys(("time", "span", "overlap", "caption", "room", "same_class", "relation", "negative"), 0),
        limit=30,
        **changes,
    )
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
