"""Samples how sources move and listeners turn in scenes: along lines and arcs, towards the listener and away, up and down.

In one scene either sources move or the listener turns, so that what is heard to move has one cause. Kinds of motion and
their senses take turns, so that each occurs equally often, as far as the rooms have space for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spatial_llm.errors import SceneError
from spatial_llm.geometry import direction_to_vector, vector_to_direction
from spatial_llm.scenes.motion.paths import MOST_SPEED_M_S, MOST_TURN_DEG_S, Path
from spatial_llm.scenes.scene import Scene, Source
from spatial_llm.scenes.scene_checks import check_scene

Range = tuple[float, float]
Kind = Literal["line", "arc", "radial", "vertical"]
KINDS: tuple[Kind, ...] = ("line", "arc", "radial", "vertical")
TRIES = 60  # draws of a path of one kind and sense
ARC_STEP_DEG = 4.0  # between waypoints of an arc: the chord is within 0.06 % of the radius
LEAST_S = 0.2  # of motion


@dataclass
class MotionConfig:
    """Configures motion. Every pair is a range (lowest, highest).

    Attributes:
        turning_share: share of the scenes in which the listener turns and nothing else moves.
        moving_share: share of the sources of the other scenes that move.
        kinds: ways of moving, in turn: a straight line anywhere, an arc around the listener, along the line of sight, or
            straight up or down.
        speed_m_s: of sources.
        arc_deg: how far an arc goes around the listener.
        line_m: how far lines go, radial and vertical ones too.
        turn_deg: how far the listener turns, to either side.
        turn_deg_s: how fast the listener turns.
        rest_share: share of the motions with a rest before and after: they take a part of the scene, the others all of it.
        least_distance_m: from the listener, on the whole way.
        wall_margin_m: from the walls, on the whole way.
    """

    turning_share: float = 0.0
    moving_share: float = 0.5
    kinds: list[Kind] = field(default_factory=lambda: list(KINDS))
    speed_m_s: Range = (0.5, 2.0)
    arc_deg: Range = (40.0, 180.0)
    line_m: Range = (0.8, 4.0)
    turn_deg: Range = (45.0, 180.0)
    turn_deg_s: Range = (30.0, 120.0)
    rest_share: float = 0.5
    least_distance_m: float = 0.5
    wall_margin_m: float = 0.25

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if entry.type is Range or entry.type == Range:
                low, high = (float(end) for end in value)
                setattr(self, entry.name, (low, high))
                if not np.isfinite([low, high]).all() or not 0 < low <= high:
                    raise SceneError(f"motion.{entry.name} is {value}; give a range [lowest, highest] above 0.")
        for name in ("turning_share", "moving_share", "rest_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise SceneError(f"motion.{name} is {getattr(self, name)}; give a share from 0 to 1.")
        if not self.kinds:
            raise SceneError(f"motion.kinds is empty; give some of {', '.join(KINDS)}.")
        if self.speed_m_s[1] > MOST_SPEED_M_S or self.turn_deg_s[1] > MOST_TURN_DEG_S or self.arc_deg[1] > 360:
            raise SceneError(
                f"motion.speed_m_s is {self.speed_m_s}, turn_deg_s {self.turn_deg_s}, arc_deg {self.arc_deg}; give at most "
                f"{MOST_SPEED_M_S:g} m/s, {MOST_TURN_DEG_S:g} degrees a second, 360 degrees."
            )
        if self.least_distance_m < 0.25 or self.wall_margin_m < 0:
            raise SceneError(
                f"motion.least_distance_m is {self.least_distance_m}, wall_margin_m {self.wall_margin_m}; give 0.25 m or "
                "more (the head was measured from afar), and 0 m or more."
            )


class MotionDrawer:
    """Samples motion for scenes one after another; it remembers earlier ones only to balance kinds and senses."""

    def __init__(self, config: MotionConfig, rng: np.random.Generator) -> None:
        self.config, self.rng = config, rng
        self._motions = self._in_turn([(kind, sense) for kind in config.kinds for sense in (-1, 1)])
        self._turns = self._in_turn([-1, 1])

    def moved(self, scene: Scene) -> Scene:
        """Returns a scene in which something moves, without bank and truth; the given one where nothing was drawn to.

        Raises:
            SceneError: the size of the room is not known, or no motion fits into it.
        """
        if scene.room.size_m is None:
            raise SceneError(f"scene {scene.id!r}: motion needs simulated rooms; this one has only measured responses.")
        listener, sources = scene.listener, scene.sources
        if self.rng.uniform() < self.config.turning_share:
            listener = replace(listener, headings=self._headings(scene))
        else:
            wants = self.rng.uniform(size=len(sources)) < self.config.moving_share
            sources = tuple(
                replace(source, path=self._path(source, scene)) if moves else source
                for source, moves in zip(sources, wants, strict=True)
            )
        moved = replace(scene, listener=listener, sources=sources)
        if not moved.moves:
            return scene
        unbanked = tuple(replace(source, response=None) for source in sources)
        moved = replace(moved, sources=unbanked, bank=None, mirror=False, truth=None)
        check_scene(moved, f"scene {scene.id!r}")
        return moved

    def _in_turn(self, options: list) -> Iterator:
        while True:
            for index in self.rng.permutation(len(options)):
                yield options[index]

    def _headings(self, scene: Scene) -> tuple[tuple[float, float], ...]:
        turn_deg = self.rng.uniform(*self.config.turn_deg)
        seconds = turn_deg / self.rng.uniform(*self.config.turn_deg_s)
        if seconds > scene.duration_s:  # a slower turn than fits goes as far as the scene lasts
            turn_deg, seconds = turn_deg * scene.duration_s / seconds, scene.duration_s
        begin_s = self.rng.uniform(0.0, scene.duration_s - seconds)
        begin_deg = scene.listener.heading_deg
        end_deg = begin_deg + next(self._turns) * turn_deg
        return (round(begin_s, 3), begin_deg), (round(min(begin_s + seconds, scene.duration_s), 3), round(end_deg, 4))

    def _path(self, source: Source, scene: Scene) -> Path:
        """Returns a path of the kind and sense whose turn it is, or of another one where none such fits."""
        kind, sense = next(self._motions)
        others = [(kind, -sense), *((other, sense) for other in self.config.kinds if other != kind)]
        for wanted, way in ((kind, sense), *others):
            for _ in range(TRIES):
                path = self._drawn(wanted, way, source, scene)
                if path is not None:
                    return path
        raise SceneError(
            f"scene {scene.id!r}: no motion of kinds {self.config.kinds} fits around {source.position_m} in {TRIES} draws: "
            f"the room is {scene.room.size_m} m, the listener at {scene.listener.position_m}. Lower speed_m_s, line_m or "
            "arc_deg, or make rooms larger."
        )

    def _drawn(self, kind: Kind, sense: int, source: Source, scene: Scene) -> Path | None:
        """Returns one draw of a path; None where it does not fit into the room or the time that is left."""
        speed_m_s, share = self.rng.uniform(*self.config.speed_m_s), 1.0
        if self.rng.uniform() < self.config.rest_share:
            share = self.rng.uniform(0.4, 0.9)
        left_s = scene.duration_s - source.onset_s
        places_m = self._places(kind, sense, source, scene, speed_m_s * share * left_s)
        if places_m is None or not self._fits(places_m, scene):
            return None
        steps_s = np.linalg.norm(np.diff(places_m, axis=0), axis=1) / speed_m_s
        begin_s = source.onset_s + self.rng.uniform(0.0, max(0.0, left_s - float(steps_s.sum())))
        times_s = np.minimum(begin_s + np.append(0.0, np.cumsum(steps_s)), scene.duration_s).round(4)
        if times_s[-1] - times_s[0] < LEAST_S or np.any(np.diff(times_s) <= 0):
            return None
        places = [source.position_m, *(tuple(float(v) for v in place_m) for place_m in places_m[1:].round(4))]
        return tuple(zip(times_s.tolist(), places, strict=True))

    def _places(self, kind: Kind, sense: int, source: Source, scene: Scene, longest_m: float) -> NDArray | None:
        """Returns the waypoints (waypoints, xyz) of a motion of at most some metres; None where it would be too short to be
        heard as one."""
        start_m, listener_m = np.array(source.position_m), np.array(scene.listener.position_m)
        if kind == "arc":
            azimuth_deg, elevation_deg, distance_m = (float(value) for value in vector_to_direction(start_m - listener_m))
            across_m = distance_m * np.cos(np.deg2rad(elevation_deg))
            wide_deg = min(self.rng.uniform(*self.config.arc_deg), np.rad2deg(longest_m / across_m))
            if wide_deg < self.config.arc_deg[0]:
                return None
            count = int(np.ceil(wide_deg / ARC_STEP_DEG)) + 1
            around_deg = azimuth_deg + sense * np.linspace(0.0, wide_deg, count)
            return listener_m + direction_to_vector(around_deg, elevation_deg, distance_m)
        length_m = min(self.rng.uniform(*self.config.line_m), longest_m)
        if length_m < self.config.line_m[0]:
            return None
        if kind == "radial":
            way = sense * (start_m - listener_m)
        elif kind == "vertical":
            way = np.array([0.0, 0.0, float(sense)])
        else:
            # To the left or to the right as the listener hears it, and a little up or down.
            across = np.cross([0.0, 0.0, 1.0], start_m - listener_m)
            turn_deg = self.rng.uniform(-60.0, 60.0)
            along = direction_to_vector(vector_to_direction(sense * across)[0] + turn_deg, self.rng.uniform(-10.0, 10.0))
            way = along
        return np.stack([start_m, start_m + length_m * way / np.linalg.norm(way)])

    def _fits(self, places_m: NDArray, scene: Scene) -> bool:
        margin_m, size_m = self.config.wall_margin_m, np.array(scene.room.size_m)
        between = np.linspace(places_m[:-1], places_m[1:], 9).reshape(-1, 3)
        away_m = np.linalg.norm(between - np.array(scene.listener.position_m), axis=1)
        inside = np.all((places_m > margin_m) & (places_m < size_m - margin_m))
        return bool(inside and away_m.min() >= self.config.least_distance_m)
