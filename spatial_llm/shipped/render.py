"""Makes the three recordings that come with the package from scenes written out in full.

They hold one source in front on the left, one behind on the right, and two at once. The built-in synthesized sounds use
seeds that training never uses (see `scenes.sounds`); the rooms are their own; the head is MIT KEMAR's measured one. Nothing
is random and nothing is scaled, because distance is judged by level. Stored as 16-bit FLAC, a sample is off by half a step
of 2^-15 at most.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spatial_llm.audio.writing import write_sound
from spatial_llm.errors import SceneError
from spatial_llm.files import atomic_files
from spatial_llm.geometry import direction_to_vector
from spatial_llm.jsonl import read_jsonl, write_jsonl
from spatial_llm.scenes.events import synth_reference
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Listener, Room, Scene, Source
from spatial_llm.scenes.scene_json import scene_from_dict, scene_to_dict
from spatial_llm.scenes.sounds import EVAL_FIRST_SEED
from spatial_llm.scenes.truth import truth_of
from spatial_llm.shipped import RECORDINGS, SCENES

RATE, DURATION_S = 32_000, 2.0
DRAW = EVAL_FIRST_SEED + 100_000  # seed of the sounds, beyond those that evaluations usually take
Heard = tuple[str, float, float, float]  # label, azimuth_deg, elevation_deg, distance_m


def shipped_scenes() -> list[Scene]:
    """Returns the scenes of the shipped recordings with their truth, computed anew."""
    return [
        _scene("one_source", (6.2, 5.1, 2.9), 0.6, (2.4, 2.2, 1.6), 20.0, [("alarm", 55.0, 15.0, 1.8)]),
        _scene("one_source_behind", (7.4, 5.6, 3.1), 0.55, (4.1, 2.5, 1.5), -140.0, [("engine", -135.0, -15.0, 2.4)]),
        _scene(
            "two_sources", (5.6, 6.3, 2.8), 0.65, (2.7, 3.3, 1.4), 75.0,
            [("siren", -60.0, 15.0, 1.4), ("alarm", 125.0, -15.0, 2.6)],
        ),
    ]  # fmt: skip


def render_shipped(scene: Scene) -> np.ndarray:
    """Renders a shipped scene: float32 (2, samples), not yet rounded to 16 bit.

    Raises:
        SceneError: the recording would be clipped.
    """
    waveform = render_scene(scene, RECORDINGS)
    if np.abs(waveform).max() >= 1:
        raise SceneError(f"{scene.id}: peak {np.abs(waveform).max():.2f}, would be clipped; move the source away.")
    return waveform


def write_shipped(folder: str | Path) -> list[Path]:
    """Renders all of them into `folder` and returns the paths: one FLAC each, and scenes.jsonl."""
    folder, scenes = Path(folder), shipped_scenes()
    names = [f"{scene.id}.flac" for scene in scenes]
    with atomic_files(folder) as temporary:
        for scene, name in zip(scenes, names, strict=True):
            write_sound(temporary / name, render_shipped(scene), RATE, "FLAC", "PCM_16")
        write_jsonl(temporary / SCENES.name, [scene_to_dict(scene) for scene in scenes])
    return [folder / name for name in (*names, SCENES.name)]


def read_shipped() -> list[tuple[Scene, Path]]:
    """Returns the shipped scenes with their stored truth, and the recording of each."""
    scenes = [scene_from_dict(line, f"{SCENES}:{number}") for number, line in read_jsonl(SCENES)]
    return [(scene, RECORDINGS / f"{scene.id}.flac") for scene in scenes]


def _scene(
    name: str,
    size_m: tuple[float, float, float],
    absorption: float,
    listener_m: tuple[float, float, float],
    heading_deg: float,
    heard: Sequence[Heard],
) -> Scene:
    room = Room(f"shipped-{name}", size_m, absorption, max_order=12, ray_tracing=False, response_s=0.3)
    sources = []
    for label, azimuth_deg, elevation_deg, distance_m in heard:
        place = np.add(listener_m, direction_to_vector(azimuth_deg + heading_deg, elevation_deg, distance_m))
        position_m = tuple(round(float(value), 4) for value in place)
        sources.append(Source(label, synth_reference(label, DRAW), position_m))
    scene = Scene(
        id=name,
        split="eval",
        seed=0,
        duration_s=DURATION_S,
        sampling_rate=RATE,
        room=room,
        listener=Listener(listener_m, heading_deg),
        sources=tuple(sources),
    )
    return replace(scene, truth=truth_of(scene, RECORDINGS))
