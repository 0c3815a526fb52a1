"""What is no event is refused by the names of the recording and the event; what is one comes in order."""

import math

import pytest

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.metrics.events.event import Event, TrackPoint, checked_events


def test_events_come_in_order_of_their_onsets_with_plain_labels():
    found = checked_events([Event("Bell", 2.0, 3.0), Event(" a  DOG", 0.5, 4.0), Event("bell", 0.5, 1.0)], "one")
    assert [(event.label, event.onset_s) for event in found] == [("bell", 0.5), ("a dog", 0.5), ("bell", 2.0)]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (Event("bell", math.nan, 1.0), "a time that is none"),
        (Event("bell", 0.0, math.inf), "a time that is none"),
        (Event("bell", -0.1, 1.0), "a time that is none"),
        (Event("bell", 1e6, 1e6 + 1), "a time that is none"),
        (Event("bell", 1.0, 1.0), "ends before it lasts"),
        (Event("bell", 2.0, 1.0), "ends before it lasts"),
        (Event(" ", 0.0, 1.0), "no label"),
        (Event("bell", 0.0, 1.0, (TrackPoint(0.0, math.nan),)), "expected seconds, an azimuth"),
        (Event("bell", 0.0, 1.0, (TrackPoint(0.0, 190.0),)), "expected seconds, an azimuth"),
        (Event("bell", 0.0, 1.0, (TrackPoint(0.0, 0.0, 91.0),)), "expected seconds, an azimuth"),
        (Event("bell", 0.0, 1.0, (TrackPoint(0.0, 0.0, 0.0, 0.0),)), "a distance above 0 m"),
        (Event("bell", 0.0, 1.0, (TrackPoint(0.0, 0.0, 0.0, math.nan),)), "a distance above 0 m"),
        (Event("bell", 0.0, 1.0, (TrackPoint(math.nan, 0.0),)), "expected seconds"),
        (Event("bell", 0.0, 1.0, (TrackPoint(0.2, 0.0), TrackPoint(0.2, 1.0))), "times that increase"),
    ],
)
def test_what_is_no_event_is_refused_by_name(event, words):
    with pytest.raises(ManifestError, match=words) as caught:
        checked_events([Event("dog", 0.0, 1.0), event], "kitchen 3")
    assert str(caught.value).startswith("kitchen 3: event 1 (")
