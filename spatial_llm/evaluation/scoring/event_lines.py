"""Reads single events: of a line of JSON with its events, and of a caption with times."""

from typing import Any

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.metrics.events.event import Event, TrackPoint

WITHOUT_END_S = 0.1  # length of an event of a caption whose end is not told: one step of its times
_EVENT_KEYS = {"label", "onset_s", "offset_s", "track", "source"}


def event_of_line(value: Any, where: str) -> Event:
    """Returns an event from {"label", "onset_s", "offset_s", "track", "source"}, the last two if they are known.

    Raises:
        ManifestError: it is none; the message begins with `where`.
    """
    if not isinstance(value, dict) or not {"label", "onset_s", "offset_s"} <= set(value) <= _EVENT_KEYS:
        given = ", ".join(value) if isinstance(value, dict) else value
        raise ManifestError(f"{where}: has {given}; expected label, onset_s and offset_s, and source and track if known.")
    track, source = value.get("track") or [], value.get("source")
    numbers = [value["onset_s"], value["offset_s"]]
    good = isinstance(track, list) and all(isinstance(point, list) and 2 <= len(point) <= 4 for point in track)
    numbers += [number for point in track for number in point[:2]] if good else []
    numbers += [number for point in track for number in point[2:] if number is not None] if good else []
    if not good or any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        raise ManifestError(
            f"{where}: holds something else than times as numbers and a track of [time_s, azimuth_deg, elevation_deg, "
            "distance_m], the last two null or left out where they are not known."
        )
    if not isinstance(value["label"], str) or isinstance(source, list | dict):
        raise ManifestError(
            f"{where}: label is {value['label']!r}, source {source!r}; expected a name, and a name or number."
        )
    return Event(value["label"], *numbers[:2], tuple(TrackPoint(*point) for point in track), source)


def event_of_caption(event: dict[str, Any]) -> Event:
    """Returns one of the events that `parse_timed_caption` returns; it lasts `WITHOUT_END_S` if its end is not told."""
    onset_s, offset_s, azimuth_deg = event["onset_s"], event["offset_s"], event.get("azimuth_deg")
    place = [] if azimuth_deg is None else [azimuth_deg, event.get("elevation_deg"), event.get("distance_m")]
    end_s = onset_s + WITHOUT_END_S if offset_s is None else offset_s
    return Event(event["label"], onset_s, end_s, (TrackPoint(onset_s, *place),) if place else ())
