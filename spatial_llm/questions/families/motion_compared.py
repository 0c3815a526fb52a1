"""Asks which of two sources moves faster, and which sound passes from one side of the listener to the other."""

from collections.abc import Sequence
from typing import Any

from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.family import Family
from spatial_llm.questions.motion import FASTER_FACTOR, Course, courses, named_courses
from spatial_llm.questions.wordings import Wordings

FASTER = Wordings(
    both=(
        "Which moves faster, the {x} or the {y}?",
        "Which of the two moves faster, the sound of the {x} or the sound of the {y}?",
        "Of the {x} and the {y}, which one moves faster?",
    ),
    train=(
        "Name the one that moves faster, the {x} or the {y}.",
        "Tell which of the two moves faster, the {x} or the {y}.",
    ),
    eval=(
        "Which one is faster in its motion, the {x} or the {y}?",
        "Which moves at a higher speed, the {x} or the {y}?",
    ),
)
CROSSES = Wordings(  # {word}, {other}: "the left" and "the right", or the other way round
    both=(
        "Which sound begins on {word} and ends on {other}?",
        "What moves from {word} to {other}?",
        "Which of the sounds moves from {word} to {other}?",
    ),
    train=(
        "Name the sound that moves from {word} to {other}.",
        "Which source starts on {word} and ends up on {other}?",
    ),
    eval=(
        "What passes you from {word} to {other}?",
        "Which source is in motion from {word} to {other}?",
    ),
)
_SIDES = {"left": "the left", "right": "the right"}


def faster(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks which of two moving sources is faster, if both its mean and its greatest speed are clearly higher."""
    moving = [course for course in named_courses(scene) if course.has_moved]
    pairs = [(one, other) for one in moving for other in moving if _is_faster(one, other)]
    if not pairs:
        return None
    one, other = asker.pick(pairs)
    first = asker.least(("FASTER",), [True, False])
    x, y = (one, other) if first else (other, one)
    about = About((one.index,), reference=other.index)
    truth = {"labels": [one.source.label]}
    return asker.ask("FASTER", FASTER, truth, about, x=x.source.label, y=y.source.label)


def _is_faster(one: Course, other: Course) -> bool:
    pairs = zip(one.speeds_m_s, other.speeds_m_s, strict=True)
    return all(speed_m_s >= FASTER_FACTOR * than_m_s for speed_m_s, than_m_s in pairs)


def crosses(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks which sound passes from one side to the other, if one does and no other may seem to: each of the others is
    clearly on one side, or passes the other way."""
    sources, margin_deg = scene.sources, asker.margins.axis_margin_deg
    known = list(courses(scene))
    if len(sources) < 2 or len(known) < len(sources) or not scene.complete or scene.headings:
        return None
    from_to = [_sides(course, margin_deg) for course in known]
    found = []
    for begin, end in (("left", "right"), ("right", "left")):
        passing = [course for course, sides in zip(known, from_to, strict=True) if sides == (begin, end)]
        if None not in from_to and len(passing) == 1 and any(passing[0].source is source for source in scene.named):
            found.append((passing[0], begin, end))
    if not found:
        return None
    course, begin, end = asker.pick(found)
    about = About((course.index,), axis="left_right", side=end)
    truth = {"labels": [course.source.label]}
    return asker.ask_spread("CROSSES", CROSSES, truth, about, word=_SIDES[begin], other=_SIDES[end])


def _sides(course: Course, margin_deg: float) -> tuple[str, str] | None:
    """Returns the sides on which a source begins and ends, each clear; None if either is not."""
    ends = course.places[0], course.places[-1]
    if not all(end.is_clear("left_right", margin_deg) for end in ends):
        return None
    return ends[0].word("left_right"), ends[1].word("left_right")


def mirror_crosses(about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None) -> None:
    """Returns None: what passes the other way is not known from the sources, which have no place while they move."""
    return None


FAMILY = Family(
    "motion_compared",
    {"FASTER": "labels", "CROSSES": "labels"},
    (FASTER, CROSSES),
    ask=(faster, crosses),
    mirror={"CROSSES": mirror_crosses},
    opposites={"FASTER": ({"faster", "fastest", "quicker"}, {"slower", "slowest"})},
    needs=("times", "motion"),
)
