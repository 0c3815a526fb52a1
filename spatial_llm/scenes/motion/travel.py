"""The time that sound takes from a source that moves to a point that hears it.

What a point hears at a time t was emitted at t - tau, where c tau is the distance of the source at t - tau from the point at
t: the retarded time. All times are of the recording.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.motion.paths import Headings, Path

# The error falls by v/c with each step; at the greatest speed of a path (`paths.MOST_SPEED_M_S`) ten steps leave 1e-10 s.
STEPS, REFINING_STEPS = 10, 2


@dataclass(frozen=True, eq=False)
class Way:
    """A path as arrays: times_s (waypoints), points_m (waypoints, xyz)."""

    times_s: NDArray[np.float64]
    points_m: NDArray[np.float64]

    @classmethod
    def of(cls, path: Path) -> "Way":
        """Returns the way of a path of one or more waypoints."""
        return cls(np.array([time_s for time_s, _ in path]), np.array([point_m for _, point_m in path], dtype=np.float64))

    def at(self, times_s: NDArray) -> NDArray[np.float64]:
        """Returns the positions (times, xyz) at times (times,)."""
        if len(self.times_s) == 1:
            return np.broadcast_to(self.points_m[0], (len(times_s), 3))
        return np.stack([np.interp(times_s, self.times_s, axis) for axis in self.points_m.T], axis=-1)

    def distance_m(self, times_s: NDArray, points_m: NDArray) -> NDArray[np.float64]:
        """Returns the distances (times,) at times (times,) from points, (xyz) or (times, xyz)."""
        squares = 0.0  # axis by axis, which is several times as fast as a norm of triples
        for axis, to in zip(self.points_m.T, np.moveaxis(points_m, -1, 0), strict=True):
            squares = squares + np.square(np.interp(times_s, self.times_s, axis) - to)
        return np.sqrt(squares)

    def mapped(self, signs: NDArray, shifts_m: NDArray) -> "Way":
        """Returns the way of an image of the source: each coordinate times its sign plus its shift."""
        return Way(self.times_s, self.points_m * signs + shifts_m)


def turned_back(xyz: NDArray, headings_deg: NDArray) -> NDArray[np.float64]:
    """Returns vectors (times, xyz) of the room's frame in that of a listener with headings (times,): x front, y left."""
    turn = np.deg2rad(headings_deg)
    x, y, z = np.moveaxis(np.asarray(xyz), -1, 0)
    return np.stack([x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn), z], axis=-1)


def headings_at(headings: Headings, heading_deg: float, times_s: NDArray) -> NDArray[np.float64]:
    """Returns the headings in degrees (times,) of a listener at times (times,); `heading_deg` if there are none."""
    if not headings:
        return np.full(len(times_s), heading_deg)
    return np.interp(times_s, [time_s for time_s, _ in headings], [heading for _, heading in headings])


def travel_s(way: Way, points_m: NDArray, times_s: NDArray, start_s: NDArray | None = None) -> NDArray[np.float64]:
    """Returns how long what is heard at times (times,) has travelled, in seconds (times,).

    Args:
        way: of the source.
        points_m: where it is heard, (xyz) or (times, xyz).
        times_s: when it is heard.
        start_s: (times,) a solution that needs refining only; None = there is none.
    """
    known = way.distance_m(times_s, points_m) / SPEED_OF_SOUND_M_S if start_s is None else start_s
    if len(way.times_s) == 1 and start_s is None:
        return known
    for _ in range(STEPS if start_s is None else REFINING_STEPS):
        known = way.distance_m(times_s - known, points_m) / SPEED_OF_SOUND_M_S
    return known
