"""The scene: sources in a room, a listener, the format of the recording, and the truth that follows from them.

A Scene is plain data: it converts to JSON and back unchanged (see `scene_json`), and holds everything that
a recording is made from. Positions are in the room's frame (corner at 0, x along the length, y along the width, z up,
metres); directions in `truth` are in the listener's frame (see `geometry`). A source moves along its path, and the listener
turns; a scene without paths and headings stands still.
"""

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import PlainSerializer, PlainValidator

from spatial_llm.audio.formats import BINAURAL, AudioFormat, Xyz, format_from_dict, format_to_dict
from spatial_llm.scenes.motion.paths import heading_at, position_at
from spatial_llm.validation import STRICT

PROTOCOLS = ("official_bat", "checkpoint_matched")


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
    """The listener, who stands at one point and may turn there.

    Attributes:
        position_m: in the room's frame.
        heading_deg: counter-clockwise from the room's x axis, seen from above; where the listener turns, at the beginning.
        headings: (time_s, heading_deg) of a turning listener: times of the recording, between which the heading changes
            evenly, and before and after which it rests. Angles are not wrapped: from 350 to 370 is a turn of 20 degrees.
    """

    position_m: Xyz = (0.0, 0.0, 0.0)
    heading_deg: float = 0.0
    headings: tuple[tuple[float, float], ...] = ()

    @property
    def turns(self) -> bool:
        """Returns whether the heading changes."""
        return len({heading_deg for _, heading_deg in self.headings}) > 1


@dataclass(frozen=True)
class Source:
    """One source.

    Attributes:
        label: its class, lower-case.
        recording: dry sound: "synth:<class>/<seed>", or a path relative to the scene's `sounds`.
        position_m: in the room's frame; of a moving source, where its path begins.
        gain_db: applied after the protocol has brought the dry sound to its level.
        onset_s: time at which the dry sound begins to play.
        offset_s: time at which it is cut; None = it plays to its end or that of the recording.
        response: row of the scene's `bank`; None = the response is simulated when it is needed.
        path: (time_s, position_m) of a moving source: times of the recording, between which it moves evenly along a straight
            line, and before and after which it rests.
    """

    label: str
    recording: str
    position_m: Xyz
    gain_db: float = 0.0
    onset_s: float = 0.0
    offset_s: float | None = None
    response: int | None = None
    path: tuple[tuple[float, Xyz], ...] = ()

    @property
    def moves(self) -> bool:
        """Returns whether the position changes."""
        return len({position_m for _, position_m in self.path}) > 1


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
        azimuth_deg, elevation_deg, distance_m: in the listener's frame; where something moves, at `onset_s` (`motion.track`
            has the rest).
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

    @property
    def moves(self) -> bool:
        """Returns whether a source moves or the listener turns."""
        return self.listener.turns or any(source.moves for source in self.sources)


for _kind in (Room, Listener, Source, Noise, SourceTruth, Overlap, SceneTruth, Scene):
    _kind.__pydantic_config__ = STRICT


def place_at(listener: Listener, source: Source, time_s: float) -> tuple[float, float, float]:
    """Returns azimuth and elevation in degrees and distance in metres of a source in the listener's frame at a time of the
    recording, without the time that its sound then takes."""
    if listener.headings:
        listener = Listener(listener.position_m, heading_at(listener.headings, time_s))
    return direction_of(listener, position_at(source.path, time_s) if source.path else source.position_m)


def direction_of(listener: Listener, position_m: Xyz) -> tuple[float, float, float]:
    """Returns azimuth and elevation in degrees and distance in metres of a position of the room in the listener's frame."""
    # geometry.vector_to_direction on plain numbers: every line of a manifest comes through here, and numpy would take
    # longer over three numbers than the rest of the checks together (tests compare the two).
    x, y, z = (to - start for to, start in zip(position_m, listener.position_m, strict=True))
    azimuth_deg = math.degrees(math.atan2(y, x)) - listener.heading_deg
    elevation_deg = math.degrees(math.atan2(z, math.hypot(x, y)))
    return 180.0 - (180.0 - azimuth_deg) % 360.0, elevation_deg, math.sqrt(x * x + y * y + z * z)


def mirror_room(room: Room, listener: Listener, positions_m: list[Xyz]) -> tuple[Room, Listener, list[Xyz]]:
    """Returns room, listener and positions, mirrored left to right; a room of unknown size is mirrored about its origin."""
    width = room.size_m[1] if room.size_m else 0.0

    def flip(position_m: Xyz) -> Xyz:
        return position_m[0], width - position_m[1], position_m[2]

    listener = Listener(flip(listener.position_m), -listener.heading_deg)
    return dataclasses.replace(room, id=room.id + "-mirrored"), listener, [flip(position) for position in positions_m]
