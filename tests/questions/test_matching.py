"""What people ask is tied to the taught question of the same meaning, or to none."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from spatial_llm.questions.config import QuestionConfig
from spatial_llm.questions.derive import Asked, labels_in, taught_by
from spatial_llm.questions.families import FAMILIES
from spatial_llm.questions.matching import NEAR, QuestionMatcher
from spatial_llm.questions.matching.labels import LabelFinder, is_typo
from spatial_llm.questions.taught import TAUGHT, taught_from_dict
from spatial_llm.questions.text_corpus import asked_scenes
from spatial_llm.questions.writer import QuestionWriter
from spatial_llm.shipped import find_model

LABELS = ("bell", "acoustic guitar", "baby cry, infant cry", "rain", "engine", "bark", "siren")
HERE = Path(__file__).parent
FAR = "far"


def rows(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


ASKED = dict(rows("asked.tsv")[1:]) | {"Where is the bell? " * 400: FAR}


@cache
def tiny() -> QuestionMatcher:
    path = Path(find_model("tiny"), TAUGHT)
    return QuestionMatcher(taught_from_dict(json.loads(path.read_text(encoding="utf-8")), str(path)))


@cache
def all_families() -> QuestionMatcher:
    config = QuestionConfig(ask={family.name: 1 for family in FAMILIES}, limit=12, more_phrasings=True)
    taught = taught_by(
        Asked(
            item.question_type,
            item.question,
            item.answer,
            item.truth,
            [*scene.labels, *labels_in(item.truth, item.about.absent)],
        )
        for scene, questions in asked_scenes(LABELS, 6000, 0, config=config)
        for item in questions
    )
    return QuestionMatcher(taught)


@pytest.mark.parametrize("text", ASKED, ids=lambda text: text[:50])
def test_a_question_is_asked_in_the_taught_wording_or_is_near_none(text):
    match, wanted = tiny().match(text), ASKED[text]
    assert (match.asked, match.outcome) == ((text, FAR) if wanted == FAR else (wanted, "mapped"))
    assert (match.similarity >= NEAR) == (wanted != FAR)
    assert bool(match.problem) == (wanted == FAR)


def test_paraphrases_find_their_question_and_nothing_else_is_taken_for_one():
    """No paraphrase is taken for another question; these were at hand when the words were chosen, so others do worse."""
    found = [(wanted, tiny().match(text)) for wanted, text in rows("paraphrases.tsv")]
    mapped = [(wanted, match) for wanted, match in found if match.outcome != FAR and wanted != FAR]
    assert [match.text for wanted, match in mapped if match.question_type != wanted] == []
    paraphrases = sum(wanted != FAR for wanted, _ in found)
    assert paraphrases > 700 and len(mapped) >= 0.99 * paraphrases
    passed = [match.text for wanted, match in found if wanted == FAR and match.outcome != FAR]
    assert len(found) - paraphrases > 330 and len(passed) <= 3, passed


def test_paraphrases_of_later_rounds_are_put_in_the_taught_wording_of_their_meaning():
    """Round 5 was at hand when words and rules were chosen, round 6 was not."""
    found = [(kind, wanted, tiny().match(text)) for _, kind, wanted, text in rows("paraphrases_wide.tsv")]
    mapped = [(kind, wanted, match) for kind, wanted, match in found if FAR not in (kind, match.outcome)]
    # A paraphrase that has the words of another taught wording of the same question gets that one.
    other = [m.text for kind, wanted, m in mapped if m.question_type != kind or (m.asked != wanted and m.similarity < 1)]
    assert other == []
    paraphrases = sum(kind != FAR for kind, _, _ in found)
    assert paraphrases > 850 and len(mapped) >= 0.97 * paraphrases
    passed = [match.text for kind, _, match in found if kind == FAR and match.outcome != FAR]
    assert len(found) - paraphrases > 200 and len(passed) <= 2, passed


def test_every_taught_wording_is_left_as_it_is():
    taught = tiny().taught
    for question in taught.questions:
        fill = {"x": "bell", "y": "baby cry, infant cry", "place": "left, behind, above", "distance": "2.5 meters"}
        fill |= {"first": "left, front, above, 2 meters away", "second": "right, behind, below, 1 meter away"}
        fill |= {name: phrases[-1] for name, phrases in question.words.items()}
        for wording in question.wordings:
            match = tiny().match(wording.format(**fill))
            assert (match.outcome, match.asked, match.similarity, match.notes) == ("exact", match.text, 1.0, ())


# Question types of equal meaning: a model that was taught both may be asked either.
SAME = {"ABSENT": "MIXUP_SINGLE_DOA"} | {
    f"RELATION_{side}": "MIXUP_NONBINARY_SOURCE" for side in ("LEFT", "RIGHT", "FRONT", "BEHIND")
}


def test_wordings_that_training_never_uses_are_understood_in_every_family():
    """The wordings of evaluation are paraphrases that somebody else wrote down: with the sounds, sides and turns kept."""
    config = QuestionConfig(
        ask={family.name: 1 for family in FAMILIES}, limit=14, more_phrasings=True, only_unseen_phrasings=True
    )

    writer = QuestionWriter(config, np.random.default_rng(3), LABELS, "eval")
    types = set()
    for scene, _ in asked_scenes(LABELS, 350, 1, config=QuestionConfig(ask={family.name: 1 for family in FAMILIES})):
        for item in writer.write(scene):
            match = all_families().match(item.question)
            assert match.outcome == "mapped", (item.question, match.problem)
            assert match.question_type in (item.question_type, SAME.get(item.question_type)), (item.question, match.asked)
            named = [label for label in LABELS if f" {label}" in item.question]
            assert all(label in match.asked for label in named), (item.question, match.asked)
            types.add(item.question_type)
    assert len(types) >= 33


@pytest.mark.parametrize(
    "text",
    [
        "do bell and siren overlap",
        "Is there any overlap between the bell and the siren?",
        "Is there a temporal overlap of the bell with the siren?",
        "Do the sounds of the bell and of the siren overlap each other?",
        "Could you tell me if the bell overlaps with the siren?",
        "Does the bell sound at the same time as the siren?",
        "Can you hear the bell and the siren at the same time?",
        "Are both the bell and the siren sounding simultaneously?",
        "Do you hear the bell and the siren together?",
        "Are the bell and the siren audible at once?",
        "Is the bell heard while the siren sounds?",
        "Does the bell ring while the siren is going on?",
        "Does the bell sound during the siren?",
        "Is there a moment when both the bell and the siren can be heard?",
        "Is it true that the bell and the siren coincide?",
    ],
)
def test_an_overlap_in_time_is_understood(text: str) -> None:
    match = all_families().match(text)
    assert (match.outcome, match.asked) == ("mapped", "Do the bell and the siren overlap in time?")
    assert tiny().match(text).outcome == FAR, "it was not taught times"


@pytest.mark.parametrize(
    "text",
    [
        "Does the bell start at the same time as the siren?",
        "Do the bell and the siren begin together?",
        "Do the bell and the siren end at the same time?",
        "Does the bell start while the siren sounds?",
        "Does the bell stop before the siren starts?",
        "Is the bell heard after the siren?",
        "When do the bell and the siren overlap?",
        "From when to when do the bell and the siren overlap?",
        "How long do the bell and the siren overlap?",
        "Do the bell and the siren overlap for more than 2 seconds?",
        "Do the bell and the siren overlap at 3 s?",
        "Which sounds overlap?",
        "How many sounds overlap?",
        "Does anything overlap with the bell?",
        "Do the bell and the siren never overlap?",
        "Is there no overlap between the bell and the siren?",
        "Do the bell and the siren overlap or does one come first?",
        "Do the bell and the siren overlap in space?",
        "Is there a spatial overlap of the bell and the siren?",
        "Do the bell and the siren overlap in frequency?",
        "Do the bell and the siren come from the same place at the same time?",
        "Are the bell and the siren close together?",
        "Is the sound of the bell and that of the siren together?",
        "Are both the bell and the siren in the recording?",
        "Is the bell on the left while the siren sounds?",
        "Is the bell on the left and the siren on the right at the same time?",
        "Is the bell ever on the left?",
        "Do the bell, the siren and the rain overlap?",
        "Do the two bells overlap?",
        "Do the bell and the trumpet overlap?",
        "After turning 90 degrees to the left, do the bell and the siren overlap?",
        "Do the bell and the siren have the same length?",
    ],
)
def test_what_has_words_of_an_overlap_in_time_and_asks_something_else_is_near_none(text: str) -> None:
    assert all_families().match(text).outcome == tiny().match(text).outcome == FAR


@pytest.mark.parametrize(
    ("text", "question_type"),
    [
        ("How many sounds are there at the same time?", "COUNT_SOURCES"),
        ("How many kinds of sound do you hear simultaneously?", "COUNT_CLASSES"),
        ("What is heard at the same time?", "CLASSIFICATION"),
        ("Where are the two bells at the same time?", "SAME_CLASS"),
        ("When does the bell begin and end?", "SPAN"),
        ("For how many seconds does the bell sound?", "DURATION"),
        ("What starts first?", "ONSET_FIRST"),
        ("Can you hear the bell?", "PRESENT"),
        ("How far is the bell from the siren?", "MIXUP_NONBINARY_DISTANCE"),
    ],
)
def test_an_overlap_in_time_takes_no_question_of_another_family(text: str, question_type: str) -> None:
    match = all_families().match(text)
    assert (match.outcome, match.question_type) == ("mapped", question_type)


def test_unknown_sounds_are_named():
    match = tiny().match("Is the trumpet nearer than the bell?")
    assert match.unknown == ("trumpet",) and "does not know the sound 'trumpet'" in match.problem
    assert match.question_type == "MIXUP_DISTANCE_BOTH" and "engine; fire" in match.problem
    assert tiny().match("Where is the electric guitar?").unknown == ("electric guitar",)


def test_what_a_question_lacks_is_named():
    assert tiny().match("If I turn left, where is the bell?").missing.startswith("by how many degrees")
    assert tiny().match("What is the azimuth?").missing == "which sound is meant"
    assert "front or behind" in tiny().match("What is on the left, above, 2 meters away?").missing


def test_other_words_for_a_sound_are_noted():
    assert tiny().match("Where's the puppy?").notes == ("'puppy' is taken for the sound 'bark'",)
    assert tiny().match("Where's the bell?").notes == ()


def test_a_name_of_two_sounds_is_not_guessed():
    finder = LabelFinder(("acoustic guitar", "electric guitar", "dog", "bark"))
    assert finder.at(["guitar"], 0)[1].labels == ("acoustic guitar", "electric guitar")
    assert finder.at(["dog"], 0)[1].labels == ("dog",)  # a sound of that name wins over another word for one


@pytest.mark.parametrize(
    ("word", "of", "is_one"),
    [
        ("engnie", "engine", True),
        ("enginee", "engine", True),
        ("sirn", "siren", True),
        ("train", "rain", False),
        ("class", "glass", False),
        ("bell", "belt", False),
    ],
)
def test_typing_errors(word, of, is_one):
    assert is_typo(word, of) is is_one


def test_real_words_are_no_typing_errors():
    for text in ("Where is the grass?", "Where is the train?", "Where is the snake?", "Where is the cells?"):
        assert tiny().match(text).outcome == FAR, text


@pytest.mark.parametrize(
    "text",
    [
        "After turning -90 degrees to the left, where is the engine?",
        "After turning \u221290 degrees to the left, where is the engine?",
        "After the engine turns 90 degrees to the left, where is it?",
        "Which way should I turn to face away from the engine?",
        "Where should I turn my back to the engine?",
        "In which direction is the listener seen from the engine?",
        "From the engine's point of view, where am I?",
        "What direction am I in from the engine?",
        "From which side does the engine hear me?",
    ],
)
def test_the_opposite_direction_is_not_taken_for_the_direction(text: str) -> None:
    assert tiny().match(text).outcome == FAR


@pytest.mark.parametrize(
    "text",
    [
        "Where is the engine after turning 90 degrees left?",
        "Where is the engine from my point of view?",
        "Where is the engine seen from me?",
        "Where am I hearing the engine?",
    ],
)
def test_what_looks_like_the_opposite_is_still_understood(text: str) -> None:
    assert tiny().match(text).outcome == "mapped"
