"""Asks in which direction a named source moves: from side to side, around the listener, up or down, towards or away. Each is
asked only where the source clearly moves so, and goes but one way."""

from collections.abc import Callable

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.family import Family
from spatial_llm.questions.motion import Course, named_courses
from spatial_llm.questions.wordings import Wordings

SIDEWAYS = Wordings(
    both=(
        "Does the {x} move from left to right or from right to left?",
        "From which side to which side does the sound of the {x} move, left to right or right to left?",
        "Is the sound of the {x} moving from left to right or from right to left?",
    ),
    train=(
        "Does the sound of the {x} pass you from left to right or from right to left?",
        "Say whether the {x} moves left to right or right to left.",
    ),
    eval=(
        "Which way does the {x} pass you, from right to left or from left to right?",
        "From right to left or from left to right: which way does the {x} move?",
    ),
)
AROUND = Wordings(
    both=(
        "Seen from above, does the {x} move clockwise or counter-clockwise around you?",
        "Is the sound of the {x} moving clockwise or counter-clockwise around you, seen from above?",
        "Does the sound of the {x} move around you clockwise or counter-clockwise?",
    ),
    train=(
        "Which way does the {x} move around you, clockwise or counter-clockwise?",
        "Say whether the {x} moves clockwise or counter-clockwise around you.",
    ),
    eval=(
        "Counter-clockwise or clockwise: which way does the {x} move around you?",
        "In which sense does the {x} move around you, counter-clockwise or clockwise?",
    ),
)
UPRIGHT = Wordings(
    both=(
        "Does the {x} move up or down?",
        "Is the sound of the {x} moving up or down?",
        "Which way does the sound of the {x} move, up or down?",
    ),
    train=(
        "Does the {x} rise or sink, up or down?",
        "Say whether the {x} moves up or down.",
    ),
    eval=(
        "Down or up: which way does the {x} move?",
        "Would you say that the {x} moves down or up?",
    ),
)
RANGE = Wordings(
    both=(
        "Does the {x} move towards you or away from you?",
        "Is the sound of the {x} moving towards you or away?",
        "Which way does the sound of the {x} move, towards you or away from you?",
    ),
    train=(
        "Does the {x} come towards you or go away?",
        "Say whether the {x} moves towards you or away from you.",
    ),
    eval=(
        "Away from you or towards you: which way does the {x} move?",
        "Would you say that the {x} moves away from you or towards you?",
    ),
)


def sideways(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: left to right, or right to left? of a source that passes within the half in front of the listener or that
    behind."""
    margin_deg = asker.margins.axis_margin_deg
    words = {1: "left to right", -1: "right to left"}
    return _direction(asker, scene, "MOTION_SIDEWAYS", SIDEWAYS, lambda course: words.get(course.crossing(margin_deg)))


def around(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: clockwise, or counter-clockwise? of a source that is never nearly above or below the listener."""

    def word(course: Course) -> str | None:
        change_deg = course.around_deg() if all(map(asker.has_azimuth, course.places)) else 0.0
        return _sign_word(change_deg, "counter-clockwise", "clockwise")

    return _direction(asker, scene, "MOTION_AROUND", AROUND, word)


def upright(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: up, or down? of a source whose height and elevation both change."""
    return _direction(asker, scene, "MOTION_UPRIGHT", UPRIGHT, lambda course: _sign_word(course.rising_deg(), "up", "down"))


def range_m(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: towards, or away?"""
    return _direction(asker, scene, "MOTION_RANGE", RANGE, lambda course: _sign_word(course.leaving_m(), "away", "towards"))


def _sign_word(change: float, positive: str, negative: str) -> str | None:
    return None if change == 0 else positive if change > 0 else negative


def _direction(
    asker: Asker, scene: HeardScene, question_type: str, wordings: Wordings, word_of: Callable[[Course], str | None]
) -> Question | None:
    """Asks for the direction of one of the sources that have clearly moved and have a word for it."""
    found = [(course, word_of(course)) for course in named_courses(scene) if course.has_moved]
    clear = [(course, word) for course, word in found if word is not None]
    if not clear:
        return None
    course, word = asker.pick(clear)
    about = About((course.index,))
    return asker.ask_even(question_type, wordings, {"motion": word}, about, x=course.source.label)


FAMILY = Family(
    "motion",
    {"MOTION_SIDEWAYS": "motion", "MOTION_AROUND": "motion", "MOTION_UPRIGHT": "motion", "MOTION_RANGE": "motion"},
    (SIDEWAYS, AROUND, UPRIGHT, RANGE),
    ask=(sideways, around, upright, range_m),
    needs=("times", "motion"),
)
