"""Events of a timeline: windows that overlap are merged by time, and each event is followed from window to window. And
events of one window whose encoder has a frame head.

A window tells which classes it holds, and one place. What is heard at a time is the mean of the windows around it, each with
a weight that falls from its middle to its ends; an event lasts as long as that mean is above a threshold. The place of a
window is that of its most probable event, at its middle; the direction of an event runs through those places.

A frame head tells activity and place of every class in each time row of a window: an event is a run of active rows.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from spatial_llm.encoders.frame_head import Frames
from spatial_llm.errors import SpatialLLMError
from spatial_llm.geometry import direction_to_vector, vector_to_direction
from spatial_llm.scenes.motion.frame_labels import FRAME_S, Labelled, write_frame_labels

if TYPE_CHECKING:
    from spatial_llm.model.timeline import TimelineRow


@dataclass(frozen=True)
class EventSettings:
    """Sets how events are found in a timeline, or in the rows of a frame head.

    Attributes:
        least_probability: from which the mean over the windows, or the activity in a row, counts as heard.
        joining_gap_s: a pause of this length or less does not end an event.
        shortest_s: events shorter than this are left out.
        smoothing: number of windows, or of rows, whose places are averaged; 1 = none.
    """

    least_probability: float = 0.3
    joining_gap_s: float = 0.5
    shortest_s: float = 0.3
    smoothing: int = 3

    def __post_init__(self) -> None:
        if not 0 < self.least_probability <= 1 or self.joining_gap_s < 0 or self.shortest_s < 0:
            told = {entry.name: getattr(self, entry.name) for entry in fields(self)}
            raise SpatialLLMError(f"{told}; expected a probability above 0 and at most 1, and times of 0 s or more.")
        if self.smoothing < 1 or self.smoothing % 2 == 0:
            raise SpatialLLMError(f"smoothing is {self.smoothing}; expected an odd number, 1 or more.")


@dataclass(frozen=True)
class HeardEvent:
    """Holds one event: its class, its times, and its places over time.

    Attributes:
        label: its class.
        onset_s, offset_s: in the recording; of a timeline multiples of 0.1 s, of a frame head borders of its time rows.
        places: (time_s, azimuth_deg, elevation_deg, distance_m). Of a timeline at the middle of each frame of 0.1 s, and
            none where it was in no window the most probable event; of a frame head at the middle of each active row.
    """

    label: str
    onset_s: float
    offset_s: float
    places: tuple[tuple[float, float, float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns the event as `eval/events.py` reads it."""
        track = [list(place) for place in self.places]
        return {"label": self.label, "onset_s": self.onset_s, "offset_s": self.offset_s, "track": track}


def events_of(rows: Sequence["TimelineRow"], settings: EventSettings | None = None) -> list[HeardEvent]:
    """Returns the events of a timeline, in order of their onsets.

    Args:
        rows: of a model with heads.
        settings: None = the defaults.

    Raises:
        SpatialLLMError: the rows tell no events, because the model has no heads.
    """
    settings = EventSettings() if settings is None else settings
    if not any(row.events is not None for row in rows):
        if all(row.quiet for row in rows):
            return []
        raise SpatialLLMError("the timeline tells no events: the model was saved without heads; take one that has them.")
    frames = int(np.ceil(max(row.end_s for row in rows) / FRAME_S - 1e-6))
    middle_s = (np.arange(frames) + 0.5) * FRAME_S
    weights = _weights(rows, middle_s)
    totals = np.maximum(weights @ np.ones(len(rows)), 1e-9)
    own: dict[str, list[TimelineRow]] = {}  # the windows whose most probable event it is
    shares: dict[str, NDArray] = {}
    for number, row in enumerate(rows):
        for place, (label, share) in enumerate((row.events or {}).items()):
            shares.setdefault(label, np.zeros(len(rows)))[number] = share
            if place == 0:
                own.setdefault(label, []).append(row)
    found = []
    for label in sorted(shares):
        for first, last in _runs(weights @ shares[label] / totals >= settings.least_probability, settings):
            places = _places(own.get(label, []), first, last, middle_s, settings.smoothing)
            found.append(HeardEvent(label, round(first * FRAME_S, 1), round(last * FRAME_S, 1), places))
    return sorted(found, key=lambda event: (event.onset_s, event.offset_s, event.label))


