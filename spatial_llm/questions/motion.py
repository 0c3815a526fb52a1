"""What a track says of motion, and when it is clear enough for a question.

Motion is that of a source in the room, as seen by a listener who stands at one point. Where the listener turns, azimuths
change without any motion, so the turn is taken out before it is decided whether a source has moved. A source that moves by
less than 20 degrees, less than 0.5 m and less than a factor of 1.5 in distance may pass for a still one and is not asked
about.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from spatial_llm.geometry import direction_to_vector, wrap_azimuth_deg
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.scenes.motion.track import Track
from spatial_llm.scenes.motion.travel import headings_at

MOVED_DEG, MOVED_M, MOVED_FACTOR = 20.0, 0.5, 1.5  # from any of these on, a source has clearly moved
SHORTEST_S = 0.5  # of a sound whose motion is asked for
RETURNED_SHARE = 0.1  # of a way in one direction that may go the other way before the direction is unclear
BRIEFLY_S = 1.5  # a time is asked for if what marks it lasts no longer
NEAR_SHARE, NEAR_M = 0.1, 0.1  # a source is about as near as ever within this share of its least distance, or these metres
FASTER_FACTOR = 1.5  # one source is clearly faster than another from this ratio on


@dataclass(frozen=True, eq=False)
class Course:
    """Holds the way of one source while it sounds, with the heading of the listener at each time of its track.

    Attributes:
        source, index: whose course it is, and its index into the sources of the scene.
        track: where it is around the listener.
        headings_deg: (times,) of the listener, relative to the first one of the track.
    """

    source: HeardSource
    index: int
    track: Track
    headings_deg: NDArray[np.float64]

    @property
    def lasts_s(self) -> float:
        """Returns the time from the first place of the track to the last."""
        return float(self.track.times_s[-1] - self.track.times_s[0])

    @cached_property
    def room_azimuth_deg(self) -> NDArray[np.float64]:
        """Returns the azimuths (times,) that a listener who does not turn would hear, unwrapped."""
        return self.track.azimuth_deg + self.headings_deg

    @cached_property
    def xyz(self) -> NDArray[np.float64]:
        """Returns the places (times, xyz) in metres around the listener, in the axes of the first heading."""
        return direction_to_vector(self.room_azimuth_deg, self.track.elevation_deg, self.track.distance_m)

    @cached_property
    def has_moved(self) -> bool:
        """Returns whether the source has clearly moved in the room: by an angle at the listener, in metres or by a factor of
        its distance, between any two times."""
        if not self.track.moves:
            return False
        far_m = self.track.distance_m
        units = self.xyz / far_m[:, None]
        angle_deg = np.rad2deg(np.arccos(np.clip((units @ units.T).min(), -1.0, 1.0)))
        apart_m = np.linalg.norm(self.xyz[:, None] - self.xyz[None], axis=-1).max()
        return bool(angle_deg >= MOVED_DEG or apart_m >= MOVED_M or far_m.max() >= MOVED_FACTOR * far_m.min())

    @property
    def turns(self) -> bool:
        """Returns whether the listener turns while the source sounds."""
        return bool(np.ptp(self.headings_deg) > 0)

    @cached_property
    def speeds_m_s(self) -> tuple[float, float]:
        """Returns the mean and the greatest speed."""
        steps_m = np.linalg.norm(np.diff(self.xyz, axis=0), axis=1)
        return float(steps_m.sum() / self.lasts_s), float((steps_m / np.diff(self.track.times_s)).max())

    @cached_property
    def places(self) -> tuple[HeardSource, ...]:
        """Returns the source as if it stood still where it is at each time of its track, for a listener who faces as
        then."""
        track = self.track
        azimuths_deg = wrap_azimuth_deg(track.azimuth_deg).tolist()
        each = zip(azimuths_deg, track.elevation_deg.tolist(), track.distance_m.tolist(), strict=True)
        return tuple(HeardSource(self.source.label, *place) for place in each)

    def words_stay(self, first: int, last: int, margin_deg: float) -> bool:
        """Returns whether all direction words are clear, and the same, from one time of the track to another."""
        sines = self._sines[first : last + 1]
        clear = np.abs(sines) >= np.sin(np.deg2rad(margin_deg))
        return bool(np.all(clear) and np.all(np.sign(sines) == np.sign(sines[0])))

    @cached_property
    def _sines(self) -> NDArray[np.float64]:
        """Returns (times, xyz) in the listener's axes, of length 1: the sines of the angles from the planes where direction
        words change."""
        return direction_to_vector(self.track.azimuth_deg, self.track.elevation_deg)

    def around_deg(self) -> float:
        """Returns by how much the azimuth clearly changes, positive counter-clockwise seen from above; 0 if by too little,
        to and fro, or while the listener turns."""
        return 0.0 if self.turns else _one_way(self.track.azimuth_deg, MOVED_DEG)

    def rising_deg(self) -> float:
        """Returns by how much the elevation clearly changes; 0 if by too little, to and fro, or if the source does not rise
        or fall as much in metres: a source that passes overhead at one height rises and falls for the listener alone."""
        angle_deg, height_m = _one_way(self.track.elevation_deg, MOVED_DEG), _one_way(self.xyz[:, 2], MOVED_M)
        return angle_deg if angle_deg * height_m > 0 else 0.0

    def leaving_m(self) -> float:
        """Returns by how much the distance clearly changes, positive away from the listener; 0 if by too little, or to and
        fro."""
        far_m = self.track.distance_m
        factor = max(far_m[-1] / far_m[0], far_m[0] / far_m[-1])
        return _one_way(far_m, 0.0 if factor >= MOVED_FACTOR else MOVED_M)

    def crossing(self, margin_deg: float) -> int:
        """Returns 1 if the source passes from the listener's left to the right, -1 from right to left, within the half in
        front or within that behind; 0 if neither is clear."""
        if self.turns or not self.around_deg():
            return 0
        front, left, _ = self._sines.T
        sides = np.sign(left[[0, -1]]) * (np.abs(left[[0, -1]]) >= np.sin(np.deg2rad(margin_deg)))
        within = np.all(front > 0) or np.all(front < 0)
        return int(sides[0]) if within and sides[0] * sides[1] < 0 else 0

    def ahead_s(self, margin_deg: float) -> float | None:
        """Returns the time at which the source is straight ahead of the listener; None unless it passes there once, from one
        side clearly to the other, and in little time."""
        turned_deg = self.track.azimuth_deg - 360.0 * np.round(self.track.azimuth_deg / 360.0)  # of each time by itself
        near = np.abs(turned_deg) < 90.0
        crossed = np.flatnonzero(near[1:] & near[:-1] & ((turned_deg[1:] > 0) != (turned_deg[:-1] > 0)))
        within = np.flatnonzero(np.abs(turned_deg) <= margin_deg)
        if len(crossed) != 1 or not self._is_brief(within) or turned_deg[within[0] - 1] * turned_deg[within[-1] + 1] >= 0:
            return None
        times_s, before = self.track.times_s, crossed[0]
        share = turned_deg[before] / (turned_deg[before] - turned_deg[before + 1])
        return float(times_s[before] + share * (times_s[before + 1] - times_s[before]))

    def nearest_s(self) -> float | None:
        """Returns the time of the closest approach; None unless the source comes clearly nearer before it, goes clearly away
        after it, and stays about as near for little time."""
        far_m, least_m = self.track.distance_m, self.track.nearest_m
        within = np.flatnonzero(far_m <= max(least_m * (1 + NEAR_SHARE), least_m + NEAR_M))
        if not self._is_brief(within):
            return None
        farthest_m = min(far_m[: within[0]].max(), far_m[within[-1] + 1 :].max())
        clear = farthest_m >= least_m + MOVED_M or farthest_m >= least_m * MOVED_FACTOR
        return self.track.nearest_s if clear else None

    def _is_brief(self, within: NDArray[np.int64]) -> bool:
        """Returns whether these times of the track follow each other, touch neither end, and last briefly."""
        if len(within) == 0 or within[0] == 0 or within[-1] == len(self.track.times_s) - 1:
            return False
        joined = bool(np.all(np.diff(within) == 1))
        return joined and self.track.times_s[within[-1]] - self.track.times_s[within[0]] <= BRIEFLY_S


def _one_way(values: NDArray[np.float64], least: float) -> float:
    """Returns the change from the first value to the last; 0 if it is below `least`, or partly undone on the way."""
    steps = np.diff(values)
    change = float(values[-1] - values[0])
    undone = float(np.abs(steps[steps * change < 0]).sum())
    return change if abs(change) >= max(least, 1e-9) and undone <= RETURNED_SHARE * abs(change) else 0.0


@lru_cache(maxsize=8)
def courses(scene: HeardScene) -> tuple[Course, ...]:
    """Returns the course of each source that has a track and sounds long enough; none where no tracks are known."""
    found = []
    for index, track in enumerate(scene.tracks):
        if track is not None and track.times_s[-1] - track.times_s[0] >= SHORTEST_S:
            headings_deg = headings_at(scene.headings, 0.0, track.times_s)
            found.append(Course(scene.sources[index], index, track, headings_deg - headings_deg[0]))
    return tuple(found)


def named_courses(scene: HeardScene) -> list[Course]:
    """Returns the courses of the sources that no other source shares its label with."""
    named = {source.label for source in scene.named}
    return [course for course in courses(scene) if course.source.label in named]


def motion_known(scene: HeardScene) -> dict[int, bool]:
    """Returns index of a source -> whether it moves, of those for which this is known and clear."""
    if scene.stands_still:
        return {index: False for index, source in enumerate(scene.sources) if _is_long(source)}
    clear = [course for course in courses(scene) if course.has_moved or not course.track.moves]
    return {course.index: course.has_moved for course in clear}


def _is_long(source: HeardSource) -> bool:
    return None not in (source.onset_s, source.offset_s) and source.offset_s - source.onset_s >= SHORTEST_S
