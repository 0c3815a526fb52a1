"""What a scene has to be beyond the types of its fields: positions inside the room, times inside the recording, a truth that
follows from both."""

import math
from collections.abc import Iterator
from typing import Any

from spatial_llm.audio.formats import Xyz
from spatial_llm.errors import SceneError
from spatial_llm.scenes.motion.paths import check_headings, check_path
from spatial_llm.scenes.scene import Scene, SceneTruth, Source, place_at

MAX_SOURCES = 4
ANGLE_TOLERANCE_DEG, DISTANCE_TOLERANCE_M = 0.1, 0.002  # truth against positions, which are stored to 0.1 mm


def check_scene(scene: Scene, where: str = "scene") -> None:
    """Raises SceneError, naming the field, where types are right but the scene cannot be."""

    def refuse(field: str, problem: str) -> None:
        raise SceneError(f"{where}: {field} {problem}")

    if not math.isfinite(sum(_numbers(scene))):
        refuse("scene", "holds a position, angle, level or time that is not a finite number.")
    if not scene.id:
        refuse("id", "is empty; give a name.")
    if scene.seed < 0 or scene.duration_s <= 0 or scene.sampling_rate <= 0:
        refuse("seed, duration_s, sampling_rate", "are below their least value (0, above 0, above 0).")
    if not 1 <= len(scene.sources) <= MAX_SOURCES:
        refuse("sources", f"has {len(scene.sources)} entries; give 1 to {MAX_SOURCES}.")
    if scene.mirror and scene.bank is None:
        refuse("mirror", "is set without a bank; mirror the positions instead.")
    if scene.format.internal != scene.format:
        refuse("format", f"is {scene.format.name}; scenes are simulated in ACN/SN3D: give {scene.format.internal.text}.")
    _check_room(scene, refuse)
    for index, source in enumerate(scene.sources):
        _check_source(scene, source, f"sources[{index}]", refuse)
    if (scene.listener.headings or any(source.path for source in scene.sources)) and scene.bank is not None:
        refuse("bank", "holds responses of what stands still; scenes with a path or headings are simulated: leave it out.")
    check_headings(scene.listener.headings, scene.listener.heading_deg, scene.duration_s, refuse)
    if scene.truth is not None:
        _check_truth(scene, scene.truth, refuse)


def _numbers(scene: Scene) -> Iterator[float]:
    # Files cannot hold others; scenes made in Python can, and comparisons with NaN pass unseen.
    yield from (scene.duration_s, scene.listener.heading_deg, *scene.listener.position_m, *(scene.room.size_m or ()))
    if scene.noise is not None:
        yield scene.noise.snr_db
    for source in scene.sources:
        yield from (*source.position_m, source.gain_db, source.onset_s, source.offset_s or 0.0)
        yield from (value for time_s, position_m in source.path for value in (time_s, *position_m))
    yield from (value for heading in scene.listener.headings for value in heading)


def _check_room(scene: Scene, refuse: Any) -> None:
    room = scene.room
    if room.size_m is None:
        if scene.bank is None:
            refuse("room.size_m", "is missing; only a room whose responses come from a bank may leave it out.")
        return
    if min(room.size_m) <= 0:
        refuse("room.size_m", f"is {room.size_m}; give length, width and height in metres, above 0.")
    if (room.absorption is None) == (room.target_rt60_s is None):
        refuse("room.absorption", "and room.target_rt60_s: give exactly one of the two.")
    if room.absorption is not None and not 0 < room.absorption <= 1:
        refuse("room.absorption", f"is {room.absorption}; give a share of energy above 0 and at most 1.")
    if room.target_rt60_s is not None and room.target_rt60_s <= 0:
        refuse("room.target_rt60_s", f"is {room.target_rt60_s}; give seconds above 0.")
    if not 0 <= room.scattering <= 1 or room.max_order < 0 or room.response_s <= 0:
        refuse("room", f"has scattering {room.scattering}, max_order {room.max_order}, response_s {room.response_s}; "
               "expected 0 to 1, 0 or more, above 0.")  # fmt: skip
    if not _inside(scene.listener.position_m, room.size_m):
        refuse("listener.position_m", f"{scene.listener.position_m} is outside the room of {room.size_m} m.")


def _check_source(scene: Scene, source: Source, field: str, refuse: Any) -> None:
    if not source.label or not source.recording:
        refuse(field, "has an empty label or recording.")
    if scene.room.size_m is not None and not _inside(source.position_m, scene.room.size_m):
        refuse(f"{field}.position_m", f"{source.position_m} is outside the room of {scene.room.size_m} m.")
    if math.dist(source.position_m, scene.listener.position_m) < 0.01:
        refuse(f"{field}.position_m", f"{source.position_m} is the listener's own position.")
    if not 0 <= source.onset_s < scene.duration_s:
        refuse(f"{field}.onset_s", f"is {source.onset_s}; expected 0 to below duration_s {scene.duration_s}.")
    if source.offset_s is not None and not source.onset_s < source.offset_s <= scene.duration_s:
        refuse(f"{field}.offset_s", f"is {source.offset_s}; expected above onset_s, at most {scene.duration_s}.")
    check_path(source.path, source.position_m, scene, f"{field}.path", refuse)
    if (source.response is None) != (scene.bank is None) or (source.response or 0) < 0:
        refuse(f"{field}.response", f"is {source.response} with bank {scene.bank!r}; a bank needs a row, 0 or more.")


def _check_truth(scene: Scene, truth: SceneTruth, refuse: Any) -> None:
    if len(truth.sources) != len(scene.sources):
        refuse("truth.sources", f"has {len(truth.sources)} entries for {len(scene.sources)} sources.")
    for index, (source, known) in enumerate(zip(scene.sources, truth.sources, strict=True)):
        azimuth_deg, elevation_deg, distance_m = place_at(scene.listener, source, known.onset_s)
        field = f"truth.sources[{index}]"
        if not (-180 < known.azimuth_deg <= 180 and -90 <= known.elevation_deg <= 90 and known.distance_m > 0):
            refuse(field, "is out of range: azimuth_deg in (-180, 180], elevation_deg in [-90, 90], distance_m above 0.")
        off_deg = _apart_deg(azimuth_deg, elevation_deg, known.azimuth_deg, known.elevation_deg)
        if off_deg > ANGLE_TOLERANCE_DEG or abs(distance_m - known.distance_m) > DISTANCE_TOLERANCE_M:
            refuse(field, f"says ({known.azimuth_deg}, {known.elevation_deg}) deg at {known.distance_m} m, but position_m "
                   f"and listener give ({azimuth_deg:.2f}, {elevation_deg:.2f}) at {distance_m:.3f}.")  # fmt: skip
        if not 0 <= known.onset_s <= known.offset_s <= scene.duration_s:
            refuse(field, f"is heard from {known.onset_s} to {known.offset_s} s of {scene.duration_s} s.")


def _apart_deg(azimuth_deg: float, elevation_deg: float, other_azimuth_deg: float, other_elevation_deg: float) -> float:
    first, second, turn = (math.radians(a) for a in (elevation_deg, other_elevation_deg, azimuth_deg - other_azimuth_deg))
    cosine = math.sin(first) * math.sin(second) + math.cos(first) * math.cos(second) * math.cos(turn)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def _inside(position_m: Xyz, size_m: Xyz) -> bool:
    return all(0 < coordinate < side for coordinate, side in zip(position_m, size_m, strict=True))
