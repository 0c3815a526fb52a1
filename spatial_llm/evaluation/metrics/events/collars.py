"""Counts events that are found with their times: event-based scores with a collar.

Source: Mesaros, Heittola and Virtanen, Metrics for polyphonic sound event detection (Applied Sciences 6(6), 2016), section
4.2, in the form of sed_eval 0.2.1 with event_matching_type "optimal", whose values are kept as golden values. We differ from
it in one point: times that are a collar apart count as within it. In sed_eval rounding decides (2.7 - 2.5 is more than 0.2).
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from spatial_llm.evaluation.metrics.events.event import TINY_S, Event, by_label

COLLARS_S = (0.2, 1.0)  # sed_eval's and DCASE's; that of captions of audio with times (TAC, arXiv 2602.15766)
LENGTH_SHARE = 0.5


def found_events(
    reference: Sequence[Event], predicted: Sequence[Event], collar_s: float, length_share: float = LENGTH_SHARE
) -> dict[str, tuple[int, int, int]]:
    """Returns for each class of a recording (events found, reference events, predicted events).

    A predicted event fits a reference event of its class if the onsets differ by at most the collar, and the offsets by at
    most the collar or this share of the reference event's length, whichever is more. As many events are found as can be
    paired one to one.

    Args:
        reference, predicted: the events of one recording.
        collar_s: in seconds.
        length_share: of the reference event's length.
    """
    counts = {}
    for label, (own, told) in by_label(reference, predicted).items():
        found = 0
        if own and told:
            late_s, longer_s = (
                np.abs(np.subtract.outer([getattr(event, end) for event in own], [getattr(event, end) for event in told]))
                for end in ("onset_s", "offset_s")
            )
            allowed_s = np.maximum(collar_s, length_share * np.array([event.length_s for event in own]))[:, None]
            fits = (late_s <= collar_s + TINY_S) & (longer_s <= allowed_s + TINY_S)
            found = int(np.count_nonzero(maximum_bipartite_matching(csr_array(fits)) >= 0))
        counts[label] = found, len(own), len(told)
    return counts
