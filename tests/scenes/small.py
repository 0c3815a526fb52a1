"""A small room and scenes in it, for tests of what is made from scenes."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.audio.formats import AudioFormat, Xyz
from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.bank import BankRow, write_bank
from spatial_llm.scenes.scene import Listener, Room, Scene, Source, mirror_room
from spatial_llm.scenes.scene_checks import check_scene

RATE = 32000
LISTENER = Listener((3.0, 2.5, 1.5), 40.0)
ROOM = Room("small", (6.0, 5.0, 3.0), absorption=0.5, max_order=3, ray_tracing=False, response_s=0.2)
ANECHOIC = dataclasses.replace(ROOM, id="anechoic", absorption=1.0, max_order=0)


def position(azimuth_deg: float, elevation_deg: float = 0.0, distance_m: float = 1.5) -> Xyz:
    """Where in the room a source stands that the listener hears from there."""
    offset = direction_to_vector(azimuth_deg + LISTENER.heading_deg, elevation_deg, distance_m)
    return tuple(round(float(value), 4) for value in np.array(LISTENER.position_m) + offset)


def source(azimuth_deg: float = 60.0, recording: str = "synth:rain/1", **fields: Any) -> Source:
    return Source(recording.split("/")[0].removeprefix("synth:"), recording, position(azimuth_deg), **fields)


def scene(*sources: Source, duration_s: float = 1.0, room: Room = ROOM, **fields: Any) -> Scene:
    made = Scene("s", "train", 1, duration_s, RATE, room, LISTENER, sources, **fields)
    check_scene(made)
    return made


def mirror(banked: Scene) -> Scene:
    """The same scene as heard in the mirror: positions, listener and room are the mirrored ones."""
    places = [each.position_m for each in banked.sources]
    room, listener, places = mirror_room(banked.room, banked.listener, places)
    sources = tuple(dataclasses.replace(each, position_m=p) for each, p in zip(banked.sources, places, strict=True))
    return dataclasses.replace(banked, room=room, listener=listener, sources=sources, mirror=True)


def bank(folder: Path, azimuths_deg: list[float], responses: dict[AudioFormat, list[np.ndarray]], **fields: Any):
    """A bank with one row for each azimuth."""
    rows = [BankRow(ROOM, LISTENER, position(azimuth_deg), 0.3, 5.0) for azimuth_deg in azimuths_deg]
    samples = max(each.shape[1] for group in responses.values() for each in group)
    return write_bank(folder, rows, responses, samples, fields.pop("sampling_rate", RATE), {}, True, **fields)


def decaying(channels: int, samples: int, seed: int) -> np.ndarray:
    """Noise that decays by 60 dB, of unit energy a channel: float32 (channels, samples)."""
    noise = np.random.default_rng(seed).standard_normal((channels, samples)) * 10 ** (-3 * np.arange(samples) / samples)
    return (noise / np.sqrt(np.sum(noise**2, axis=1, keepdims=True))).astype(np.float32)
