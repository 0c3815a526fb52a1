"""What people ask about motion is tied to the taught question of the same meaning, or to none."""

from functools import cache

import pytest

from spatial_llm.questions.families import FAMILIES
from spatial_llm.questions.matching import QuestionMatcher
from spatial_llm.questions.recognising import types_of
from spatial_llm.questions.taught import TaughtQuestion, TaughtQuestions

FAR = "far"
WORDS = {
    "word": ("the left", "the right"),
    "other": ("the left", "the right"),
    "side": ("on your left", "on your right", "in front of you", "behind you", "above you", "below you"),
}


@cache
def matcher() -> QuestionMatcher:
    """Of a model that was taught the place of a named sound, and all about motion."""
    taught = []
    for family in FAMILIES:
        if "motion" in family.needs or family.name in ("caption", "location_of_named", "time", "nearest", "count"):
            for index, wordings in enumerate(family.wordings):
                for name in types_of(family, index):
                    words = {slot: WORDS[slot] for slot in WORDS if f"{{{slot}}}" in "".join(wordings.of("train"))}
                    taught.append(TaughtQuestion(name, family.types[name], wordings.of("train"), words))
    return QuestionMatcher(TaughtQuestions(tuple(taught), ("bell", "bark", "siren", "helicopter")))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Is the siren moving?", "MOVES"),
        ("does the dog move around", "MOVES"),
        ("Is anything moving?", "ANY_MOVES"),
        ("How many sounds are moving?", "COUNT_MOVING"),
        ("Does the siren move from left to right or right to left?", "MOTION_SIDEWAYS"),
        ("Is the helicopter moving clockwise or anticlockwise?", "MOTION_AROUND"),
        ("Is the helicopter moving up or down?", "MOTION_UPRIGHT"),
        ("Is the siren moving towards me or away from me?", "MOTION_RANGE"),
        ("Where does the siren start?", "MOTION_START"),
        ("Where is the siren when it stops?", "MOTION_END"),
        ("Where is the siren at 2.5 seconds?", "MOTION_AT"),
        ("What is the azimuth of the siren at 2.5 s?", "MOTION_AZIMUTH_AT"),
        ("When is the siren closest?", "WHEN_NEAREST"),
        ("At what time is the siren straight ahead?", "WHEN_AHEAD"),
        ("Which is faster, the siren or the helicopter?", "FASTER"),
        ("Which sound moves from the left to the right?", "CROSSES"),
        ("Did I turn left or right?", "LISTENER_TURN"),
        ("Where is the bell after the turn?", "AFTER_TURN"),
        ("What can be heard, when and where, list all sounds?", "CAPTION"),
        # the place, not the motion
        ("Where is the siren?", "MIXUP_SINGLE_DOA"),
        ("Which sound starts first?", "ONSET_FIRST"),
        ("Which sound is nearest?", "NEAREST"),
        ("How many sounds are there?", "COUNT_SOURCES"),
        # near misses
        ("Is the siren moving to the left?", FAR),
        ("Why is the siren moving?", FAR),
        ("Is the siren not moving?", FAR),
        ("Where is the bell after the siren turns?", FAR),
        ("Where is the bell when the siren stops?", FAR),
        ("How fast does the siren move?", FAR),
        ("Is the siren faster than the helicopter?", FAR),
        ("When is the siren behind me?", FAR),
        ("When is the siren farthest?", FAR),
        ("Does the siren move clockwise?", FAR),
        ("Where will the siren move next?", FAR),
        ("Where is the siren between 1 s and 2 s?", FAR),
    ],
)
def test_a_question_about_motion_is_put_in_the_taught_wording_of_its_meaning_or_is_near_none(text: str, wanted: str) -> None:
    match = matcher().match(text)
    assert (FAR if match.outcome == FAR else match.question_type) == wanted, (match.asked, match.problem)


def test_times_and_sides_are_kept() -> None:
    assert "2.5 s" in matcher().match("Where is the siren at 2.5 seconds?").asked
    asked = matcher().match("Which sound moves from the right to the left?").asked
    assert asked.index("the right") < asked.index("the left")
