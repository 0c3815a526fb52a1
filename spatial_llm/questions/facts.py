"""The facts about a scene that the audio can reveal, and when they are clear enough for a question."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from spatial_llm.answers import AXES, Location
from spatial_llm.errors import SceneError
from spatial_llm.geometry import DISTANCE_STEP_M, direction_to_vector, direction_words, wrap_azimuth_deg
from spatial_llm.questions.wordings import meters
from spatial_llm.scenes.motion.track import Track, track_of
from spatial_llm.scenes.scene import Scene, SourceTruth, direction_of

AXIS_NAMES = tuple(AXES)  # "left_right", "front_behind", "above_below"
CHANGED_DB = 6.0  # gain from which on a level tells no distance: that of half or twice the true one
DRY_DRR_DB = 20.0  # direct-to-reverberant ratio from which on reverberation is taken not to tell a distance
FILLING_S = 0.1  # a sound fills its recording if it is at most this much shorter
_AXIS_COORDINATE = {"left_right": 1, "front_behind": 0, "above_below": 2}  # of xyz in the internal frame


@dataclass(frozen=True)
class HeardSource:
    """Holds one static source at the listener: its label, its direction and distance in the internal frame, and when it
    begins and ends there, in seconds.

    None: not known, and no question asks for it. A source without an azimuth has no place at all (it moves, for instance).
    folded: the azimuth is that of the mirror image ahead, from -90 to 90, so that nothing tells front from behind: labels of
    stereo recordings are given so.
    """

    label: str
    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    distance_m: float | None = None
    onset_s: float | None = None
    offset_s: float | None = None
    folded: bool = False

    @property
    def is_placed(self) -> bool:
        """Returns True if direction and distance are known in full."""
        return None not in (self.azimuth_deg, self.elevation_deg, self.distance_m) and not self.folded

    def knows(self, axis: str) -> bool:
        """Returns True if it is known on which side of an axis of direction words the source is."""
        if axis == "above_below":
            return self.elevation_deg is not None
        return self.azimuth_deg is not None and not (axis == "front_behind" and self.folded)

    @cached_property
    def _reach_m(self) -> float:
        return 1.0 if self.distance_m is None else self.distance_m

    @cached_property
    def _xyz(self) -> np.ndarray:
        """Returns (xyz) with what is not known set to straight ahead, level, 1 m."""
        return direction_to_vector(self.azimuth_deg or 0.0, self.elevation_deg or 0.0, self._reach_m)

    @property
    def xyz(self) -> np.ndarray:
        """Returns (xyz) in metres: front, left, up. Raises SceneError if the place is not known in full."""
        if not self.is_placed:
            raise SceneError(f"the place of {self.label!r} is not known in full, so nothing that needs it can be asked.")
        return self._xyz

    @cached_property
    def words(self) -> tuple[str, str, str]:
        """Returns the three direction words: left/right, front/behind, above/below; of an axis that `knows` denies, the word
        means nothing."""
        return direction_words(self._xyz)

    @cached_property
    def location(self) -> Location:
        """Returns the words with the distance in steps of 0.5 m, as SpatialSoundQA writes it."""
        return Location(*direction_words(self.xyz), step_distance_m(self.distance_m))

    @property
    def place_words(self) -> tuple[str, str]:
        """Returns the location in the form of questions: ("right, front, below", "3 meters")."""
        return ", ".join(self.location.words), meters(self.location.distance_m)

    @property
    def whole_azimuth_deg(self) -> float:
        """Returns the azimuth in whole degrees, -179 to 180."""
        return float(wrap_azimuth_deg(round(self.azimuth_deg)))

    def word(self, axis: str) -> str:
        """Returns the word of one axis."""
        return self.words[AXIS_NAMES.index(axis)]

    def angle_from_plane_deg(self, axis: str) -> float:
        """Returns the angle from the plane where this axis changes its word; positive to the left, the front, upwards."""
        return math.degrees(math.asin(max(-1.0, min(1.0, self._xyz[_AXIS_COORDINATE[axis]] / self._reach_m))))

    def is_clear(self, axis: str, margin_deg: float) -> bool:
        """Returns True if the source is known to be at least `margin_deg` away from the plane where this axis changes its
        word."""
        across = abs(self._xyz[_AXIS_COORDINATE[axis]])
        return self.knows(axis) and bool(across >= self._reach_m * math.sin(math.radians(margin_deg)))

    def all_clear(self, margin_deg: float) -> bool:
        """Returns True if the place is known in full, and all three direction words are clear."""
        return self.is_placed and all(self.is_clear(axis, margin_deg) for axis in AXIS_NAMES)

    def after_turn(self, turn_deg: float) -> "HeardSource":
        """Returns the same source after the listener has turned by `turn_deg`, positive to the left."""
        return self._at_azimuth(1, -turn_deg)

    def mirror_image(self) -> "HeardSource":
        """Returns the same source with left and right exchanged."""
        return self._at_azimuth(-1, 0.0)

    def _at_azimuth(self, sign: int, further_deg: float) -> "HeardSource":
        if self.azimuth_deg is None:
            return self
        return replace(self, azimuth_deg=float(wrap_azimuth_deg(sign * self.azimuth_deg + further_deg)))


@dataclass(frozen=True)
class HeardScene:
    """Holds one recording: its one to four sources, the room's reverberation time and volume, and its duration in seconds
    (None: not known; no question asks for it).

    tracks: of a scene in which something moves, the way of each source around the listener (see `scenes.motion.track`), None
    for one that is never heard; empty where all stands still, and for recordings.
    headings: (time_s, heading_deg) of a listener who turns, see `scenes.scene.Listener`.
    stands_still: whether it is known that no source moves and the listener does not turn. A recording without tracks may
    have either.
    elevation_told: whether the format of the recording can tell elevations.
    distance_told: of each source, whether anything tells its distance; None: not clear. Empty: something does for all.
    complete: whether the sources are all that sound. If not, nothing is asked whose answer a further sound could change: how
    many there are, which is nearest or first, which are all on one side.
    """

    sources: tuple[HeardSource, ...]
    rt60_s: float | None = None
    volume_m3: float | None = None
    duration_s: float | None = None
    complete: bool = True
    tracks: tuple[Track | None, ...] = ()
    headings: tuple[tuple[float, float], ...] = ()
    stands_still: bool = False
    elevation_told: bool = True
    distance_told: tuple[bool | None, ...] = ()

    @staticmethod
    def from_scene(scene: Scene) -> "HeardScene":
        """Returns the facts of a simulated scene.

        Raises:
            SceneError: its truth has not been derived, or a source never sounds in the recording.
        """
        if scene.truth is None:
            raise SceneError(f"scene {scene.id!r} has no truth; derive it before questions are asked.")
        for index, (source, true) in enumerate(zip(scene.sources, scene.truth.sources, strict=True)):
            if true.offset_s <= true.onset_s:
                raise SceneError(
                    f"scene {scene.id!r}: sources[{index}] ({source.label!r}, {source.recording!r}) is never heard (from "
                    f"{true.onset_s} to {true.offset_s} s), so nothing can be asked about it; draw the scene again."
                )
        tracks = tuple(track_of(scene, index) for index in range(len(scene.sources))) if scene.moves else ()
        room = scene.truth.rt60_s, scene.truth.volume_m3, scene.duration_s
        headings = scene.listener.headings if scene.listener.turns else ()
        return HeardScene(
            tuple(heard_sources(scene)),
            *room,
            tracks=tracks,
            headings=headings,
            stands_still=not scene.moves,
            elevation_told=scene.format.tells_elevation,
            distance_told=distances_told(scene),
        )

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Returns the classes that sound, alphabetical, each once."""
        return tuple(sorted({source.label for source in self.sources}))

    @cached_property
    def named(self) -> tuple[HeardSource, ...]:
        """Returns the sources that no other source shares its label with: "the sound of the bell" names neither of two
        bells."""
        count = Counter(source.label for source in self.sources)
        return tuple(source for source in self.sources if count[source.label] == 1)

    def indices(self, *sources: HeardSource) -> tuple[int, ...]:
        """Returns the index of each of these sources in `sources`, by identity: a turned or equal source is not found."""
        at = {id(source): index for index, source in enumerate(self.sources)}
        return tuple(at[id(source)] for source in sources)

    def tells_distance(self, index: int) -> bool | None:
        """Returns whether anything in the recording tells the distance of a source; None if that is not clear."""
        return self.distance_told[index] if self.distance_told else True

    @property
    def is_timed(self) -> bool:
        """Returns True if all onsets and offsets are known."""
        return all(source.onset_s is not None and source.offset_s is not None for source in self.sources)

    def bounded(self, shortest_s: float) -> list[HeardSource]:
        """Returns the named sources that last at least `shortest_s` and do not fill the whole recording; none if times are
        not known."""
        return [
            source
            for source in self.named
            if self.is_timed
            and source.offset_s - source.onset_s >= shortest_s
            and (self.duration_s is None or source.offset_s - source.onset_s <= self.duration_s - FILLING_S)
        ]