def events_of_frames(frames: Frames, settings: EventSettings) -> list[HeardEvent]:
    """Returns the events in the rows of a frame head, in order of their onsets: runs of rows in which a class is active.

    One class is one event at a time, because it has one vector; rows of a pause that does not end an event have no place.
    """
    found = []
    for number, label in enumerate(frames.labels):
        active = frames.activity[:, number] >= settings.least_probability
        for first, last in _runs(active, settings, frames.row_s):
            rows = first + np.flatnonzero(active[first:last])
            own = (each[rows, number] for each in (frames.azimuth_deg, frames.elevation_deg, frames.distance_m))
            place = (each.tolist() for each in _smoothed_places(*own, settings.smoothing))
            places = tuple(
                (round(time_s, 6), *(round(value, 3) for value in each))
                for time_s, *each in zip(frames.times_s[rows].tolist(), *place, strict=True)
            )
            found.append(HeardEvent(label, round(first * frames.row_s, 6), round(last * frames.row_s, 6), places))
    return sorted(found, key=lambda event: (event.onset_s, event.offset_s, event.label))


def write_heard_labels(events: Sequence[HeardEvent], path: str | Path, classes: Sequence[str] | None = None) -> list[str]:
    """Writes events as frame labels (see `scenes.motion.frame_labels`) and returns the names of the classes in order.

    Events without a place cannot be written so and are left out; `HeardEvent.to_dict` has them. A frame has the place whose
    time is nearest to its middle.

    Args:
        classes: names in the order of their numbers; None = those of the events, in alphabetical order.
    """
    placed = [event for event in events if event.places]
    classes = sorted({event.label for event in placed}) if classes is None else list(classes)
    sources = []
    for event in placed:
        times_s, *place = np.array(event.places).T
        first, last = round(event.onset_s / FRAME_S), round(event.offset_s / FRAME_S)
        frames = np.arange(first, max(last, first + 1))
        nearest = _nearest((frames + 0.5) * FRAME_S, times_s)
        sources.append(Labelled(event.label, frames, *(each[nearest] for each in place)))
    write_frame_labels(sources, classes, path)
    return classes


def spans_of(rows: Sequence["TimelineRow"], question: str) -> list[tuple[float, float, str]]:
    """Returns one question's answers over time: (from, to, answer), equal answers of windows in a row as one.

    Where windows overlap, the answer is that of the window whose middle is nearest; nothing is told of quiet windows.
    """
    spans: list[tuple[float, float, str]] = []
    middles_s = [_middle(row) for row in rows]
    halves = [(first + second) / 2 for first, second in pairwise(middles_s)]
    edges_s = [rows[0].start_s, *halves, rows[-1].end_s] if rows else []
    for row, (begin_s, end_s) in zip(rows, pairwise(edges_s), strict=True):
        answer = row.answers.get(question)
        if answer is None:
            continue
        if spans and spans[-1][2] == answer and abs(spans[-1][1] - begin_s) < 1e-6:
            spans[-1] = (spans[-1][0], end_s, answer)
        else:
            spans.append((begin_s, end_s, answer))
    return [(round(begin_s, 3), round(end_s, 3), answer) for begin_s, end_s, answer in spans]


def _weights(rows: Sequence["TimelineRow"], middle_s: NDArray) -> csr_matrix:
    """Returns the weight of every window at every frame, a triangle over its length: (frames, windows). It is sparse: a day
    has 170,000 windows and 860,000 frames."""
    middles, halves = (np.array(each) for each in zip(*((_middle(row), _half(row)) for row in rows), strict=True))
    first = np.searchsorted(middle_s, middles - halves)
    frames_of = [np.arange(*each) for each in zip(first, np.searchsorted(middle_s, middles + halves), strict=True)]
    windows = np.repeat(np.arange(len(rows)), [len(each) for each in frames_of])
    frames = np.concatenate(frames_of)
    data = np.maximum(1.0 - np.abs(middle_s[frames] - middles[windows]) / halves[windows], 0.0)
    return csr_matrix((data, (frames, windows)), shape=(len(middle_s), len(rows)))


