"""What is heard in a window of an annotated recording: sounds with their places and times, as far as one can be given.

A track is one sound through a recording: spans of time with a direction each, whole frames of an annotation or rows of a
table. A place is true of a window only if the sound keeps it there. Of a sound that moves, or comes from several places, the
window's truth has the class and the time, and no place.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatial_llm.geometry import direction_to_vector, great_circle_deg, vector_to_direction, wrap_azimuth_deg
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.scenes.scene_checks import MAX_SOURCES

JOINING_GAP_S = 0.3  # a pause of this length or less does not end an event
STATIC_DEG = 10.0  # no two directions of a sound that keeps its place are farther apart
STATIC_M = 0.5  # nor two of its distances: the step of distances in answers
_TINY_S = 1e-6  # times are multiples of a frame, which floats only approximate


class Span(NamedTuple):
    """A part of a track, in seconds from the beginning of the recording, with its place in the internal frame; None where
    it is not known."""

    start_s: float
    end_s: float
    azimuth_deg: float | None
    elevation_deg: float | None = None
    distance_m: float | None = None


@dataclass(frozen=True)
class Track:
    """Holds one sound of a recording: its class, what tells it from others of this class, and its spans in order of time."""

    label: str
    key: Hashable
    spans: tuple[Span, ...]

    def events(self, joining_gap_s: float = JOINING_GAP_S) -> list[tuple[Span, ...]]:
        """Returns its spans in groups that a pause of more than `joining_gap_s` divides."""
        found: list[list[Span]] = []
        end_s = -np.inf
        for span in self.spans:
            if span.start_s - end_s > joining_gap_s + _TINY_S:
                found.append([])
            found[-1].append(span)
            end_s = max(end_s, span.end_s)
        return [tuple(event) for event in found]


class Heard(NamedTuple):
    """A window: its sounds (None: nothing can be asked about it), and what was counted about them."""

    scene: HeardScene | None
    counts: Counter[str]


def event_tracks(tracks: Sequence[Track]) -> list[Track]:
    """Returns a track for each event, for annotations whose source numbers do not stand for the same source later on."""
    return [
        Track(track.label, (track.key, number), event) for track in tracks for number, event in enumerate(track.events())
    ]


def hear(tracks: Sequence[Track], start_s: float, end_s: float, folded: bool, complete: bool) -> Heard:
    """Returns what is heard between two times of a recording.

    Args:
        tracks: of the recording.
        start_s, end_s: the window.
        folded: whether azimuths are those of the mirror image ahead, see `HeardSource`.
        complete: whether the tracks are all that sounds, see `HeardScene`.
    """
    counts: Counter[str] = Counter()
    inside = [cut for track in tracks if (cut := _cut(track, start_s, end_s)) is not None]
    if not inside:
        counts["windows without an annotated sound"] += 1
    elif len(inside) > MAX_SOURCES:
        counts[f"windows with more than {MAX_SOURCES} sounds"] += 1
        counts[f"sounds in windows with more than {MAX_SOURCES}"] += len(inside)
    else:
        sources = tuple(_source(track, folded, counts) for track in inside)
        return Heard(HeardScene(sources, duration_s=end_s - start_s, complete=complete), counts)
    return Heard(None, counts)


def _cut(track: Track, start_s: float, end_s: float) -> Track | None:
    """Returns the part of a track in a window, in seconds from its beginning; None if there is none."""
    spans = [
        span._replace(start_s=max(span.start_s, start_s) - start_s, end_s=min(span.end_s, end_s) - start_s)
        for span in track.spans
        if span.end_s > start_s + _TINY_S and span.start_s < end_s - _TINY_S
    ]
    return replace(track, spans=tuple(spans)) if spans else None


def _source(track: Track, folded: bool, counts: Counter[str]) -> HeardSource:
    place = _place(track.spans, folded, counts)
    events = track.events()
    times = (None, None)
    if len(events) == 1:
        times = round(events[0][0].start_s, 3), round(max(span.end_s for span in events[0]), 3)
    else:
        counts["sounds with pauses, without times"] += 1
    return HeardSource(track.label, *place, *times, folded=folded and place[0] is not None)


def _place(spans: Sequence[Span], folded: bool, counts: Counter[str]) -> tuple[float | None, float | None, float | None]:
    """Returns azimuth, elevation and distance of a sound that keeps them, None for what it does not keep."""
    if any(span.azimuth_deg is None for span in spans):
        counts["sounds without a direction"] += 1
        return None, None, None
    level = any(span.elevation_deg is None for span in spans)
    directions_deg = np.array([(span.azimuth_deg, 0.0 if level else span.elevation_deg) for span in spans])
    if spread_deg(np.unique(directions_deg, axis=0)) > STATIC_DEG:
        counts["moving sounds, without a place"] += 1
        return None, None, None
    counts["static sounds"] += 1
    mean = direction_to_vector(*directions_deg.T).mean(axis=0)
    azimuth_deg, elevation_deg, _ = vector_to_direction(mean)
    azimuth_deg = round(float(wrap_azimuth_deg(round(float(azimuth_deg), 2))), 2)
    if folded:
        azimuth_deg = float(np.clip(azimuth_deg, -90.0, 90.0))
    return azimuth_deg, None if level else round(float(elevation_deg), 2), _distance_m(spans, counts)


def _distance_m(spans: Sequence[Span], counts: Counter[str]) -> float | None:
    distances_m = [span.distance_m for span in spans if span.distance_m is not None]
    if len(distances_m) < len(spans):
        return None
    if max(distances_m) - min(distances_m) > STATIC_M + _TINY_S:
        counts["static sounds that come nearer or go away, without a distance"] += 1
        return None
    return round(float(np.mean(distances_m)), 3)


def spread_deg(directions_deg: NDArray[np.float64]) -> float:
    """Returns the largest angle between any two directions (n, [azimuth, elevation]) in degrees."""
    azimuth_deg, elevation_deg = directions_deg.T
    return float(np.max(great_circle_deg(azimuth_deg[:, None], elevation_deg[:, None], azimuth_deg, elevation_deg)))