def heard_sources(scene: Scene) -> list[HeardSource]:
    """Returns the sources of a scene as far as one place tells where they are: what moves has none, and around a listener
    who turns nothing has an azimuth. Times are known where the scene has its truth."""
    found = []
    for index, source in enumerate(scene.sources):
        true = None if scene.truth is None else scene.truth.sources[index]
        place = direction_of(scene.listener, source.position_m) if true is None else _place(true)
        place = (None, None, None) if source.moves else (None, *place[1:]) if scene.listener.turns else place
        found.append(HeardSource(source.label, *place, *(() if true is None else (true.onset_s, true.offset_s))))
    return found


def distances_told(scene: Scene) -> tuple[bool | None, ...]:
    """Returns of each source of a scene whether the recording tells its distance.

    Its level does, unless a gain of its own was applied, which no one can know. Then its reverberation may, and so may a
    level that is little changed (None), but nothing does where there is none that could be heard beside the direct sound.
    """
    no_reflections = scene.room.size_m is not None and scene.room.max_order == 0 and not scene.room.ray_tracing
    told: list[bool | None] = []
    for index, source in enumerate(scene.sources):
        drr_db = None if scene.truth is None else scene.truth.sources[index].drr_db
        is_dry = no_reflections or (drr_db is not None and drr_db >= DRY_DRR_DB)
        is_unknowable = is_dry and abs(source.gain_db) >= CHANGED_DB
        told.append(True if source.gain_db == 0 else False if is_unknowable else None)
    return tuple(told)


