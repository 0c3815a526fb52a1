"""The scene: sources in a room, a listener, the format of the recording, and the truth that follows from them.

A Scene is plain data: it converts to JSON and back unchanged (`scene_to_dict`, `scene_from_dict`), and holds everything that
a recording is made from. Positions are in the room's frame (corner at 0, x along the length, y along the width, z up,
metres); directions in `truth` are in the listener's frame (see `geometry`). Sources and listener do not move.
"""

import dataclasses
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator, TypeAdapter, ValidationError

from spatial_llm.audio.formats import BINAURAL, AudioFormat, Xyz, format_from_dict, format_to_dict
from spatial_llm.errors import SceneError
from spatial_llm.validation import STRICT, describe_validation

MAX_SOURCES = 4
PROTOCOLS = ("official_bat", "checkpoint_matched")
ANGLE_TOLERANCE_DEG, DISTANCE_TOLERANCE_M = 0.1, 0.002  # truth against positions, which are stored to 0.1 mm


@dataclass(frozen=True)
class Room:
    """A shoebox room, and how its responses are simulated. A measured room has only responses: `size_m` is None.

    Attributes:
        id: names the room; scenes of two splits share none. It also seeds the late tail.
        size_m: length, width, height.
        absorption, target_rt60_s: exactly one is given. The share of the energy that the walls absorb, the same at all
            frequencies; or the wanted reverberation time, from which the absorption follows.
        scattering: share of the reflected energy that leaves a wall diffusely (used with ray tracing only).
        max_order: image sources are computed up to this number of reflections.
        ray_tracing: whether traced rays give the tail beyond the image sources.
        response_s: length of the responses.
    """

    id: str
    size_m: Xyz | None = None
    absorption: float | None = None
    target_rt60_s: float | None = None
    scattering: float = 0.1
    max_order: int = 6
    ray_tracing: bool = True
    response_s: float = 1.0


@dataclass(frozen=True)
class Listener:
    """Position and heading of the listener: `heading_deg` counter-clockwise from the room's x axis, seen from above."""

    position_m: Xyz = (0.0, 0.0, 0.0)
    heading_deg: float = 0.0


@dataclass(frozen=True)
class Source:
    """One source that does not move.

    Attributes:
        label: its class, lower-case.
        recording: dry sound: "synth:<class>/<seed>", or a path relative to the scene's `sounds`.
        position_m: in the room's frame.
        gain_db: applied after the protocol has brought the dry sound to its level.
        onset_s: time at which the dry sound begins to play.
        offset_s: time at which it is cut; None = it plays to its end or that of the recording.
        response: row of the scene's `bank`; None = the response is simulated when it is needed.
    """

    label: str
    recording: str
    position_m: Xyz
    gain_db: float = 0.0
    onset_s: float = 0.0
    offset_s: float | None = None
    response: int | None = None


@dataclass(frozen=True)
class Noise:
    """Diffuse background noise of equal power from all directions, `snr_db` below the sum of the sources (energy of the
    whole recording, all channels)."""

    color: Literal["white", "pink"] = "pink"
    snr_db: float = 30.0


@dataclass(frozen=True)
class SourceTruth:
    """The truth about one source at the listener.

    Attributes:
        azimuth_deg, elevation_deg, distance_m: in the listener's frame.
        onset_s, offset_s: of its direct sound at the listener, without silence in the dry recording and the room's tail.
        drr_db: energy of the direct sound relative to that of all reflections.
    """

    azimuth_deg: float
    elevation_deg: float
    distance_m: float
    onset_s: float
    offset_s: float
    drr_db: float | None = None


@dataclass(frozen=True)
class Overlap:
    """Two sources (indices, first < second) that sound at the same time, from `begin_s` to `end_s`."""

    first: int
    second: int
    begin_s: float
    end_s: float


@dataclass(frozen=True)
class SceneTruth:
    """The truth that follows from a scene.

    Attributes:
        sources, overlaps: about each source, in the order of the scene, and pairs that sound at the same time.
        rt60_s: reverberation time (T20) measured from the simulated responses of the room.
        volume_m3: of the room; None where its size is not known.
    """

    sources: tuple[SourceTruth, ...]
    rt60_s: float | None = None
    volume_m3: float | None = None
    overlaps: tuple[Overlap, ...] = ()


def _format_to_dict(format: AudioFormat) -> dict[str, Any]:
    # Scene files leave out what is null, and the kind of the default format.
    default = {"kind": BINAURAL.kind}.items()
    return dict(item for item in format_to_dict(format).items() if item[1] is not None and item not in default)


@dataclass(frozen=True)
class Scene:
    """The description of one recording.

    Attributes:
        id: unique in its file; questions about one scene share it as recording_id.
        split: "train" or "eval"; two splits share neither rooms nor source recordings.
        seed: of everything random in rendering (noise).
        duration_s, sampling_rate, format: of the recording.
        room, listener, sources (one to four), noise: what is recorded.
        protocol: how dry sounds and responses become a recording, see `scenes.render`.
        bank: folder of room responses, relative to the file the scene stands in; None = simulated when needed.
        mirror: whether the responses of the bank are mirrored (left and right exchanged) when they are used; room, listener
            and positions of the scene are already the mirrored ones.
        sounds: folder of dry sounds, relative likewise; None where all are synthesized.
        truth: derived, see `scenes.truth`.
    """

    id: str
    split: Literal["train", "eval"]
    seed: int
    duration_s: float
    sampling_rate: int
    room: Room
    listener: Listener
    sources: tuple[Source, ...]
    format: Annotated[AudioFormat, PlainValidator(format_from_dict), PlainSerializer(_format_to_dict)] = BINAURAL
    noise: Noise | None = None
    protocol: Literal["official_bat", "checkpoint_matched"] = "official_bat"
    bank: str | None = None
    mirror: bool = False
    sounds: str | None = None
    truth: SceneTruth | None = None


