"""Draws the motion of scenes without audio: some sources pass on lines, some on arcs, and some listeners turn."""

from collections.abc import Sequence

import numpy as np

from spatial_llm.audio.formats import Xyz
from spatial_llm.geometry import direction_to_vector
from spatial_llm.questions.facts import HeardScene, HeardSource
from spatial_llm.scenes.scene import Listener, Room, Scene, SceneTruth, Source, SourceTruth

MOVES_SHARE, TURNS_SHARE, LINE_SHARE = 0.6, 0.3, 0.5  # of sources, of scenes, and of sources that move
TURN_DEG, TURN_S = (30.0, 180.0), 1.5  # how far listeners turn, and how long it takes them
AROUND_DEG, ARC_STEPS = 150.0, 8  # greatest angle of an arc, and pieces of which it consists
LEAST_M = 0.4  # from the listener
_TRIES = 20


def moving_scene(
    rng: np.random.Generator,
    sources: Sequence[HeardSource],
    duration_s: float,
    distance_m: tuple[float, float],
    rt60_s: float | None = None,
    volume_m3: float | None = None,
) -> HeardScene:
    """Returns a scene in which some of the sources move away from where they are given, and the listener may turn.

    Args:
        rng: random generator of every choice.
        sources: with their times, placed where they begin.
        duration_s: of the scene.
        distance_m: range of the distances at which moving sources end.
        rt60_s, volume_m3: of the room; None = not known.
    """
    headings = _headings(rng, duration_s) if rng.uniform() < TURNS_SHARE else ()
    listener = Listener((0.0, 0.0, 0.0), 0.0, headings)
    placed, truths = [], []
    for source in sources:
        path = _path(rng, source, distance_m) if rng.uniform() < MOVES_SHARE else ()
        begin_m = _xyz(source.azimuth_deg, source.elevation_deg, source.distance_m)
        placed.append(Source(source.label, "synth:none/0", begin_m, onset_s=source.onset_s, path=path))
        place = source.azimuth_deg, source.elevation_deg, source.distance_m
        truths.append(SourceTruth(*place, source.onset_s, source.offset_s))
    truth = SceneTruth(tuple(truths), rt60_s, volume_m3)
    return HeardScene.from_scene(
        Scene("words", "train", 0, duration_s, 32000, Room("words"), listener, tuple(placed), truth=truth)
    )


def _headings(rng: np.random.Generator, duration_s: float) -> tuple[tuple[float, float], ...]:
    begin_s = float(rng.uniform(0.0, duration_s - TURN_S))
    return (begin_s, 0.0), (begin_s + TURN_S, float(rng.choice((-1, 1)) * rng.uniform(*TURN_DEG)))


def _path(rng: np.random.Generator, source: HeardSource, distance_m: tuple[float, float]) -> tuple[tuple[float, Xyz], ...]:
    """Returns a line or an arc from where a source is to a random place, passed while it sounds."""
    first_m = np.array(_xyz(source.azimuth_deg, source.elevation_deg, source.distance_m))
    elevation_deg, far_m = float(-source.elevation_deg * rng.uniform()), float(rng.uniform(*distance_m))
    if rng.uniform() < LINE_SHARE:
        for _ in range(_TRIES):
            last_m = np.array(_xyz(float(rng.uniform(-180, 180)), elevation_deg, far_m))
            shares = np.linspace(0.0, 1.0, 50)[:, None]
            if np.linalg.norm(first_m + shares * (last_m - first_m), axis=1).min() >= LEAST_M:
                return (source.onset_s, tuple(first_m)), (source.offset_s, tuple(last_m))
    way = np.linspace(0.0, 1.0, ARC_STEPS + 1)
    azimuths_deg = source.azimuth_deg + way * float(rng.uniform(-AROUND_DEG, AROUND_DEG))
    elevations_deg = source.elevation_deg + way * (elevation_deg - source.elevation_deg)
    points_m = direction_to_vector(azimuths_deg, elevations_deg, source.distance_m + way * (far_m - source.distance_m))
    times_s = np.linspace(source.onset_s, source.offset_s, ARC_STEPS + 1)
    return tuple((float(time_s), tuple(point)) for time_s, point in zip(times_s, points_m.tolist(), strict=True))


def _xyz(azimuth_deg: float, elevation_deg: float, distance_m: float) -> Xyz:
    return tuple(direction_to_vector(azimuth_deg, elevation_deg, distance_m).tolist())
