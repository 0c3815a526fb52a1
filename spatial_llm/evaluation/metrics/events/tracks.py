"""Follows directions over time: the angle between reference and predicted tracks, how much is covered, and identity
switches.

Time runs in frames of 0.1 s, as in the labels of DCASE. In each frame the reference and the predicted events of one class
that have a direction are paired one to one: a pair of the frame before stays as long as it is at most KEPT_DEG apart, the
others are paired so that the sum of their angles is smallest, however large these are. Sources: keeping pairs, and counting
as a switch each change of the predicted source that a reference event is paired with, are those of CLEAR MOT (Bernardin and
Stiefelhagen, EURASIP Journal on Image and Video Processing, 2008), with DCASE's threshold of 20 degrees; error and coverage
are the class-dependent localization error and recall of DCASE (Politis et al., Overview and evaluation of sound event
localization and detection in DCASE 2019, arXiv 2009.02792), over frames in place of segments and over all classes together.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from spatial_llm.evaluation.metrics.events.event import Event, by_label
from spatial_llm.geometry import direction_to_vector, great_circle_deg, vector_to_direction

FRAME_S = 0.1
KEPT_DEG = 20.0
_TINY = 1e-6  # of a frame
_OPPOSITE = math.pi - 1e-6  # the arc between two directions that are farther apart is not known


class Followed(NamedTuple):
    """Holds the counts and sums of one recording; recordings add up.

    Attributes:
        events: number of reference events with a direction.
        frames: of these.
        matched: frames of these that have a pair.
        error_deg: sum over the pairs of the angle between both directions.
        distance_frames: pairs of which both distances are known.
        distance_error: sum over these of the error of the distance as a share of the reference distance.
        switches: how often a reference event is paired with another predicted source than before.
    """

    events: int = 0
    frames: int = 0
    matched: int = 0
    error_deg: float = 0.0
    distance_frames: int = 0
    distance_error: float = 0.0
    switches: int = 0


@dataclass(frozen=True)
class _Path:
    """The frames of an event from `first` on: azimuth, elevation (NaN where not known) and distance (likewise), (frames,)
    each; and the identity of its source."""

    first: int
    azimuth_deg: NDArray[np.float64]
    elevation_deg: NDArray[np.float64]
    distance_m: NDArray[np.float64]
    source: Hashable

    @property
    def end(self) -> int:
        return self.first + len(self.azimuth_deg)


def follow(reference: Sequence[Event], predicted: Sequence[Event]) -> Followed:
    """Returns how well the predicted tracks of one recording follow those of the reference. A frame belongs to an event if
    its middle does. Where either elevation is not known, both directions count as level."""
    total = Followed()
    for lists in by_label(reference, predicted).values():
        paths, others = ([_path(event, number) for number, event in enumerate(events) if event.track] for events in lists)
        total = Followed(*map(sum, zip(total, _follow_class(paths, others), strict=True)))
    return total


def _follow_class(paths: Sequence[_Path], others: Sequence[_Path]) -> Followed:
    errors_deg = [[_errors_deg(path, other) for other in others] for path in paths]
    last: dict[int, Hashable] = {}  # reference event -> the predicted source it was paired with last
    matched = switches = distance_frames = 0
    error_deg = distance_error = 0.0
    for frame in range(min((path.first for path in paths), default=0), max((path.end for path in paths), default=0)):
        active = [one for one, path in enumerate(paths) if path.first <= frame < path.end]
        told = [two for two, path in enumerate(others) if path.first <= frame < path.end]
        if not active or not told:
            continue
        angles_deg = np.array(
            [[errors_deg[one][two][frame - _begin(paths[one], others[two])] for two in told] for one in active]
        )
        for row, column in _pairs(angles_deg, [last.get(one) for one in active], [others[two].source for two in told]):
            one, two = active[row], told[column]
            switches += one in last and last[one] != others[two].source
            last[one] = others[two].source
            matched += 1
            error_deg += float(angles_deg[row, column])
            true_m, said_m = (path.distance_m[frame - path.first] for path in (paths[one], others[two]))
            if not np.isnan(true_m + said_m):
                distance_frames += 1
                distance_error += float(abs(said_m - true_m) / true_m)
    frames = sum(len(path.azimuth_deg) for path in paths)
    return Followed(len(paths), frames, matched, error_deg, distance_frames, distance_error, switches)


def _pairs(angles_deg: NDArray, before: Sequence[Hashable], sources: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Returns the pairs (reference, predicted) of a frame from their angles; `before`: the source that each reference event
    had, `sources`: that of each predicted event."""
    kept: dict[int, int] = {}
    for row, source in enumerate(before):
        columns = [
            column
            for column, other in enumerate(sources)
            if source is not None and other == source and column not in kept.values() and angles_deg[row, column] <= KEPT_DEG
        ]
        if columns:
            kept[row] = min(columns, key=lambda column: angles_deg[row, column])
    rows = [row for row in range(len(before)) if row not in kept]
    columns = [column for column in range(len(sources)) if column not in kept.values()]
    chosen = zip(*linear_sum_assignment(angles_deg[np.ix_(rows, columns)]), strict=True) if rows and columns else ()
    return [*kept.items(), *((rows[row], columns[column]) for row, column in chosen)]


