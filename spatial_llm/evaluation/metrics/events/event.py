"""Defines an event: a sound with its times, and a track of where it is heard; refuses what is no event."""

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from spatial_llm.answers.text.amounts import LONGEST_S
from spatial_llm.answers.text.sounds import name_of
from spatial_llm.errors import ManifestError

TINY_S = 1e-6  # two times that differ by less are equal: multiples of 0.1 s are no exact floats


class TrackPoint(NamedTuple):
    """Where a sound is heard at one time: seconds from the beginning of the recording, azimuth in degrees, positive to the
    left, elevation in degrees, positive upwards, and distance in metres; None where the last two are not known."""

    time_s: float
    azimuth_deg: float
    elevation_deg: float | None = None
    distance_m: float | None = None


@dataclass(frozen=True)
class Event:
    """Holds one event of a recording.

    Attributes:
        label: its class; names are compared in lower case, with single spaces.
        onset_s, offset_s: seconds from the beginning of the recording.
        track: where it is heard, in order of time; one point for a sound that keeps its place, none if nothing is known.
        source: what several events of one source share; None: the event is a source of its own.
    """

    label: str
    onset_s: float
    offset_s: float
    track: tuple[TrackPoint, ...] = ()
    source: Hashable = None

    @property
    def length_s(self) -> float:
        """Returns its length in seconds."""
        return self.offset_s - self.onset_s


def checked_events(events: Iterable[Event], where: str) -> tuple[Event, ...]:
    """Returns the events of one recording in order of their onsets, with their labels in lower case.

    Args:
        events: in any order; events of one class may overlap.
        where: the recording, for messages.

    Raises:
        ManifestError: an event has no label, a time that is not finite or beyond a day, no length, or a track whose times do
            not increase or whose numbers are out of range. The recording and the event are named.
    """
    found = []
    for number, event in enumerate(events):
        named = f"{where}: event {number} ({event.label!r}, {event.onset_s} to {event.offset_s} s)"
        label = name_of(event.label)
        if not label:
            raise ManifestError(f"{named} has no label; give the class of the sound.")
        if not 0 <= event.onset_s <= LONGEST_S or not 0 <= event.offset_s <= LONGEST_S:
            raise ManifestError(f"{named} has a time that is none; give seconds from 0 to {LONGEST_S:g}.")
        if event.length_s < TINY_S:
            raise ManifestError(f"{named} ends before it lasts; expected an offset after the onset, or leave it out.")
        _check_track(event.track, named)
        found.append(replace(event, label=label))
    return tuple(sorted(found, key=lambda event: (event.onset_s, event.offset_s, event.label)))


def _check_track(track: Sequence[TrackPoint], named: str) -> None:
    last_s = -math.inf
    for point in track:
        good = (
            math.isfinite(point.time_s)
            and -180 <= point.azimuth_deg <= 180
            and (point.elevation_deg is None or -90 <= point.elevation_deg <= 90)
            and (point.distance_m is None or 0 < point.distance_m < math.inf)
        )
        if not good:
            raise ManifestError(
                f"{named}: its track has {tuple(point)}; expected seconds, an azimuth from -180 to 180 degrees, an "
                "elevation from -90 to 90 degrees and a distance above 0 m."
            )
        if point.time_s <= last_s:
            raise ManifestError(f"{named}: its track has {point.time_s} s after {last_s} s; expected times that increase.")
        last_s = point.time_s


def by_label(reference: Sequence[Event], predicted: Sequence[Event]) -> dict[str, tuple[list[Event], list[Event]]]:
    """Returns the reference and the predicted events of each class that either has, classes in alphabetical order."""
    found: dict[str, tuple[list[Event], list[Event]]] = {
        label: ([], []) for label in sorted({event.label for event in (*reference, *predicted)})
    }
    for side, events in enumerate((reference, predicted)):
        for event in events:
            found[event.label][side].append(event)
    return found
