"""What a listener could know of a scene, and when it is clear enough to be asked about."""

import math
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from spatial_llm.answers import AXES, Location
from spatial_llm.errors import SceneError
from spatial_llm.geometry import DISTANCE_STEP_M, direction_to_vector, direction_words, wrap_azimuth_deg
from spatial_llm.questions.wordings import meters
from spatial_llm.scenes.scene import Scene

AXIS_NAMES = tuple(AXES)  # "left_right", "front_behind", "above_below"
FILLING_S = 0.1  # a sound that is at most this much shorter than its recording fills it
_AXIS_COORDINATE = {"left_right": 1, "front_behind": 0, "above_below": 2}  # of xyz in the internal frame


@dataclass(frozen=True)
class HeardSource:
    """One static source as the listener hears it: its label, its direction and distance in the internal frame, and when
    it begins and ends as heard (None: not known, and not asked about)."""

    label: str
    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    onset_s: float | None = None
    offset_s: float | None = None

    @cached_property
    def xyz(self) -> np.ndarray:
        """(xyz) in metres: front, left, up."""
        return direction_to_vector(self.azimuth_deg, self.elevation_deg, self.distance_m)

    @cached_property
    def words(self) -> tuple[str, str, str]:
        """left/right, front/behind, above/below."""
        return direction_words(self.xyz)

    @cached_property
    def location(self) -> Location:
        """The words with the distance in steps of 0.5 m, as SpatialSoundQA writes it."""
        return Location(*self.words, step_distance_m(self.distance_m))

    @property
    def place_words(self) -> tuple[str, str]:
        """The location as questions name it: ("right, front, below", "3 meters")."""
        return ", ".join(self.location.words), meters(self.location.distance_m)

    @property
    def whole_azimuth_deg(self) -> float:
        """The azimuth in whole degrees, -179 to 180."""
        return float(wrap_azimuth_deg(round(self.azimuth_deg)))

    def word(self, axis: str) -> str:
        """The word of one axis."""
        return self.words[AXIS_NAMES.index(axis)]

    def angle_from_plane_deg(self, axis: str) -> float:
        """Angle above the plane where this axis changes its word; positive to the left, the front, upwards."""
        return math.degrees(math.asin(max(-1.0, min(1.0, self.xyz[_AXIS_COORDINATE[axis]] / self.distance_m))))

    def is_clear(self, axis: str, margin_deg: float) -> bool:
        """True if the source is at least `margin_deg` away from the plane where this axis changes its word."""
        across = abs(self.xyz[_AXIS_COORDINATE[axis]])
        return bool(across >= self.distance_m * math.sin(math.radians(margin_deg)))

    def all_clear(self, margin_deg: float) -> bool:
        """True if all three direction words are clear."""
        return all(self.is_clear(axis, margin_deg) for axis in AXIS_NAMES)

    def after_turn(self, turn_deg: float) -> "HeardSource":
        """The same source after the listener has turned by `turn_deg`, positive to the left."""
        return replace(self, azimuth_deg=float(wrap_azimuth_deg(self.azimuth_deg - turn_deg)))

    def mirror_image(self) -> "HeardSource":
        """The same source with left and right exchanged."""
        return replace(self, azimuth_deg=float(wrap_azimuth_deg(-self.azimuth_deg)))


@dataclass(frozen=True)
class HeardScene:
    """One recording as heard: its one to four sources, the room's reverberation time and volume, and how long it is
    (None: not known, and not asked about)."""

    sources: tuple[HeardSource, ...]
    rt60_s: float | None = None
    volume_m3: float | None = None
    duration_s: float | None = None

    @staticmethod
    def from_scene(scene: Scene) -> "HeardScene":
        """What is true of a simulated scene.

        Raises:
            SceneError: its truth has not been derived, or says of a source that it is never heard.
        """
        if scene.truth is None:
            raise SceneError(f"scene {scene.id!r} has no truth; derive it before questions are asked.")
        for index, (source, true) in enumerate(zip(scene.sources, scene.truth.sources, strict=True)):
            if true.offset_s <= true.onset_s:
                raise SceneError(
                    f"scene {scene.id!r}: sources[{index}] ({source.label!r}, {source.recording!r}) is never heard (from "
                    f"{true.onset_s} to {true.offset_s} s), so nothing can be asked about it; draw the scene again."
                )
        sources = tuple(
            HeardSource(source.label, true.azimuth_deg, true.elevation_deg, true.distance_m, true.onset_s, true.offset_s)
            for source, true in zip(scene.sources, scene.truth.sources, strict=True)
        )
        return HeardScene(sources, scene.truth.rt60_s, scene.truth.volume_m3, scene.duration_s)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The classes that sound, alphabetical, each once."""
        return tuple(sorted({source.label for source in self.sources}))

    @cached_property
    def named(self) -> tuple[HeardSource, ...]:
        """The sources that their label names alone: "the sound of the bell" is one of two bells for nobody."""
        count = Counter(source.label for source in self.sources)
        return tuple(source for source in self.sources if count[source.label] == 1)

    def indices(self, *sources: HeardSource) -> tuple[int, ...]:
        """Where each of these sources stands in `sources`. Each is one of them, not a turned or equal one."""
        at = {id(source): index for index, source in enumerate(self.sources)}
        return tuple(at[id(source)] for source in sources)

    @property
    def is_timed(self) -> bool:
        """True if all onsets and offsets are known."""
        return all(source.onset_s is not None and source.offset_s is not None for source in self.sources)

    def bounded(self, shortest_s: float) -> list[HeardSource]:
        """The named sources that last at least `shortest_s` and do not fill the whole recording; none where times are not
        known."""
        return [
            source
            for source in self.named
            if self.is_timed
            and source.offset_s - source.onset_s >= shortest_s
            and (self.duration_s is None or source.offset_s - source.onset_s <= self.duration_s - FILLING_S)
        ]


def same_place(first: HeardSource, second: HeardSource) -> bool:
    """True if a place in words and metres would name both: one octant, and distances that differ by less than 1 m."""
    apart_m = abs(step_distance_m(first.distance_m) - step_distance_m(second.distance_m))
    return first.words == second.words and apart_m < 1.0


def side_of(first: HeardSource, second: HeardSource, axis: str, margin_deg: float, margin_m: float) -> int:
    """Where the first is, seen from the second: 1 = left, in front or above, -1 = the opposite, 0 = not clear.

    Two sources on opposite sides of the listener are clear. On the same side, left and above are clear if the angle and
    the distance from the dividing plane agree; of "in front of" on one side there is a reading that it means nearer to the
    listener and one that it means further ahead, so that is never clear.
    """
    angles = [source.angle_from_plane_deg(axis) for source in (first, second)]
    if angles[0] * angles[1] < 0 and min(map(abs, angles)) >= margin_deg:
        return 1 if angles[0] > 0 else -1
    if axis == "front_behind":
        return 0
    coordinate = _AXIS_COORDINATE[axis]
    apart_deg, apart_m = angles[0] - angles[1], float(first.xyz[coordinate] - second.xyz[coordinate])
    if abs(apart_deg) < margin_deg or abs(apart_m) < margin_m or apart_deg * apart_m < 0:
        return 0
    return 1 if apart_deg > 0 else -1


def step_distance_m(distance_m: float) -> float:
    """A distance in the 0.5 m steps of SpatialSoundQA, rounded as its classes are (`round(2 d) / 2`, banker's)."""
    return round(float(distance_m) / DISTANCE_STEP_M) * DISTANCE_STEP_M