def _begin(one: _Path, two: _Path) -> int:
    """Returns the first frame of both."""
    return max(one.first, two.first)


def _errors_deg(one: _Path, two: _Path) -> NDArray[np.float64]:
    """Returns the angle between two events in each frame of both, (frames,), from `_begin` on."""
    begin, end = _begin(one, two), min(one.end, two.end)
    if end <= begin:
        return np.zeros(0)
    azimuths_deg, elevations_deg = (
        [getattr(path, name)[begin - path.first : end - path.first] for path in (one, two)]
        for name in ("azimuth_deg", "elevation_deg")
    )
    level = np.isnan(elevations_deg[0] + elevations_deg[1])
    first_deg, second_deg = (np.where(level, 0.0, elevation_deg) for elevation_deg in elevations_deg)
    return great_circle_deg(azimuths_deg[0], first_deg, azimuths_deg[1], second_deg)


def frames_of(onset_s: float, offset_s: float) -> NDArray[np.int64]:
    """Returns the frames (frames,) whose middle, FRAME_S times a half more, lies from the onset to before the offset."""
    first, end = (math.ceil(time_s / FRAME_S - 0.5 - _TINY) for time_s in (onset_s, offset_s))
    return np.arange(first, max(first, end))


def middles_s(frames: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the times (frames,) of the middles of frames, in seconds."""
    return (frames + 0.5) * FRAME_S


def _path(event: Event, number: int) -> _Path:
    frames = frames_of(event.onset_s, event.offset_s)
    places = places_at(event, middles_s(frames))
    first = int(frames[0]) if len(frames) else 0
    source = ("event", number) if event.source is None else ("source", event.source)
    return _Path(first, *places.T, source)


def places_at(event: Event, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns azimuth in degrees, elevation in degrees and distance in metres (times, 3) of an event with a track.

    Between two points the direction moves along the great circle and the distance in a straight line; before the first and
    after the last they stay. Between opposite directions, which have no one arc, the nearer point in time counts. Elevation
    or distance is NaN throughout if any point lacks it.
    """
    points_s, azimuth_deg, elevation_deg, distance_m = (
        np.array([np.nan if value is None else value for value in column], dtype=np.float64)
        for column in zip(*event.track, strict=True)
    )
    level = bool(np.isnan(elevation_deg).any())
    vectors = direction_to_vector(azimuth_deg, np.zeros_like(elevation_deg) if level else elevation_deg)
    after = np.clip(np.searchsorted(points_s, times_s, side="right"), 1, max(len(points_s) - 1, 1))
    before, after = after - 1, np.minimum(after, len(points_s) - 1)
    apart_s = points_s[after] - points_s[before]
    share = np.clip(np.divide(times_s - points_s[before], apart_s, out=np.zeros(len(times_s)), where=apart_s > 0), 0.0, 1.0)
    found_deg = vector_to_direction(_on_arc(vectors[before], vectors[after], share[:, None]))[:2]
    found_m = np.interp(times_s, points_s, distance_m) + (np.nan if np.isnan(distance_m).any() else 0.0)
    return np.stack([found_deg[0], np.full(len(times_s), np.nan) if level else found_deg[1], found_m], axis=1)


def _on_arc(first: NDArray, second: NDArray, share: NDArray) -> NDArray[np.float64]:
    """Returns the unit vectors (n, xyz) at shares (n, 1) of the arcs between unit vectors (n, xyz)."""
    cross = np.linalg.norm(np.cross(first, second), axis=-1, keepdims=True)
    arc = np.arctan2(cross, np.sum(first * second, axis=-1, keepdims=True))
    plain = (arc > 1e-9) & (arc < _OPPOSITE)
    sine = np.where(plain, np.sin(arc), 1.0)
    between = (np.sin((1 - share) * arc) * first + np.sin(share * arc) * second) / sine
    return np.where(plain, between, np.where(share < 0.5, first, second))