for _kind in (Room, Listener, Source, Noise, SourceTruth, Overlap, SceneTruth, Scene):
    _kind.__pydantic_config__ = STRICT
_ADAPTER = TypeAdapter(Scene)


def scene_to_dict(scene: Scene) -> dict[str, Any]:
    """Returns the scene as plain JSON values, without fields that have their default; `scene_from_dict` reads it back."""
    return _ADAPTER.dump_python(scene, mode="json", exclude_defaults=True)


def scene_from_dict(value: dict[str, Any], where: str = "scene") -> Scene:
    """Returns a checked scene; `where` (file:line) starts every error message.

    Raises:
        SceneError: a field is missing, unknown, of another type or not finite, or its value is impossible (see
            `check_scene`); the field is named.
    """
    try:
        scene = _ADAPTER.validate_json(json.dumps(value))
    except ValidationError as error:
        raise SceneError(f"{where}: {describe_validation(error)}") from None
    check_scene(scene, where)
    return scene


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
    if scene.truth is not None:
        _check_truth(scene, scene.truth, refuse)


def _numbers(scene: Scene) -> Iterator[float]:
    # Files cannot hold others; scenes made in Python can, and comparisons with NaN pass unseen.
    yield from (scene.duration_s, scene.listener.heading_deg, *scene.listener.position_m, *(scene.room.size_m or ()))
    if scene.noise is not None:
        yield scene.noise.snr_db
    for source in scene.sources:
        yield from (*source.position_m, source.gain_db, source.onset_s, source.offset_s or 0.0)


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
    if (source.response is None) != (scene.bank is None) or (source.response or 0) < 0:
        refuse(f"{field}.response", f"is {source.response} with bank {scene.bank!r}; a bank needs a row, 0 or more.")


def _check_truth(scene: Scene, truth: SceneTruth, refuse: Any) -> None:
    if len(truth.sources) != len(scene.sources):
        refuse("truth.sources", f"has {len(truth.sources)} entries for {len(scene.sources)} sources.")
    for index, (source, known) in enumerate(zip(scene.sources, truth.sources, strict=True)):
        azimuth_deg, elevation_deg, distance_m = direction_of(scene.listener, source.position_m)
        field = f"truth.sources[{index}]"
        if not (-180 < known.azimuth_deg <= 180 and -90 <= known.elevation_deg <= 90 and known.distance_m > 0):
            refuse(field, "is out of range: azimuth_deg in (-180, 180], elevation_deg in [-90, 90], distance_m above 0.")
        off_deg = _apart_deg(azimuth_deg, elevation_deg, known.azimuth_deg, known.elevation_deg)
        if off_deg > ANGLE_TOLERANCE_DEG or abs(distance_m - known.distance_m) > DISTANCE_TOLERANCE_M:
            refuse(field, f"says ({known.azimuth_deg}, {known.elevation_deg}) deg at {known.distance_m} m, but position_m "
                   f"and listener give ({azimuth_deg:.2f}, {elevation_deg:.2f}) at {distance_m:.3f}.")  # fmt: skip
        if not 0 <= known.onset_s <= known.offset_s <= scene.duration_s:
            refuse(field, f"is heard from {known.onset_s} to {known.offset_s} s of {scene.duration_s} s.")


def direction_of(listener: Listener, position_m: Xyz) -> tuple[float, float, float]:
    """Returns azimuth and elevation in degrees and distance in metres of a position of the room in the listener's frame."""
    # geometry.vector_to_direction on plain numbers: every line of a manifest comes through here, and numpy would take
    # longer over three numbers than the rest of the checks together (tests compare the two).
    x, y, z = (to - start for to, start in zip(position_m, listener.position_m, strict=True))
    azimuth_deg = math.degrees(math.atan2(y, x)) - listener.heading_deg
    elevation_deg = math.degrees(math.atan2(z, math.hypot(x, y)))
    return 180.0 - (180.0 - azimuth_deg) % 360.0, elevation_deg, math.sqrt(x * x + y * y + z * z)


def _apart_deg(azimuth_deg: float, elevation_deg: float, other_azimuth_deg: float, other_elevation_deg: float) -> float:
    first, second, turn = (math.radians(a) for a in (elevation_deg, other_elevation_deg, azimuth_deg - other_azimuth_deg))
    cosine = math.sin(first) * math.sin(second) + math.cos(first) * math.cos(second) * math.cos(turn)
    return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))


def mirror_room(room: Room, listener: Listener, positions_m: list[Xyz]) -> tuple[Room, Listener, list[Xyz]]:
    """Returns room, listener and positions, mirrored left to right; a room of unknown size is mirrored about its origin."""
    width = room.size_m[1] if room.size_m else 0.0

    def flip(position_m: Xyz) -> Xyz:
        return position_m[0], width - position_m[1], position_m[2]

    listener = Listener(flip(listener.position_m), -listener.heading_deg)
    return dataclasses.replace(room, id=room.id + "-mirrored"), listener, [flip(position) for position in positions_m]


def _inside(position_m: Xyz, size_m: Xyz) -> bool:
    return all(0 < coordinate < side for coordinate, side in zip(position_m, size_m, strict=True))
