"""Overlaps against brute force in whole tenths of a second, invented events, and cases worked by hand."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings

from spatial_llm.evaluation.metrics.events.overlaps import hallucinated, overlaps
from tests.evaluation.metrics.events.making import events, in_tenths, lists


def share(a, b):
    """Intersection over union as sets of tenths count it; 0 for two classes."""
    mine, other = set(range(*a[1:])), set(range(*b[1:]))
    return len(mine & other) / len(mine | other) if a[0] == b[0] else 0.0


@settings(max_examples=150, deadline=None)
@given(lists(most=5, last=20), lists(most=5, last=20))
def test_the_sum_of_the_overlaps_is_the_best_of_all_pairings(own, told):
    short, long = sorted((own, told), key=len)
    best = max(sum(share(a, b) for a, b in zip(short, order, strict=False)) for order in permutations(long, len(short)))
    found = overlaps(in_tenths(own), in_tenths(told))
    assert found.iou.sum() == pytest.approx(best)
    assert len(found.iou) == len(own)
    assert np.array_equal(np.isnan(found.onset_error_s), found.iou == 0)


def test_by_hand():
    """The dog is paired with the span of half its length, the bell with none: what only touches does not overlap."""
    own = events(("dog", 1.0, 3.0), ("bell", 1.0, 2.0))
    found = overlaps(own, events(("dog", 1.5, 2.5), ("dog", 2.5, 4.0), ("bell", 2.0, 3.0)))
    assert found.iou == pytest.approx([0.0, 0.5])  # in alphabetical order of the classes
    assert found.onset_error_s == pytest.approx([np.nan, 0.5], nan_ok=True)


@settings(deadline=None)
@given(lists("abc"), lists("abc"))
def test_invented_events_are_those_without_a_tenth_in_common(own, told):
    found = hallucinated(in_tenths(own), in_tenths(told))
    labels = {label for label, _, _ in own}
    absent = [event for event in told if event[0] not in labels]
    apart = [event for event in told if event[0] in labels and not any(share(each, event) for each in own)]
    assert found == (len(told), len(absent), len(apart))


def test_an_event_that_touches_or_comes_at_another_time_is_invented():
    own = events(("dog", 1.0, 2.0), ("bell", 5.0, 6.0))
    told = events(("dog", 2.0, 3.0), ("dog", 1.9, 3.0), ("rain", 1.0, 2.0), ("bell", 1.0, 2.0))
    assert hallucinated(own, told) == (4, 1, 2)
