"""What a model was taught is read off the questions of its training, written, and read strictly."""

import json
from dataclasses import replace

import pytest

from spatial_llm.errors import CheckpointError
from spatial_llm.questions.config import official_only
from spatial_llm.questions.derive import Asked, taught_by
from spatial_llm.questions.matching import QuestionMatcher
from spatial_llm.questions.taught import TaughtQuestions, merged, taught_from_dict
from spatial_llm.questions.text_corpus import asked_scenes

LABELS = ("bell", "baby cry, infant cry", "rain")


def asked(count=1500, **config):
    for scene, questions in asked_scenes(LABELS, count, 0, config=official_only(**config), most_sources=2):
        for item in questions:
            yield Asked(item.question_type, item.question, item.answer, item.truth, scene.labels, len(scene.sources), -14.0)


@pytest.fixture(scope="module")
def taught() -> TaughtQuestions:
    return taught_by(asked())


def test_questions_wordings_sounds_and_ranges_are_those_of_training(taught):
    types = [question.question_type for question in taught.questions]
    assert types == sorted(types, key=types.index) and set(types) == {
        *("CLASSIFICATION", "DOA", "MIXUP_SINGLE_CLASSIFICATION", "MIXUP_SINGLE_DOA", "MIXUP_DIRECTION"),
        *("MIXUP_DISTANCE_BOTH", "MIXUP_NONBINARY_DIRECTION", "MIXUP_NONBINARY_DISTANCE", "MIXUP_NONBINARY_SOURCE"),
    }
    assert types.count("MIXUP_DIRECTION") == 2  # one sound beside the other; each on its side
    assert (taught.labels, taught.most_sources, taught.level_dbfs_at_1m) == (tuple(sorted(LABELS)), 2, -14.0)
    (where,) = taught.of_types(["DOA"])
    assert where.wordings == (
        "How would you describe the location of this audio clip?",
        "Where is the sound in this audio clip coming from?",
        "What are the direction and distance of the sound in this audio clip?",
    )  # without more_phrasings these three are asked
    assert where.ranges == {"distance_m": (0.5, 4.0)} and where.value == "location"
    relations = next(question.words["relation"] for question in taught.questions if "relation" in question.words)
    assert relations == ("above", "behind", "below", "in front of", "on the left of", "on the right of")


def test_a_rare_question_is_not_taught_by_its_kind():
    many = [Asked("DOA", "Where is it?", "left", {}, ["bell"])] * 2000
    assert [
        question.question_type for question in taught_by([*many, many[0]._replace(question_type="AZIMUTH_DEG")]).questions
    ] == ["DOA"]
    assert taught_by([]) is None


def test_questions_of_no_family_keep_their_words_and_are_found_by_them():
    own = [
        Asked("CLASSIFICATION", f"Does the {label} in hall {hall} rattle?", "x", {"labels": ["x"]}, [label])
        for label in ("fan", "pump")
        for hall in ("one", "two")
    ]
    found = taught_by(own)
    assert found.questions[0].wordings == ("Does the {x} in hall one rattle?", "Does the {x} in hall two rattle?")
    matcher = QuestionMatcher(found)
    assert matcher.match("Does the pump in hall one rattle?").outcome == "exact"
    assert matcher.match("What is the pump in hall one?").outcome == "far"


def test_questions_of_no_rule_are_found_by_their_words_if_only_one_has_them():
    own = [
        Asked("MACHINE", question, "x", {}, ["pump"])
        for question in ("Is the bearing of the pump worn out?", "Does the pump rattle when it is cold?")
    ]
    matcher = QuestionMatcher(taught_by(own))
    near = matcher.match("is the bearing of the pump worn out")
    assert (near.outcome, near.asked) == ("mapped", "Is the bearing of the pump worn out?")
    assert matcher.match("Is the pump new?").outcome == "far"
    assert matcher.match("Is the bearing of the pump not worn out?").outcome == "far"


def test_what_is_written_is_read_again(taught):
    assert taught_from_dict(json.loads(taught.to_text()), "file") == taught


def test_two_trainings_are_joined(taught):
    second = taught_by(
        Asked("AZIMUTH_DEG", "At how many degrees is the siren?", "5 degrees", {"azimuth_deg": 5.0}, ["siren"]) for _ in "a"
    )
    both = merged(taught, second)
    assert merged(None, second) is second and merged(taught, None) is taught
    assert len(both.questions) == len(taught.questions) + 1 and "siren" in both.labels and both.most_sources == 2
    wider = replace(taught.questions[1], ranges={"distance_m": (0.2, 9.0)}, wordings=("Where?",))
    (where,) = merged(taught, replace(taught, questions=(wider,))).of_types(["DOA"])
    assert where.ranges == {"distance_m": (0.2, 9.0)} and where.wordings[-1] == "Where?" and len(where.wordings) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2, this library reads 1: upgrade"),
        ({"version": "1"}, "version is missing, unknown or not 1"),
        ({"more": 1}, "more is missing, unknown"),
        ({"labels": "bell"}, "labels is not as expected"),
        ({"labels": [1]}, "labels is not as expected"),
        ({"questions": []}, "questions is not as expected"),
        ({"questions": [{}]}, r"questions\[0\]: it is not as expected"),
        ({"most_sources": True}, "most_sources is not as expected"),
        ({"level_dbfs_at_1m": "loud"}, "level_dbfs_at_1m is not as expected"),
    ],
)
def test_a_damaged_file_is_refused(taught, change, message):
    with pytest.raises(CheckpointError, match=message):
        taught_from_dict(json.loads(taught.to_text()) | change, "file")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"wordings": ["Where is {x}?", "Where?"]}, "the names in braces of"),
        ({"wordings": []}, "wordings is not as expected"),
        ({"value": 3}, "value is not as expected"),
        ({"ranges": {"distance_m": [4, 1]}}, "ranges is not as expected"),
        ({"words": {"side": ["left", ""]}}, "words is not as expected"),
    ],
)
def test_a_damaged_question_is_refused(taught, change, message):
    value = json.loads(taught.to_text())
    value["questions"][0] |= change
    with pytest.raises(CheckpointError, match=message):
        taught_from_dict(value, "file")
