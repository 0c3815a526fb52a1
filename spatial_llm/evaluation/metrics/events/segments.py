"""Counts segments of time in which a class is rightly heard: segment-based scores.

A class is active in a segment if any of its events reaches into it. Source: Mesaros, Heittola and Virtanen, Metrics for
polyphonic sound event detection (Applied Sciences 6(6), 2016), section 4.1, with the values of sed_eval 0.2.1 as golden
values. An event that ends where a segment begins does not reach into it, although 0.3 / 0.1 is less than 3 in floats.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatial_llm.evaluation.metrics.events.event import Event, by_label

SEGMENTS_S = (0.1, 1.0)
_TINY = 1e-6  # of a segment


class SegmentCounts(NamedTuple):
    """Holds the counts of one recording.

    classes: label -> (segments active in both, in the reference, in the prediction). substitutions, deletions, insertions:
    summed over the segments, of all classes together: in each, as many missed classes as there are wrong ones are
    substituted, the rest is deleted or inserted.
    """

    classes: dict[str, tuple[int, int, int]]
    substitutions: int
    deletions: int
    insertions: int


def active_segments(reference: Sequence[Event], predicted: Sequence[Event], segment_s: float) -> SegmentCounts:
    """Returns the counts of one recording; `segment_s` is the length of a segment in seconds."""
    last = max((_ends(event, segment_s)[1] for event in (*reference, *predicted)), default=0)
    missed, wrong = np.zeros(last, dtype=np.int64), np.zeros(last, dtype=np.int64)
    classes = {}
    for label, lists in by_label(reference, predicted).items():
        own, told = (_activity(events, segment_s, last) for events in lists)
        classes[label] = int(np.sum(own & told)), int(own.sum()), int(told.sum())
        missed += own & ~told
        wrong += told & ~own
    both = np.minimum(missed, wrong)
    return SegmentCounts(classes, int(both.sum()), int((missed - both).sum()), int((wrong - both).sum()))


def _activity(events: Sequence[Event], segment_s: float, segments: int) -> NDArray[np.bool_]:
    """Returns in which segments (segments,) any of the events is active."""
    active = np.zeros(segments, dtype=bool)
    for event in events:
        first, end = _ends(event, segment_s)
        active[first:end] = True
    return active


def _ends(event: Event, segment_s: float) -> tuple[int, int]:
    """Returns the first segment of an event, and the one after its last."""
    return math.floor(event.onset_s / segment_s + _TINY), math.ceil(event.offset_s / segment_s - _TINY)
