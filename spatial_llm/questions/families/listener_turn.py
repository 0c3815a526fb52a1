"""Asks to which side the listener turned, and where a sound is after the turn. Only of a listener who turns one way, while a
still source sounds by which the turn can be heard."""

import numpy as np

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.family import Family
from spatial_llm.questions.motion import MOVED_DEG, Course, courses, named_courses
from spatial_llm.questions.wordings import Wordings

AFTER_S = 0.3  # a place after the turn is asked for if the source sounds this long after it

TURN = Wordings(
    both=(
        "To which side did you turn, to the left or to the right?",
        "On which side did you turn, left or right?",
        "Which side did the listener turn to, left or right?",
    ),
    train=(
        "Was your turn to the left or to the right?",
        "Name the side to which the listener turned, left or right.",
    ),
    eval=(
        "To which side did the listener turn, right or left?",
        "Was the turn of your head to the right or to the left?",
    ),
)
AFTER = Wordings(
    both=(
        "After the turn, where is the sound of the {x}?",
        "Where is the {x} after the turn?",
        "At what distance and in which direction is the {x} after the turn?",
    ),
    train=(
        "Give the location of the {x} after the turn.",
        "Once the turn has ended, where does the sound of the {x} come from?",
    ),
    eval=(
        "Where do you hear the {x} after the turn?",
        "Locate the {x} after the turn.",
    ),
)


def turn(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks: to the left, or to the right?"""
    change_deg = _turn_deg(scene)
    if not change_deg or not any(_reveals(course) for course in courses(scene)):
        return None
    truth = {"left_right": "left" if change_deg > 0 else "right"}
    return asker.ask_even("LISTENER_TURN", TURN, truth, About())


def after_turn(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the place of a still source after the turn, relative to where the listener then faces."""
    if not _turn_deg(scene):
        return None
    end_s = _end_s(scene)

    def is_clear(course: Course) -> bool:
        sounds_on = course.track.times_s[-1] >= end_s + AFTER_S
        return not course.track.moves and sounds_on and course.places[-1].all_clear(asker.margins.axis_margin_deg)

    clear = [course for course in named_courses(scene) if is_clear(course)]
    if not clear:
        return None
    course = asker.pick(clear)
    about = About((course.index,), time_s=round(float(course.track.times_s[-1]), 3))
    return asker.ask_spread("AFTER_TURN", AFTER, course.places[-1].location.to_dict(), about, x=course.source.label)


def _turn_deg(scene: HeardScene) -> float:
    """Returns by how much the listener turns, positive to the left; 0 if by too little, or to and fro."""
    steps_deg = np.diff([heading_deg for _, heading_deg in scene.headings])
    change_deg = float(steps_deg.sum())
    return change_deg if abs(change_deg) >= MOVED_DEG and np.all(steps_deg * change_deg >= 0) else 0.0


def _end_s(scene: HeardScene) -> float:
    """Returns the time at which the listener has turned."""
    return min(time_s for time_s, heading_deg in scene.headings if heading_deg == scene.headings[-1][1])


def _reveals(course: Course) -> bool:
    """Returns whether a turn can be heard by a source: it stands still, and the listener turns enough while it sounds."""
    return not course.track.moves and bool(np.ptp(course.headings_deg) >= MOVED_DEG)


FAMILY = Family(
    "listener_turn",
    {"LISTENER_TURN": "direction_word", "AFTER_TURN": "location"},
    (TURN, AFTER),
    ask=(turn, after_turn),
    needs=("times", "motion"),
)