def _middle(row: "TimelineRow") -> float:
    return (row.start_s + row.end_s) / 2


def _half(row: "TimelineRow") -> float:
    return max((row.end_s - row.start_s) / 2, FRAME_S / 2)


def _nearest(wanted: NDArray, given: NDArray) -> NDArray[np.intp]:
    """Returns for each value wanted the index of the nearest of those given, which ascend; of two as near the first."""
    after = np.clip(np.searchsorted(given, wanted), 1, max(len(given) - 1, 1))
    before = after - 1
    after = np.minimum(after, len(given) - 1)
    return np.where(wanted - given[before] <= given[after] - wanted, before, after)


def _runs(heard: NDArray[np.bool_], settings: EventSettings, frame_s: float = FRAME_S) -> Iterator[tuple[int, int]]:
    """Yields the first frame and the one after the last of each event."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], heard, [False]]).astype(int)))
    runs: list[list[int]] = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if runs and (first - runs[-1][1]) * frame_s <= settings.joining_gap_s + 1e-9:
            runs[-1][1] = last
        else:
            runs.append([first, last])
    yield from ((first, last) for first, last in runs if (last - first) * frame_s >= settings.shortest_s - 1e-9)


def _places(
    rows: Sequence["TimelineRow"], first: int, last: int, middle_s: NDArray, smoothing: int
) -> tuple[tuple[float, float, float, float], ...]:
    """Returns the places of an event from frame `first` to before `last`; none where no window is about it.

    Args:
        rows: the windows, in order, whose most probable event is of its class.
    """
    own = rows[
        bisect_right(rows, first * FRAME_S, key=lambda row: row.end_s) : bisect_left(
            rows, last * FRAME_S, key=lambda row: row.start_s
        )
    ]
    if not own:
        return ()
    when_s = np.array([_middle(row) for row in own])
    unit = direction_to_vector([row.azimuth_deg for row in own], [row.elevation_deg for row in own])
    log_m = np.log([row.distance_m for row in own])
    unit, log_m = (_smoothed(each, smoothing) for each in (unit, log_m[:, None]))
    wanted_s = middle_s[first:last]
    xyz = np.stack([np.interp(wanted_s, when_s, axis) for axis in unit.T], axis=-1)
    # Between two opposite directions the mean has no length; then the nearer one holds.
    lost = np.linalg.norm(xyz, axis=1) < 1e-3
    xyz[lost] = unit[_nearest(wanted_s[lost], when_s)]
    azimuth_deg, elevation_deg, _ = vector_to_direction(xyz)
    distance_m = np.exp(np.interp(wanted_s, when_s, log_m[:, 0]))
    places = np.stack([wanted_s, azimuth_deg, elevation_deg, distance_m], axis=1)
    return tuple(tuple(round(float(value), 3) for value in place) for place in places)


def _smoothed(values: NDArray, windows: int) -> NDArray:
    """Returns means over windows around each value (values, axes), fewer at the ends."""
    half = windows // 2
    return np.stack([values[max(0, i - half) : i + half + 1].mean(axis=0) for i in range(len(values))])


def _smoothed_places(
    azimuth_deg: NDArray, elevation_deg: NDArray, distance_m: NDArray, rows: int
) -> tuple[NDArray, NDArray, NDArray]:
    """Returns places (rows,) each, averaged over so many rows as vectors and as logarithms of the distance."""
    if rows == 1:
        return azimuth_deg, elevation_deg, distance_m
    unit = _smoothed(direction_to_vector(azimuth_deg, elevation_deg), rows)
    azimuth_deg, elevation_deg, _ = vector_to_direction(unit)
    return azimuth_deg, elevation_deg, np.exp(_smoothed(np.log(distance_m)[:, None], rows)[:, 0])
