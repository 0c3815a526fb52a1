"""As many events are found as any pairing can find; a collar holds the times on its border."""

from itertools import permutations

import pytest
from hypothesis import given, settings

from spatial_llm.evaluation.metrics.events.collars import COLLARS_S, found_events
from tests.evaluation.metrics.events.making import events, in_tenths, lists


def brute_force(own, told, collar):
    """The most pairs of any order of the predicted events, in whole tenths of a second; `collar` in tenths."""

    def fits(a, b):
        # twice the tenths, so that half a length is whole
        return a[0] == b[0] and abs(a[1] - b[1]) <= collar and 2 * abs(a[2] - b[2]) <= max(2 * collar, a[2] - a[1])

    short, long = sorted((own, told), key=len)
    return max(
        sum(fits(a, b) if short is own else fits(b, a) for a, b in zip(short, order, strict=False))
        for order in permutations(long, len(short))
    )


@settings(max_examples=150, deadline=None)
@given(lists(most=5, last=12), lists(most=5, last=12))
def test_the_pairing_is_the_best_of_all(own, told):
    for collar_s in COLLARS_S:
        counts = found_events(in_tenths(own), in_tenths(told), collar_s)
        assert sum(found for found, _, _ in counts.values()) == brute_force(own, told, round(10 * collar_s))
        assert sum(numbers[1] for numbers in counts.values()) == len(own)
        assert sum(numbers[2] for numbers in counts.values()) == len(told)


@settings(deadline=None)
@given(lists())
def test_what_is_predicted_as_it_is_is_found(own):
    for found, reference, predicted in found_events(in_tenths(own), in_tenths(own[::-1]), 0.2).values():
        assert found == reference == predicted


@pytest.mark.parametrize(
    ("reference", "predicted", "found"),
    [
        (("a", 2.5, 2.9), ("a", 2.7, 2.9), 1),  # 2.7 - 2.5 is more than 0.2 in floats
        (("a", 2.5, 2.9), ("a", 2.71, 2.9), 0),
        (("a", 1.0, 1.3), ("a", 1.0, 1.5), 1),  # 0.2 s is more than half its length
        (("a", 1.0, 1.3), ("a", 1.0, 1.51), 0),
        (("a", 1.0, 5.0), ("a", 1.0, 7.0), 1),  # half its length is more than 0.2 s
        (("a", 1.0, 5.0), ("a", 1.0, 7.1), 0),
        (("a", 1.0, 7.0), ("a", 1.0, 5.0), 1),  # half of the reference, not of the prediction
        (("a", 1.0, 2.0), ("b", 1.0, 2.0), 0),
    ],
)
def test_borders(reference, predicted, found):
    assert sum(numbers[0] for numbers in found_events(events(reference), events(predicted), 0.2).values()) == found


def test_a_greedy_pairing_would_find_one_and_the_best_finds_two():
    own, told = events(("a", 1.0, 2.0), ("a", 1.3, 2.3)), events(("a", 1.1, 2.1), ("a", 0.9, 1.9))
    assert found_events(own, told, 0.2) == {"a": (2, 2, 2)}


def test_touching_events_are_two_and_one_long_event_finds_at_most_one():
    own = events(("a", 0.0, 2.0), ("a", 2.0, 2.4))
    assert found_events(own, events(("a", 0.0, 2.4)), 0.2) == {"a": (1, 2, 1)}


def test_no_events_on_either_side():
    one = events(("a", 0.0, 1.0))
    assert (found_events((), (), 0.2), found_events(one, (), 0.2)) == ({}, {"a": (0, 1, 0)})
    assert found_events((), one, 0.2) == {"a": (0, 0, 1)}
