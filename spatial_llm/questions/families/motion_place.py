"""Asks where a moving source is at the beginning, at the end and at a time, for a listener who does not turn."""

from spatial_llm.answers import format_seconds
from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.families.azimuth import AZIMUTH_CONVENTION
from spatial_llm.questions.family import Family
from spatial_llm.questions.motion import Course, named_courses
from spatial_llm.questions.wordings import Wordings

NEAR_STEPS = 2  # places of the track, 0.1 s apart, that must have the same words before and after a time
MOST_TURN_DEG = 10.0  # most change of azimuth from one place before a time to one after, where degrees are asked for

STARTS = Wordings(
    both=(
        "Where is the {x} when its sound begins?",
        "Where does the sound of the {x} start to move?",
        "At what distance and in which direction is the {x} when it begins?",
    ),
    train=(
        "Give the place at which the sound of the {x} begins.",
        "Where does the {x} begin its way?",
    ),
    eval=(
        "From where does the {x} start its way?",
        "Where do you hear the {x} when it starts to sound?",
    ),
)
ENDS = Wordings(
    both=(
        "Where is the {x} when its sound ends?",
        "Where does the sound of the {x} stop?",
        "At what distance and in which direction is the {x} when it ends?",
    ),
    train=(
        "Give the place at which the sound of the {x} ends.",
        "Where does the {x} end its way?",
    ),
    eval=(
        "At which place does the {x} finish its way?",
        "Where do you hear the {x} when it stops sounding?",
    ),
)
AT = Wordings(  # {time}: "1.5 s"
    both=(
        "Where is the {x} at {time}?",
        "Where is the sound of the {x} {time} after the beginning of the recording?",
        "At what distance and in which direction is the {x} at {time}?",
    ),
    train=(
        "Give the location of the {x} at {time}.",
        "At {time}, where does the sound of the {x} come from?",
    ),
    eval=(
        "From where do you hear the {x} at {time}?",
        "Locate the {x} at {time}.",
    ),
)
AZIMUTH_AT = Wordings(  # {time}: "1.5 s"
    both=(
        "At what azimuth is the {x} at {time}?",
        "What is the azimuth of the sound of the {x} at {time} in degrees?",
        "From which azimuth does the sound of the {x} arrive at {time}?",
    ),
    train=(
        "Give the azimuth of the {x} at {time} in degrees.",
        "At {time}, which azimuth has the {x}?",
    ),
    eval=(
        "Estimate the azimuth angle of the {x}'s sound at {time}.",
        "Which azimuth angle has the sound of the {x} at {time}?",
    ),
    convention=AZIMUTH_CONVENTION,
)


def starts(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the place of a moving source at its onset."""
    return _at_an_end(asker, scene, "MOTION_START", STARTS, 0, NEAR_STEPS)


def ends(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the place of a moving source at its offset."""
    return _at_an_end(asker, scene, "MOTION_END", ENDS, -1, -1 - NEAR_STEPS)


def at_time(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the place of a moving source at a time, around which its direction words do not change."""
    margin_deg = asker.margins.axis_margin_deg
    clear = [
        (course, index)
        for course in _moving(scene)
        for index in range(NEAR_STEPS, len(course.track.times_s) - NEAR_STEPS)
        if course.words_stay(index - NEAR_STEPS, index + NEAR_STEPS, margin_deg)
    ]
    if not clear:
        return None
    course, index = asker.pick(clear)
    about = About((course.index,), time_s=_time_s(course, index))
    words = {"x": course.source.label, "time": format_seconds(about.time_s)}
    return asker.ask_spread("MOTION_AT", AT, course.places[index].location.to_dict(), about, **words)


def azimuth_at_time(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the azimuth of a moving source at a time, in whole degrees, while it does not pass too fast to tell."""
    clear = [
        (course, index)
        for course in _moving(scene)
        for index in range(1, len(course.track.times_s) - 1)
        if abs(course.track.azimuth_deg[index + 1] - course.track.azimuth_deg[index - 1]) <= MOST_TURN_DEG
        and asker.has_azimuth(course.places[index])
    ]
    if not clear:
        return None
    course, index = asker.pick(clear)
    about = About((course.index,), time_s=_time_s(course, index))
    truth = {"azimuth_deg": course.places[index].whole_azimuth_deg}
    words = {"x": course.source.label, "time": format_seconds(about.time_s)}
    return asker.ask_spread("MOTION_AZIMUTH_AT", AZIMUTH_AT, truth, about, **words)


def _moving(scene: HeardScene) -> list[Course]:
    return [course for course in named_courses(scene) if course.has_moved and not scene.headings]


def _at_an_end(
    asker: Asker, scene: HeardScene, question_type: str, wordings: Wordings, end: int, near: int
) -> Question | None:
    """Asks for the place at one end of the track, `near` which the words stay the same."""

    def is_clear(course: Course) -> bool:
        first, last = sorted(index % len(course.track.times_s) for index in (end, near))
        return course.words_stay(first, last, asker.margins.axis_margin_deg)

    clear = [course for course in _moving(scene) if is_clear(course)]
    if not clear:
        return None
    course = asker.pick(clear)
    about = About((course.index,), time_s=_time_s(course, end))
    return asker.ask_spread(question_type, wordings, course.places[end].location.to_dict(), about, x=course.source.label)


def _time_s(course: Course, index: int) -> float:
    return round(float(course.track.times_s[index]), 3)


FAMILY = Family(
    "motion_place",
    {"MOTION_START": "location", "MOTION_END": "location", "MOTION_AT": "location", "MOTION_AZIMUTH_AT": "azimuth"},
    (STARTS, ENDS, AT, AZIMUTH_AT),
    ask=(starts, ends, at_time, azimuth_at_time),
    needs=("times", "motion"),
)
