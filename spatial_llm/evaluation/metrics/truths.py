"""Derives what is true of each item beyond its answer: where the source in question is, when each sound begins, and the
acoustic conditions of the recording.

A record of ours carries what its question is about; for others it is inferred (see `about_of_others`). If the source in
question is not known, or there are several, measures that need its place leave the item out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spatial_llm.data.record import Record, check_meaning, labels_of, source_meant, sources_of
from spatial_llm.evaluation.metrics.about_of_others import infer_about, infer_mirrored
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.mirroring import mirror
from spatial_llm.questions.reversing import reverse
from spatial_llm.questions.types import parse_value


@dataclass(frozen=True)
class Truth:
    """Holds what is true of one item.

    Attributes:
        value: value of its answer, see `questions.types.parse_value`.
        asked: indices, into the sources of the recording, of those that the question is about; empty if not known, or if
            there is none.
        source: the source in question, as the question places it (after a turn, turned; where something moves, at the time
            that the question means); None if its place is not known, or if the question is about several.
        turn_deg: by how many degrees the question turns the listener, positive to the left.
        onsets_s: when each sound begins, by label, if all are known and different.
    """

    value: dict[str, Any]
    asked: tuple[int, ...] = ()
    source: HeardSource | None = None
    turn_deg: float = 0.0
    onsets_s: dict[str, float] = field(default_factory=dict)

    @property
    def where(self) -> dict[str, float] | None:
        """Returns the place of that source in the listener's own frame, before any turn: azimuth_deg, elevation_deg,
        distance_m."""
        if self.source is None:
            return None
        source = self.source.after_turn(-self.turn_deg)
        return {name: float(getattr(source, name)) for name in ("azimuth_deg", "elevation_deg", "distance_m")}


def read_truths(items: Sequence[Record]) -> list[Truth | None]:
    """Returns the truth of each item, its answer parsed strictly; None if it is unparsed."""
    recordings: dict[str, list[HeardSource | None]] = {}
    truths = []
    for item in items:
        value = parse_value(item.question_type, item.answer, "strict")
        if item.recording_id not in recordings or item.known is not None:  # each question may be about another known sound
            recordings[item.recording_id] = sources_of(item)
        truths.append(None if value is None else _truth(item, value, recordings[item.recording_id]))
    return truths


def mirrored_truths(items: Sequence[Record], truths: Sequence[Truth | None]) -> list[Truth | None]:
    """Returns the truths after the ears have been exchanged; None if the answer is then not known."""
    return [None if truth is None else _mirrored(item, truth) for item, truth in zip(items, truths, strict=True)]


def reversed_truths(items: Sequence[Record], truths: Sequence[Truth | None]) -> list[Truth | None]:
    """Returns the truths after the recordings have been reversed in time; None if the answer is then not known."""
    found = []
    for item, truth in zip(items, truths, strict=True):
        value = None if truth is None else reverse(item.question_type, truth.value)
        found.append(None if value is None else replace(truth, value=value))
    return found


def context_of(item: Record, truth: Truth | None) -> dict[str, Any]:
    """Returns the acoustic conditions of an item: number of sources, rt60_s, drr_db (of the source in question, or else the
    mean over the sources), snr_db and labels; None if not known."""
    context = {"sources": None, "rt60_s": None, "drr_db": None, "snr_db": None, "labels": []}
    scene = item.scene
    if item.pairs is not None or scene is not None or item.known is not None:
        labels = labels_of(item)
        context["sources"] = len(labels)
        context["labels"] = sorted({label for each in labels for label in each})
    if scene is not None:
        context["snr_db"] = None if scene.noise is None else scene.noise.snr_db
    if scene is not None and scene.truth is not None:
        context["rt60_s"] = scene.truth.rt60_s
        known = scene.truth.sources
        one = truth is not None and len(truth.asked) == 1
        ratios = [source.drr_db for source in ([known[index] for index in truth.asked] if one else known)]
        context["drr_db"] = None if None in ratios else float(np.mean(ratios))
    return context


def _truth(item: Record, value: dict[str, Any], sources: Sequence[HeardSource | None]) -> Truth:
    about = infer_about(item, value, labels_of(item), sources) if item.about is None else item.about
    source = source_meant(item, about, sources)
    check_meaning(item, value, sources)
    onsets_s = {each.label: each.onset_s for each in sources if each is not None and each.onset_s is not None}
    return Truth(
        value,
        about.sources,
        source if source is not None and source.is_placed else None,
        about.turn_deg,
        onsets_s if len(onsets_s) == len(sources) else {},
    )


def _mirrored(item: Record, truth: Truth) -> Truth | None:
    if item.about is None:
        value = infer_mirrored(item, truth.value)
    else:
        sources = sources_of(item)
        value = mirror(item.question_type, item.about, truth.value, None if None in sources else sources)
    if value is None:
        return None
    if "labels" in value and value["labels"] != truth.value["labels"]:  # another source than before
        return replace(truth, value=value, asked=(), source=None)
    source = truth.source
    if source is not None:
        source = source.after_turn(-truth.turn_deg).mirror_image().after_turn(truth.turn_deg)
    return replace(truth, value=value, source=source)
