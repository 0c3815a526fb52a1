"""Paths of sources and headings of a listener: piecewise linear in time, at rest before the first and after the last.

The functions here need plain values only, because every scene of a manifest is checked by them.
"""

import bisect
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from spatial_llm.audio.formats import Xyz

Path = Sequence[tuple[float, Xyz]]
Headings = Sequence[tuple[float, float]]

MOST_WAYPOINTS = 10_000
LEAST_DISTANCE_M = 0.1  # of a moving source from the listener: nearer, a head is no point any more
MOST_SPEED_M_S = 50.0  # a seventh of the speed of sound; retarded times are found by iteration, which needs less than that
MOST_TURN_DEG_S = 720.0
SAME_PLACE_M, SAME_HEADING_DEG = 1e-6, 1e-6


def position_at(path: Path, time_s: float) -> Xyz:
    """Returns the position (xyz) of a path of one or more waypoints at a time."""
    first, second, share = _between([waypoint[0] for waypoint in path], time_s)
    return tuple(a + share * (b - a) for a, b in zip(path[first][1], path[second][1], strict=True))


def heading_at(headings: Headings, time_s: float) -> float:
    """Returns the heading in degrees, not wrapped, of one or more headings at a time."""
    first, second, share = _between([heading[0] for heading in headings], time_s)
    return headings[first][1] + share * (headings[second][1] - headings[first][1])


def _between(times_s: list[float], time_s: float) -> tuple[int, int, float]:
    """Returns the entries before and after a time, and how far between the two it is, 0 to 1."""
    after = bisect.bisect_right(times_s, time_s)
    if after in (0, len(times_s)):
        at = min(after, len(times_s) - 1)
        return at, at, 0.0
    return after - 1, after, (time_s - times_s[after - 1]) / (times_s[after] - times_s[after - 1])


def check_path(path: Path, position_m: Xyz, scene: Any, field: str, refuse: Callable[[str, str], None]) -> None:
    """Calls `refuse` with field and problem where a path cannot be.

    Args:
        path: (time_s, xyz) of a source; empty = it has none.
        position_m: of the source, where its path has to begin.
        scene: whose room and listener limit the path (see `scene.Scene`).
        field: names the path.
    """
    if not path:
        return
    _check_times(path, scene.duration_s, field, refuse)
    if math.dist(path[0][1], position_m) > SAME_PLACE_M:
        refuse(field, f"begins at {path[0][1]}, but position_m is {position_m}; give the source's first position in both.")
    size_m, listener_m = scene.room.size_m, scene.listener.position_m
    for index, (_, place_m) in enumerate(path):
        # A room is convex: a line between two points inside stays inside.
        if size_m is not None and not all(0 < value < side for value, side in zip(place_m, size_m, strict=True)):
            refuse(f"{field}[{index}]", f"is {place_m}, outside the room of {size_m} m; keep the whole path inside.")
    for index, ((begin_s, begin_m), (end_s, end_m)) in enumerate(pairwise(path)):
        speed_m_s = math.dist(begin_m, end_m) / (end_s - begin_s)
        if speed_m_s > MOST_SPEED_M_S:
            refuse(f"{field}[{index}]", f"moves with {speed_m_s:.1f} m/s to the next; expected {MOST_SPEED_M_S:g} at most.")
        nearest_m = _nearest_m(begin_m, end_m, listener_m)
        if nearest_m < LEAST_DISTANCE_M:
            refuse(f"{field}[{index}]", f"passes the listener at {nearest_m:.3f} m on the way to the next; expected "
                   f"{LEAST_DISTANCE_M:g} m or more: lead the path around.")  # fmt: skip


def check_headings(headings: Headings, heading_deg: float, duration_s: float, refuse: Callable[[str, str], None]) -> None:
    """Calls `refuse` with field and problem where the headings of a listener cannot be."""
    field = "listener.headings"
    if not headings:
        return
    _check_times(headings, duration_s, field, refuse)
    if abs(headings[0][1] - heading_deg) > SAME_HEADING_DEG:
        refuse(field, f"begin at {headings[0][1]}, but heading_deg is {heading_deg}; give the first heading in both.")
    for index, ((begin_s, begin_deg), (end_s, end_deg)) in enumerate(pairwise(headings)):
        turn_deg_s = abs(end_deg - begin_deg) / (end_s - begin_s)
        if turn_deg_s > MOST_TURN_DEG_S:
            refuse(f"{field}[{index}]", f"turns with {turn_deg_s:.0f} degrees a second to the next; expected "
                   f"{MOST_TURN_DEG_S:g} at most. Angles are not wrapped: 350 to 370 is a turn of 20.")  # fmt: skip


def _check_times(entries: Sequence[tuple[float, Any]], duration_s: float, field: str, refuse: Any) -> None:
    if len(entries) > MOST_WAYPOINTS:
        refuse(field, f"has {len(entries)} entries; expected {MOST_WAYPOINTS} at most.")
    for index, (time_s, _) in enumerate(entries):
        if not 0 <= time_s <= duration_s:
            refuse(f"{field}[{index}]", f"is at {time_s} s; expected times from 0 to duration_s {duration_s}.")
        if index and time_s <= entries[index - 1][0]:
            refuse(f"{field}[{index}]", f"is at {time_s} s, after {entries[index - 1][0]} s; times must increase.")


def _nearest_m(begin_m: Xyz, end_m: Xyz, point_m: Xyz) -> float:
    """Returns the least distance of a point from a line between two points."""
    way = [end - begin for begin, end in zip(begin_m, end_m, strict=True)]
    length = sum(part * part for part in way)
    along = sum(part * (at - begin) for part, at, begin in zip(way, point_m, begin_m, strict=True))
    share = 0.0 if length == 0 else min(1.0, max(0.0, along / length))
    return math.dist(point_m, [begin + share * part for begin, part in zip(begin_m, way, strict=True)])
