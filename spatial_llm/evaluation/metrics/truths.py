"""What is true of each item beyond its answer: where the source asked about is, when each sound begins, and in what
surroundings it is heard.

Peculiar: records do not say which source a question asks about. It is found from what is true of it: the only source, the
one at the true place, the one of the true label, or the one whose name stands in the question. Where that leaves none or
several, the place is not known, and measures that need it leave the item out.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spatial_llm.answers import parse_value
from spatial_llm.evaluation.predicting.evaluation_set import Item
from spatial_llm.geometry import wrap_azimuth_deg
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.families.rotated import TURNS_DEG
from spatial_llm.scenes.scene import direction_of

# Questions about a relation, about all sources or about the room: about no place of one source
_OF_NO_SOURCE = (
    "MIXUP_DIRECTION", "MIXUP_DISTANCE_BOTH", "MIXUP_NONBINARY_DIRECTION", "MIXUP_NONBINARY_DISTANCE", "COUNT_SOURCES",
    "COUNT_CLASSES", "SAME_CLASS", "ONSET_ORDER", "ROOM_RT60", "ROOM_SIZE", "ROOM_REVERB", "SWAPPED",
)  # fmt: skip
_OF_PRESENCE = ("PRESENT", "PRESENT_AT_PLACE")
_TURNED = ("ROTATED", "ROTATED_AZIMUTH")
Sources = list[tuple[set[str], HeardSource | None]]  # labels, and as heard where known


@dataclass(frozen=True)
class Truth:
    """What is true of one item.

    Attributes:
        value: of its answer, see `answers.parse_value`.
        source: the source asked about, as the question hears it (after a turn, turned); None where not known.
        turn_deg: by how much the question turns the listener, positive to the left.
        onsets_s: when each sound begins, by label, where all are known and different.
    """

    value: dict[str, Any]
    source: HeardSource | None = None
    turn_deg: float = 0.0
    onsets_s: dict[str, float] = field(default_factory=dict)

    @property
    def where(self) -> dict[str, float] | None:
        """The place of that source in the listener's own frame, before any turn: azimuth_deg, elevation_deg, distance_m."""
        if self.source is None:
            return None
        source = self.source.after_turn(-self.turn_deg)
        return {name: float(getattr(source, name)) for name in ("azimuth_deg", "elevation_deg", "distance_m")}


def read_truths(items: Sequence[Item]) -> list[Truth | None]:
    """The truth of each item, its answer read strictly; None where it does not parse."""
    heard: dict[str, Sources] = {}
    truths = []
    for item in items:
        value = parse_value(item.question_type, item.answer, "strict")
        if item.recording_id not in heard:
            heard[item.recording_id] = _sources(item)
        truths.append(None if value is None else _truth(item, value, heard[item.recording_id]))
    return truths


def mirrored_truths(
    items: Sequence[Item], truths: Sequence[Truth | None], mirrored: Callable[[Item], dict[str, Any] | None]
) -> list[Truth | None]:
    """The truths after the ears have been exchanged; None where `mirrored` does not know."""
    result = []
    for item, truth in zip(items, truths, strict=True):
        value = None if truth is None else mirrored(item)
        result.append(None if value is None else replace(truth, value=value, source=_mirror(truth)))
    return result


def context_of(item: Item, truth: Truth | None) -> dict[str, Any]:
    """The surroundings of an item: number of sources, rt60_s, drr_db (of the source asked about, or else the mean over the
    sources), snr_db and labels; None where not known."""
    scene, pairs = getattr(item, "scene", None), getattr(item, "pairs", None)
    context = {"sources": None, "rt60_s": None, "drr_db": None, "snr_db": None, "labels": []}
    if pairs is not None:
        context["sources"] = len(pairs)
        context["labels"] = sorted({label for pair in pairs for label in pair.labels or ()})
    if scene is not None:
        context["sources"] = len(scene.sources)
        context["labels"] = sorted({source.label for source in scene.sources})
        context["snr_db"] = None if scene.noise is None else scene.noise.snr_db
    if scene is not None and scene.truth is not None:
        context["rt60_s"] = scene.truth.rt60_s
        asked = None if truth is None or truth.source is None else truth.source.distance_m
        ratios = [source.drr_db for source in scene.truth.sources if asked in (None, source.distance_m)]
        context["drr_db"] = None if not ratios or None in ratios else float(np.mean(ratios))
    return context


