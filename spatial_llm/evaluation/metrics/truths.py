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
from spatial_llm.evaluation.items import Item
from spatial_llm.geometry import wrap_azimuth_deg
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.places import TURNS_DEG
from spatial_llm.scenes.scene import direction_of

# Questions about a relation, about all sources or about the room: about no place of one source
_OF_NO_SOURCE = (
    "MIXUP_DIRECTION", "MIXUP_DISTANCE_BOTH", "MIXUP_NONBINARY_DIRECTION", "MIXUP_NONBINARY_DISTANCE", "COUNT_SOURCES",
    "COUNT_CLASSES", "SAME_CLASS", "ONSET_ORDER", "ROOM_RT60", "ROOM_SIZE", "ROOM_REVERB", "SWAPPED",
)  # fmt: skip
_TURNED = ("ROTATED", "ROTATED_AZIMUTH")


@dataclass(frozen=True)
class Truth:
    """What is true of one item.

    Attributes:
        value: of its answer, see `answers.parse_value`.
        source: the source asked about, as the question hears it (after a turn, turned); None where not known.
        onsets_s: when each sound begins, by label, where all are known and different.
    """

    value: dict[str, Any]
    source: HeardSource | None = None
    onsets_s: dict[str, float] = field(default_factory=dict)


def read_truths(items: Sequence[Item]) -> list[Truth | None]:
    """The truth of each item, its answer read strictly; None where it does not parse."""
    heard: dict[str, list[tuple[set[str], HeardSource | None]]] = {}
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
        result.append(None if value is None else Truth(value, _mirror(truth.source), truth.onsets_s))
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


def _sources(item: Item) -> list[tuple[set[str], HeardSource | None]]:
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


def _truth(item: Item, value: dict[str, Any], sources: list[tuple[set[str], HeardSource | None]]) -> Truth:
    onsets_s = {source.label: source.onset_s for _, source in sources if source is not None and source.onset_s is not None}
    complete = len(onsets_s) == len(sources)
    return Truth(value, _asked_about(item, value, sources), onsets_s if complete else {})


def _asked_about(
    item: Item, value: dict[str, Any], sources: list[tuple[set[str], HeardSource | None]]
) -> HeardSource | None:
    if item.question_type in _OF_NO_SOURCE or "absent" in value or any(source is None for _, source in sources):
        return None
    if item.question_type in _TURNED:
        turns = [turn for turn in TURNS_DEG if turn in item.question]
        if len(turns) != 1:
            return None
        sources = [(labels, source.after_turn(TURNS_DEG[turns[0]])) for labels, source in sources]
    named = _named(item.question, sources)
    if value.get("yes") is False and item.question_type in ("PRESENT", "PRESENT_AT_PLACE"):
        return None
    if len(sources) == 1:
        return sources[0][1]
    if "left_right" in value:
        words = (value["left_right"], value["front_behind"], value["above_below"])
        there = [(labels, source) for labels, source in sources if source.words == words]
        exactly = [(labels, source) for labels, source in there if source.location.to_dict() == value]
        return _only(there) or _only(exactly) or _only([source for source in exactly or there if source in named])
    if "labels" in value:
        return _only([(labels, source) for labels, source in sources if labels == set(value["labels"])])
    return _only(named)


def _named(
    question: str, sources: list[tuple[set[str], HeardSource | None]]
) -> list[tuple[set[str], HeardSource | None]]:
    """The sources of which a label stands in the question, not as a part of a longer one that does too."""
    text = question.lower()
    names = {name for labels, _ in sources for name in labels if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)}
    names -= {short for short in names for long in names if short != long and short in long}
    return [(labels, source) for labels, source in sources if labels & names]


def _only(sources: list[tuple[set[str], HeardSource | None]]) -> HeardSource | None:
    return sources[0][1] if len(sources) == 1 else None


def _mirror(source: HeardSource | None) -> HeardSource | None:
    return source and replace(source, azimuth_deg=float(wrap_azimuth_deg(-source.azimuth_deg)))