def _place(true: SourceTruth) -> tuple[float, float, float]:
    return true.azimuth_deg, true.elevation_deg, true.distance_m


def same_place(first: HeardSource, second: HeardSource) -> bool:
    """Returns True if one place in words and metres could name both: one octant, and distances that differ by less than 1
    m; or if it is not known."""
    if not (first.is_placed and second.is_placed):
        return True
    apart_m = abs(step_distance_m(first.distance_m) - step_distance_m(second.distance_m))
    return first.words == second.words and apart_m < 1.0


def side_of(first: HeardSource, second: HeardSource, axis: str, margin_deg: float, margin_m: float) -> int:
    """Returns where the first is, seen from the second: 1 = left, in front or above, -1 = the opposite, 0 = not clear.

    Two sources on opposite sides of the listener are clear. On the same side, left and above are clear if the angle and the
    distance from the dividing plane agree. "In front of" on one side is never clear: it can mean nearer to the listener or
    further ahead. What needs a direction or distance that is not known is not clear.
    """
    if not (first.knows(axis) and second.knows(axis)):
        return 0
    angles = [source.angle_from_plane_deg(axis) for source in (first, second)]
    if angles[0] * angles[1] < 0 and min(map(abs, angles)) >= margin_deg:
        return 1 if angles[0] > 0 else -1
    if axis == "front_behind" or not (first.is_placed and second.is_placed):
        return 0
    coordinate = _AXIS_COORDINATE[axis]
    apart_deg, apart_m = angles[0] - angles[1], float(first.xyz[coordinate] - second.xyz[coordinate])
    if abs(apart_deg) < margin_deg or abs(apart_m) < margin_m or apart_deg * apart_m < 0:
        return 0
    return 1 if apart_deg > 0 else -1


def step_distance_m(distance_m: float) -> float:
    """Returns a distance in the 0.5 m steps of SpatialSoundQA, rounded like its classes (`round(2 d) / 2`, banker's
    rounding)."""
    return round(float(distance_m) / DISTANCE_STEP_M) * DISTANCE_STEP_M
