"""Segments against sets of whole tenths of a second; borders that floats would move."""

import pytest
from hypothesis import given, settings

from spatial_llm.evaluation.metrics.events.segments import active_segments
from tests.evaluation.metrics.events.making import events, in_tenths, lists


@pytest.mark.parametrize("tenths", [1, 10])
@settings(deadline=None)
@given(lists("abc"), lists("abc"))
def test_segments_are_sets_of_tenths(tenths, own, told):
    def active(parts):
        return {(label, tenth // tenths) for label, first, end in parts for tenth in range(first, end)}

    found, (true, said) = active_segments(in_tenths(own), in_tenths(told), tenths / 10), (active(own), active(told))
    for label, counts in found.classes.items():
        mine = [{segment for name, segment in each if name == label} for each in (true, said)]
        assert counts == (len(mine[0] & mine[1]), len(mine[0]), len(mine[1]))
    substituted = deleted = inserted = 0
    for segment in {segment for _, segment in true | said}:
        missed, wrong = (sum(1 for _, each in side if each == segment) for side in (true - said, said - true))
        substituted += min(missed, wrong)
        deleted += max(0, missed - wrong)
        inserted += max(0, wrong - missed)
    assert found[1:] == (substituted, deleted, inserted)


def test_an_event_does_not_reach_into_the_segment_at_whose_border_it_ends():
    """0.3 / 0.1 is less than 3 in floats, and 0.7 / 0.1 less than 7."""
    own, told = events(("a", 0.0, 0.3)), events(("a", 0.3, 0.7))
    assert active_segments(own, told, 0.1).classes == {"a": (0, 3, 4)}


def test_events_of_one_class_that_overlap_count_once():
    assert active_segments(events(("a", 0.0, 2.0), ("a", 1.0, 3.0)), (), 1.0).classes == {"a": (0, 3, 0)}


def test_no_events():
    assert active_segments((), (), 0.1) == ({}, 0, 0, 0)
