"""Asks when a source is nearest to the listener, and when it is straight ahead."""

from collections.abc import Callable

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.families.span import SPAN_CONVENTION
from spatial_llm.questions.family import Family
from spatial_llm.questions.motion import Course, named_courses
from spatial_llm.questions.wordings import Wordings

NEAREST = Wordings(
    both=(
        "When is the {x} nearest to you?",
        "At what time is the sound of the {x} closest to you?",
        "At how many seconds is the {x} nearest to you?",
    ),
    train=(
        "Give the time at which the {x} is closest to you.",
        "When is the {x} at its smallest distance?",
    ),
    eval=(
        "At which second is the {x} the nearest?",
        "When does the {x} reach its shortest distance from you?",
    ),
    convention=SPAN_CONVENTION,
)
AHEAD = Wordings(
    both=(
        "When is the {x} straight ahead of you?",
        "At what time is the sound of the {x} straight in front of you?",
        "At how many seconds is the {x} directly in front of you?",
    ),
    train=(
        "Give the time at which the {x} is straight ahead of you.",
        "When is the {x} heard from straight ahead?",
    ),
    eval=(
        "At which second is the {x} directly ahead of you?",
        "When is the {x} right in front of you?",
    ),
    convention=SPAN_CONVENTION,
)


def nearest(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the time of the closest approach, to a tenth of a second."""
    return _when(asker, scene, "WHEN_NEAREST", NEAREST, lambda course: course.nearest_s() if course.has_moved else None)


def ahead(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the time at which a source passes straight ahead, to a tenth of a second, be it that it moves or that the
    listener turns; not of one that is ever nearly above or below."""

    def time_s(course: Course) -> float | None:
        return course.ahead_s(asker.margins.axis_margin_deg) if all(map(asker.has_azimuth, course.places)) else None

    return _when(asker, scene, "WHEN_AHEAD", AHEAD, time_s)


def _when(
    asker: Asker, scene: HeardScene, question_type: str, wordings: Wordings, time_of: Callable[[Course], float | None]
) -> Question | None:
    found = [(course, time_of(course)) for course in named_courses(scene)]
    clear = [(course, time_s) for course, time_s in found if time_s is not None]
    if not clear:
        return None
    course, time_s = asker.pick(clear)
    about = About((course.index,))
    return asker.ask_spread(question_type, wordings, {"time_s": round(time_s, 1)}, about, x=course.source.label)


FAMILY = Family(
    "motion_time",
    {"WHEN_NEAREST": "moment", "WHEN_AHEAD": "moment"},
    (NEAREST, AHEAD),
    ask=(nearest, ahead),
    needs=("times", "motion"),
)
