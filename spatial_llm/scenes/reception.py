"""Checks that the sources of a scene are audible, before and after the responses are computed.

A microphone must be inside the room, because the image method does not hold behind its walls. The direct sound must arrive
before the response ends, and a head must have been measured near its direction. Reflections take the nearest measured
direction; where that is far off for much of their energy, there is one warning.
"""

import warnings
from collections.abc import Sequence

import numpy as np

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.errors import SceneError
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.microphones import Microphone, microphone_of
from spatial_llm.scenes.room.arrivals import Arrivals
from spatial_llm.scenes.scene import Listener, Room, Scene

AUDIBLE = 1e-5  # least peak of a sound as it is played, -100 dBFS; the protocols bring sounds to -14 dBFS
RESPONSE_BEGINS_DB = -60.0  # a response begins where it first comes this near to its peak; filters ring before
FAR_SHARE = 0.1  # a larger share of the reflections' energy from directions that the head lacks gives a warning


def check_microphones(room: Room, listener: Listener, format: AudioFormat) -> None:
    """Raises SceneError, naming the microphone, where a microphone of an array is outside the room."""
    if room.size_m is None:
        return
    turn = np.deg2rad(listener.heading_deg)
    ahead, left = np.array([np.cos(turn), np.sin(turn), 0.0]), np.array([-np.sin(turn), np.cos(turn), 0.0])
    for index, (x, y, z) in enumerate(format.positions_m):
        place_m = np.array(listener.position_m) + x * ahead + y * left + [0.0, 0.0, z]
        if not np.all((place_m > 0) & (place_m < room.size_m)):
            raise SceneError(
                f"room {room.id}: microphone {index} of {format.name} is at {place_m.round(3).tolist()} m, outside the room "
                f"of {list(room.size_m)} m; move the listener away from the walls (wall_margin_m) or take a smaller array."
            )


def check_arrivals(
    arrivals: Sequence[Arrivals],
    names: Sequence[str],
    format: AudioFormat,
    heading_deg: float,
    sampling_rate: int,
    samples: int,
) -> None:
    """Checks the arrivals of each source against the length of the response and the directions of the head.

    It warns of sources and reflections outside the head's grid.

    Args:
        names: of the sources, for the messages.
        samples: length of the response.

    Raises:
        SceneError: the direct sound of a source arrives after the end of the response, or from a direction near which the
            head was not measured.
    """
    head = microphone_of(format, sampling_rate).head
    for each, name in zip(arrivals, names, strict=True):
        way_m = float(np.linalg.norm(each.offsets_m[0]))
        if way_m / SPEED_OF_SOUND_M_S * sampling_rate >= samples:
            raise SceneError(
                f"{name}: its direct sound arrives after {way_m / SPEED_OF_SOUND_M_S:.4f} s, {way_m:.2f} m away, but "
                f"responses last {samples / sampling_rate:g} s (response_s, duration_s); make them longer."
            )
        if head is None:
            continue
        offsets_m = each.turned(heading_deg).offsets_m
        try:
            head.check_direct(offsets_m[0])
        except SceneError as error:
            raise SceneError(f"{name}: {error}") from None
        if not head.covers_all and len(offsets_m) > 1:
            energy = each.gains[1:] ** 2 / np.sum(offsets_m[1:] ** 2, axis=1)
            share = np.sum(energy[head.is_far(offsets_m[1:])]) / np.sum(energy)
            if share > FAR_SHARE:
                warnings.warn(
                    f"{head.name}: measured over a part of the sphere; reflections from elsewhere, more than "
                    f"{100 * FAR_SHARE:.0f} % of their energy, take the nearest measured direction.",
                    stacklevel=3,
                )


def check_way(offsets_m: np.ndarray, microphone: Microphone, samples: int, sampling_rate: int) -> None:
    """Checks the places that a moving source passes, as `check_arrivals` checks one place.

    Args:
        offsets_m: (places, xyz) in the listener's axes.
        samples: length of a response.

    Raises:
        SceneError: from somewhere its sound arrives after the end of a response, or from a direction that the head lacks.
    """
    furthest_m = float(np.linalg.norm(offsets_m, axis=1).max())
    if furthest_m / SPEED_OF_SOUND_M_S * sampling_rate >= samples:
        raise SceneError(
            f"its direct sound arrives after {furthest_m / SPEED_OF_SOUND_M_S:.4f} s, {furthest_m:.2f} m away, but "
            f"responses last {samples / sampling_rate:g} s (response_s, duration_s); make them longer."
        )
    if microphone.head is not None:
        for offset_m in offsets_m[np.unique(microphone.head.nearest(offsets_m), return_index=True)[1]]:
            microphone.head.check_direct(offset_m)


def check_audible(placed: Sequence[np.ndarray], responses: Sequence[np.ndarray], scene: Scene) -> None:
    """Raises SceneError, naming the source, where a source adds nothing to the recording.

    Args:
        placed: each source as it plays, (samples,).
        responses: the response of each source, (channels, taps).
    """
    for index, (sound, response) in enumerate(zip(placed, responses, strict=True)):
        source = scene.sources[index]
        name = f"scene {scene.id!r}: sources[{index}] ({source.label!r}, {source.recording!r})"
        level = np.abs(response).max(axis=0)
        if not level.any() or not np.isfinite(level.max()):
            raise SceneError(
                f"{name}: its response is silent or not finite, so nothing of it can be heard; simulate or measure it again."
            )
        begins = int(np.argmax(level >= level.max() * 10 ** (RESPONSE_BEGINS_DB / 20)))
        if not is_audible(sound[: max(0, len(sound) - begins)]):
            raise SceneError(
                f"{name}: cannot be heard, it plays silence (onset_s {source.onset_s}, offset_s {source.offset_s}, gain_db "
                f"{source.gain_db}, arrives {begins / scene.sampling_rate:.3f} s later, scene of {scene.duration_s} s); "
                "take another part of the sound."
            )


def is_audible(sound: np.ndarray, least: float = AUDIBLE) -> bool:
    """Returns whether a sound (samples,) reaches the amplitude `least` anywhere."""
    return bool(sound.size) and float(np.abs(sound).max()) >= least
