"""Captions of a scene in plain words: what sounds, from where, how far, and when, each alone or together.

They are the texts by which an encoder is taught the meaning of what it hears (`training.encoder.objectives`), and those that
retrieval asks for. An encoder whose channels are divided by task gets, for each slice, a text that names what the slice is
for and nothing else: where for distance and direction, what for events. Directions and distances are those of the
questions: one word for each axis, and steps of 0.5 m. A caption of several sources names them in a fixed order.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np

from spatial_llm.answers import format_number
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.facts import HeardSource, step_distance_m

SOUND, DIRECTION, DISTANCE, TIME = ASPECTS = ("sound", "direction", "distance", "time")
WHOLE = "whole"  # the view of an encoder whose channels nothing divides
# What the texts of a view name. The fewer facts of a caption are named, the more recordings it is true of.
FORMS: dict[str, tuple[tuple[str, ...], ...]] = {
    WHOLE: (ASPECTS, (SOUND, DIRECTION, DISTANCE), (SOUND,), (DIRECTION, DISTANCE)),
    "distance": ((DISTANCE,),),
    "direction": ((DIRECTION,),),
    "event": ((SOUND,), (SOUND, TIME)),
}


class _Style(NamedTuple):
    """One way to put each fact; `direction` is that of single words, joined by `joint`."""

    sound: str
    direction: dict[str, str]
    joint: str
    distance: str
    time: str


_PLAIN = {word: word for word in ("left", "right", "front", "behind", "above", "below")}
_ON = {"left": "on the left", "right": "on the right", "front": "in front", "behind": "behind", "above": "above",
       "below": "below"}  # fmt: skip
_TO = {"left": "to the left", "right": "to the right", "front": "ahead", "behind": "at the back", "above": "high up",
       "below": "low down"}  # fmt: skip
_STYLES = (
    _Style("{}", _PLAIN, ", ", "{} m away", "from {} s to {} s"),
    _Style("the sound of {}", _ON, ", ", "at a distance of {} m", "between {} s and {} s"),
    _Style("{} can be heard", _TO, " and ", "{} meters from the listener", "it begins at {} s and ends at {} s"),
    _Style("a recording of {}", _ON, " and ", "{} m from here", "starting at {} s, stopping at {} s"),
)
STYLES = len(_STYLES)


class Caption(NamedTuple):
    """A text, and the aspects that it names, in the order of `ASPECTS`."""

    text: str
    named: tuple[str, ...]


def write_caption(sources: Sequence[HeardSource], aspects: Collection[str], style: int = 0) -> Caption | None:
    """Returns the caption that names these aspects of all sources, as far as they are known. None if none of them is.

    All of them: "bell, left, front, above, 2.5 m away, from 0.3 s to 1.9 s; rain, ...".

    Args:
        sources: of one scene.
        aspects: some of `ASPECTS`.
        style: 0 to `STYLES` - 1; the facts are the same in each.
    """
    known = tuple(aspect for aspect in ASPECTS if aspect in aspects and all(_knows(source, aspect) for source in sources))
    if not known or not sources:
        return None
    parts = sorted(", ".join(_phrase(source, aspect, _STYLES[style]) for aspect in known) for source in sources)
    return Caption("; ".join(parts), known)


def scene_facts(sources: Sequence[HeardSource]) -> dict[str, str | None]:
    """Returns each aspect of a scene as one text, equal for equal facts; None where it is not known."""
    captions = {aspect: write_caption(sources, (aspect,)) for aspect in ASPECTS}
    return {aspect: None if caption is None else caption.text for aspect, caption in captions.items()}


def captions_of_view(sources: Sequence[HeardSource], view: str, count: int, random: np.random.Generator) -> list[Caption]:
    """Returns `count` captions of a scene for one view of an encoder: its forms in turn, each in a style drawn at random.

    Raises:
        SpatialLLMError: there is no such view, or the scene tells nothing that the view is for.
    """
    if view not in FORMS:
        raise SpatialLLMError(f"no captions for the channels {view!r}; expected one of {', '.join(FORMS)}.")
    forms = [form for form in FORMS[view] if write_caption(sources, form) is not None]
    if not forms:
        raise SpatialLLMError(f"nothing is known that a caption of {view!r} could name.")
    return [write_caption(sources, forms[n % len(forms)], int(random.integers(STYLES))) for n in range(count)]


def _knows(source: HeardSource, aspect: str) -> bool:
    if aspect == DIRECTION:
        return source.azimuth_deg is not None and source.elevation_deg is not None and not source.folded
    if aspect == DISTANCE:
        return source.distance_m is not None
    return aspect == SOUND or (source.onset_s is not None and source.offset_s is not None)


def _phrase(source: HeardSource, aspect: str, style: _Style) -> str:
    if aspect == SOUND:
        return style.sound.format(source.label)
    if aspect == DIRECTION:
        return style.joint.join(style.direction[word] for word in source.words)
    if aspect == DISTANCE:
        return style.distance.format(format_number(step_distance_m(source.distance_m)))
    return style.time.format(*(format_number(round(time_s, 1)) for time_s in (source.onset_s, source.offset_s)))
