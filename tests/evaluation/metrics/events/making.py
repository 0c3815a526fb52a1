"""Short ways to write events, and random ones in whole tenths of a second."""

from hypothesis import strategies as st

from spatial_llm.evaluation.metrics.events.event import Event, TrackPoint, checked_events


def events(*parts, **places):
    """Events of (label, onset_s, offset_s), each at one place."""
    track = (TrackPoint(0.0, **places),) if places else ()
    return checked_events([Event(label, onset_s, offset_s, track) for label, onset_s, offset_s in parts], "test")


def moving(label, onset_s, offset_s, *points, source=None):
    """An event with a track of (time_s, azimuth_deg, elevation_deg, distance_m)."""
    return Event(label, onset_s, offset_s, tuple(TrackPoint(*point) for point in points), source)


def lists(labels="ab", most=6, last=40):
    """Lists of events as (label, onset, offset) in tenths of a second."""
    one = st.tuples(st.sampled_from(labels), st.integers(0, last), st.integers(1, 15))
    return st.lists(one, max_size=most).map(lambda found: [(label, first, first + length) for label, first, length in found])


def in_tenths(parts):
    """The events of a list of `lists`."""
    return events(*((label, first / 10, end / 10) for label, first, end in parts))