def _sources(item: Item) -> Sources:
    """(labels, as heard or None) of each source of a recording, as far as the record says."""
    scene, pairs = getattr(item, "scene", None), getattr(item, "pairs", None)
    if scene is not None and scene.truth is not None:
        return [
            ({source.label}, HeardSource(source.label, true.azimuth_deg, true.elevation_deg, true.distance_m, true.onset_s))
            for source, true in zip(scene.sources, scene.truth.sources, strict=True)
        ]
    if scene is not None:
        places = [direction_of(scene.listener, source.position_m) for source in scene.sources]
        return [
            ({source.label}, HeardSource(source.label, *place)) for source, place in zip(scene.sources, places, strict=True)
        ]
    found = []
    for pair in pairs or ():
        labels, place = pair.labels or (), (pair.azimuth_deg, pair.elevation_deg, pair.distance_m)
        found.append((set(labels), None if None in place else HeardSource("; ".join(labels), *place)))
    return found


def _truth(item: Item, value: dict[str, Any], sources: Sources) -> Truth:
    onsets_s = {source.label: source.onset_s for _, source in sources if source is not None and source.onset_s is not None}
    turn_deg = _turn_deg(item.question) if item.question_type in _TURNED else 0.0
    known = turn_deg is not None and all(source is not None for _, source in sources)
    turned = [(labels, source.after_turn(turn_deg)) for labels, source in sources] if known else []
    asked = _asked_about(item, value, turned)
    return Truth(value, asked, turn_deg or 0.0, onsets_s if len(onsets_s) == len(sources) else {})


def _turn_deg(question: str) -> float | None:
    """The turn that a question names first; what follows may be the convention ("from -180 to 180 degrees")."""
    found = [(question.find(words), turn_deg) for words, turn_deg in TURNS_DEG.items() if words in question]
    return min(found)[1] if found else None


def _asked_about(item: Item, value: dict[str, Any], sources: Sources) -> HeardSource | None:
    kind = item.question_type
    if kind in _OF_NO_SOURCE or "absent" in value or (kind in _OF_PRESENCE and value == {"yes": False}):
        return None
    if len(sources) == 1:
        return sources[0][1]
    named = _named(item.question, sources)
    if "left_right" in value:
        words = (value["left_right"], value["front_behind"], value["above_below"])
        there = [pair for pair in sources if pair[1].words == words]
        exactly = [pair for pair in there if pair[1].location.to_dict() == value]
        return _only(there) or _only(exactly) or _only([pair for pair in exactly or there if pair in named])
    if "labels" in value:
        return _only([pair for pair in sources if pair[0] == set(value["labels"])])
    return _only(named)


def _named(question: str, sources: Sources) -> Sources:
    """The sources of which a label stands in the question, not as a part of a longer one that does too."""
    text = question.lower()
    names = {name for labels, _ in sources for name in labels if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)}
    names -= {short for short in names for long in names if short != long and short in long}
    return [(labels, source) for labels, source in sources if labels & names]


def _only(sources: Sources) -> HeardSource | None:
    return sources[0][1] if len(sources) == 1 else None


def _mirror(truth: Truth) -> HeardSource | None:
    if truth.source is None:
        return None
    before = truth.source.after_turn(-truth.turn_deg)
    return replace(before, azimuth_deg=float(wrap_azimuth_deg(-before.azimuth_deg))).after_turn(truth.turn_deg)
