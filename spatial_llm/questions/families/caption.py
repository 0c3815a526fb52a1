"""Asks for all sounds with their times and places: "1.1 to 2.4 s bark, left, front, 2.5m; 3 to 4 s bell, right, behind, 1m".
Only for scenes whose times are known."""

from typing import Any

from spatial_llm.answers import format_timed_caption, parse_timed_caption
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.about import About
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.questions.family import Family
from spatial_llm.questions.motion import courses
from spatial_llm.questions.wordings import Wordings

_AXES = ("left_right", "front_behind")
CAPTION_CONVENTION = "Times are in seconds, and places are those at which the sounds begin."

WORDINGS = Wordings(
    both=(
        "Describe what sounds when and where.",
        "Which sounds do you hear, from when to when, and where?",
        "List all sounds with their times and places.",
    ),
    train=(
        "Write down each sound with its times and its place.",
        "What sounds, from when until when, and where?",
    ),
    eval=(
        "List every sound with its place and its times.",
        "Describe when and where each sound is heard.",
    ),
    convention=CAPTION_CONVENTION,
)


def caption(asker: Asker, scene: HeardScene) -> Question | None:
    """Asks for the caption, if all sounds are known, and where each begins is clear; where the listener turns, it is
    relative to where he faces then. A label that a caption cannot hold is not asked for."""
    if not scene.complete or not scene.is_timed:
        return None
    at_onset = {course.index: course.places[0] for course in courses(scene)}
    events = []
    for index, source in enumerate(scene.sources):
        event = _event(asker, source, at_onset.get(index, source))
        if event is None:
            return None
        events.append((index, event))
    try:
        ordered = parse_timed_caption(format_timed_caption([event for _, event in events]))
    except SpatialLLMError:
        return None
    about = About(tuple(index for index, _ in sorted(events, key=lambda each: ordered.index(each[1]))))
    return asker.ask_spread("CAPTION", WORDINGS, {"events": ordered}, about)


def _event(asker: Asker, source: HeardSource, begins: HeardSource) -> dict[str, Any] | None:
    """Returns one sound of a caption, with its place where it begins; None if a part of it is not known or not clear."""
    times = {"onset_s": round(source.onset_s, 1), "offset_s": round(source.offset_s, 1)}
    clear = begins.is_placed and all(begins.is_clear(axis, asker.margins.axis_margin_deg) for axis in _AXES)
    if not clear or source.offset_s - source.onset_s < asker.margins.shortest_s or times["onset_s"] >= times["offset_s"]:
        return None
    words = {axis: begins.word(axis) for axis in _AXES}
    return {"label": source.label, **times, **words, "distance_m": begins.location.distance_m}


FAMILY = Family("caption", {"CAPTION": "timed_caption"}, (WORDINGS,), ask=(caption,), needs=("times",))
