"""A sound that is placed around the listener: from what the browser sends to a scene, its recording and its truth.

The rooms are the simulator's shoeboxes. In each the listener stands a little off the middle and looks along the room, which
is up in the picture: places are azimuth (0 = ahead, positive = left), elevation and distance from there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats import AudioFormat, Binaural, Xyz
from spatial_llm.errors import SceneError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.events import EVENT_CLASSES, synth_reference
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Listener, Room, Scene, Source
from spatial_llm.scenes.sounds import EVAL_FIRST_SEED
from spatial_llm.scenes.truth import truth_of

SEED = EVAL_FIRST_SEED + 200_000  # of the built-in sounds: never trained on, nor those of the shipped recordings
OWN_SOUND, OWN_LABEL = "own", "your sound"
LEAST_M, MOST_M = 0.3, 10.0  # from the listener; nearer, a head measured from afar is no longer right
WALL_M = 0.1  # a sound stays so far from walls, floor and ceiling
KEMAR = "MIT KEMAR"


@dataclass(frozen=True)
class PageRoom:
    """A room that can be chosen.

    Attributes:
        title: what it is called.
        room: as it is simulated.
        listener_m: where the listener stands, looking along x.
    """

    title: str
    room: Room
    listener_m: Xyz

    def edges_m(self) -> dict[str, float]:
        """Returns how far a sound may be ahead, behind, to the left and right, above and below the listener's ears."""
        length, width, height = (side - WALL_M for side in self.room.size_m)
        x, y, z = self.listener_m
        far = {"ahead": length - x, "behind": x - WALL_M, "left": width - y, "right": y - WALL_M}
        return {name: round(edge, 3) for name, edge in (far | {"above": height - z, "below": z - WALL_M}).items()}


def _room(title: str, size_m: Xyz, listener_m: Xyz, **how: Any) -> PageRoom:
    return PageRoom(title, Room(f"page-{title.replace(' ', '-')}", size_m, **how), listener_m)


_SHORT = {"max_order": 12, "ray_tracing": False, "response_s": 0.4}
ROOMS: dict[str, PageRoom] = {
    "living": _room("living room", (6.4, 5.2, 2.8), (2.9, 2.4, 1.5), absorption=0.55, **_SHORT),
    "bare": _room("bare room", (6.4, 5.2, 2.8), (2.9, 2.4, 1.5), target_rt60_s=0.7, max_order=6, response_s=0.9),
    "hall": _room("hall", (16.0, 12.0, 6.0), (7.4, 5.7, 1.6), target_rt60_s=1.4, max_order=6, response_s=1.6),
    "open": _room("no room, no echo", (9.0, 9.0, 6.0), (4.5, 4.5, 3.0), absorption=1.0, **(_SHORT | {"max_order": 0})),
}


@dataclass(frozen=True)
class Placed:
    """A sound in its place, as the browser gave it.

    Attributes:
        sound: a built-in class, or `OWN_SOUND`.
        room: a key of `ROOMS`.
        head: a name of those that can be chosen.
        azimuth_deg, elevation_deg, distance_m: of the place.
    """

    sound: str
    room: str
    head: str
    azimuth_deg: float
    elevation_deg: float
    distance_m: float


def read_placed(value: Any, heads: Mapping[str, str | None]) -> Placed:
    """Returns what the browser gave as a place.

    Args:
        value: {"sound", "room", "head", "azimuth_deg", "elevation_deg", "distance_m"}.
        heads: name of each head -> its SOFA file; None for KEMAR.

    Raises:
        SceneError: a field is missing or unknown, no number, or the place is outside the room.
    """
    if not isinstance(value, dict):
        raise SceneError("no sound is placed yet; choose a sound and drag it to its place.")
    for name, known in (("sound", (*EVENT_CLASSES, OWN_SOUND)), ("room", tuple(ROOMS)), ("head", tuple(heads))):
        if value.get(name) not in known:
            raise SceneError(f"{name} is {value.get(name)!r}; choose one of {', '.join(known)}.")
    numbers = [_number(value, *each) for each in
               (("azimuth_deg", -360, 360), ("elevation_deg", -90, 90), ("distance_m", LEAST_M, MOST_M))]  # fmt: skip
    placed = Placed(value["sound"], value["room"], value["head"], *numbers)
    most_m = farthest_m(placed)
    if placed.distance_m > most_m + 1e-6:
        raise SceneError(
            f"{placed.distance_m:g} m at azimuth {placed.azimuth_deg:g} and elevation {placed.elevation_deg:g} degrees is "
            f"outside the {ROOMS[placed.room].title}; there is room for {math.floor(100 * most_m) / 100:g} m in this "
            "direction: place the sound nearer, or choose a larger room."
        )
    return placed


def farthest_m(placed: Placed) -> float:
    """Returns the distance of the wall in the direction of a sound, as far as a sound may come to it."""
    room = ROOMS[placed.room]
    way = direction_to_vector(placed.azimuth_deg, placed.elevation_deg)
    reach = [math.inf]
    for step, at, side in zip(way, room.listener_m, room.room.size_m, strict=True):
        if abs(step) > 1e-9:
            reach.append(((side - WALL_M - at) if step > 0 else (WALL_M - at)) / step)
    return float(min(reach))


def scene_of(placed: Placed, format: AudioFormat, seconds: float, sampling_rate: int) -> Scene:
    """Returns the scene of a placed sound, without its truth.

    Args:
        placed: the place.
        format: of the recording.
        seconds, sampling_rate: of the recording.
    """
    room = ROOMS[placed.room]
    way_m = direction_to_vector(placed.azimuth_deg, placed.elevation_deg, placed.distance_m)
    position_m = tuple(round(float(value), 4) for value in np.add(room.listener_m, way_m))
    own = placed.sound == OWN_SOUND
    label, recording = (OWN_LABEL, OWN_SOUND) if own else (placed.sound, synth_reference(placed.sound, SEED))
    return Scene(
        id="placed", split="eval", seed=0, duration_s=seconds, sampling_rate=sampling_rate, room=room.room,
        listener=Listener(room.listener_m, 0.0), sources=(Source(label, recording, position_m),), format=format,
    )  # fmt: skip


def record(scene: Scene, own_sound: NDArray[np.float32] | None = None) -> tuple[Scene, NDArray[np.float32]]:
    """Simulates the recording of a scene.

    Args:
        scene: of `scene_of`; a head of its own is a SOFA file that may be anywhere.
        own_sound: (samples,) at the scene's rate, of a scene whose sound is no built-in one.

    Returns:
        The scene with its truth, and the recording (channels, samples), float32.

    Raises:
        SceneError: the room cannot be simulated, or the head has no direction near the place.
    """
    dry = None if own_sound is None else [own_sound]
    root = Path.cwd()  # nothing of such a scene is a file below it
    given, plain = scene.format, scene
    if isinstance(given, Binaural) and given.sofa is not None:
        plain = replace(scene, format=Binaural())
    waveform = render_scene(plain, root, None if plain is scene else given, dry)
    return replace(plain, truth=truth_of(plain, root, dry)), waveform


def _number(value: dict[str, Any], name: str, least: float, most: float) -> float:
    given = value.get(name)
    if isinstance(given, bool) or not isinstance(given, int | float) or not least <= given <= most:
        raise SceneError(f"{name} is {given!r}; give a number from {least:g} to {most:g}.")
    return float(given)
