"""Measures how well the spans of events fit (temporal intersection over union), and counts predicted events that are
invented.

Source: recall at an overlap of 0.3, 0.5 and 0.7 is that of temporal grounding (R1@0.3 to R1@0.7, arXiv 1705.02101), whose
question names one sound and whose answer is one span. In a list of events, the span that answers for a reference event is
the one that it is paired with.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from spatial_llm.evaluation.metrics.events.event import TINY_S, Event, by_label

IOU_THRESHOLDS = (0.3, 0.5, 0.7)


class Overlaps(NamedTuple):
    """Holds, for each reference event (n,), in order of classes: intersection over union with its predicted event, 0 where
    it has none; and the absolute error of the onset in seconds, NaN where it has none."""

    iou: NDArray[np.float64]
    onset_error_s: NDArray[np.float64]


def overlaps(reference: Sequence[Event], predicted: Sequence[Event]) -> Overlaps:
    """Returns how well the events of one recording fit. Within each class events are paired one to one so that the sum of
    their intersections over union is largest; events that do not overlap are no pair."""
    found, late = [np.zeros(0)], [np.zeros(0)]
    for own, told in by_label(reference, predicted).values():
        iou, error_s = np.zeros(len(own)), np.full(len(own), np.nan)
        if own and told:
            common_s, union_s = _common_s(own, told), _union_s(own, told)
            share = np.where(common_s > TINY_S, common_s / union_s, 0.0)
            for first, second in zip(*linear_sum_assignment(share, maximize=True), strict=True):
                if share[first, second] > 0:
                    iou[first] = share[first, second]
                    error_s[first] = abs(own[first].onset_s - told[second].onset_s)
        found.append(iou)
        late.append(error_s)
    return Overlaps(np.concatenate(found), np.concatenate(late))


class Hallucinated(NamedTuple):
    """Holds how many events of a recording are predicted, of how many the class is nowhere in the reference, and how many
    others do not overlap any reference event of their class."""

    predicted: int
    absent_label: int
    apart: int


def hallucinated(reference: Sequence[Event], predicted: Sequence[Event]) -> Hallucinated:
    """Returns the number of invented events of one recording; events that only touch do not overlap."""
    absent = apart = 0
    for own, told in by_label(reference, predicted).values():
        if not own:
            absent += len(told)
        elif told:
            apart += int(np.sum(~np.any(_common_s(own, told) > TINY_S, axis=0)))
    return Hallucinated(len(predicted), absent, apart)


def _times_s(events: Sequence[Event]) -> tuple[NDArray, NDArray]:
    return np.array([event.onset_s for event in events]), np.array([event.offset_s for event in events])


def _common_s(own: Sequence[Event], told: Sequence[Event]) -> NDArray[np.float64]:
    """Returns the time (own, told) that two events share, in seconds; below 0 if they are apart."""
    (onset_s, offset_s), (told_onset_s, told_offset_s) = _times_s(own), _times_s(told)
    return np.minimum.outer(offset_s, told_offset_s) - np.maximum.outer(onset_s, told_onset_s)


def _union_s(own: Sequence[Event], told: Sequence[Event]) -> NDArray[np.float64]:
    """Returns the length (own, told) of two events together where they overlap."""
    lengths_s = (np.array([event.length_s for event in events]) for events in (own, told))
    return np.add.outer(*lengths_s) - _common_s(own, told)
