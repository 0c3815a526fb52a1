"""Microphones: what each audio format makes of the sound that arrives. One file each, one line in `MICROPHONES`.

All share one scale: a source in front at 1 m in free field has unit gain, and nothing is normalised afterwards, so that
level falls with distance as it does in air. A response starts when the source sounds, so the way through the air is in it.
"""

from typing import Protocol

import numpy as np

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.errors import SceneError
from spatial_llm.scenes.heads.hrtf import Hrtf
from spatial_llm.scenes.microphones.ambisonics import AmbisonicMicrophone
from spatial_llm.scenes.microphones.array import array_of
from spatial_llm.scenes.microphones.binaural import BinauralHead
from spatial_llm.scenes.microphones.mono import MonoMicrophone
from spatial_llm.scenes.microphones.stereo_ms import StereoMicrophone
from spatial_llm.scenes.room.arrivals import Arrivals


class Microphone(Protocol):
    """A microphone of one format at one sampling rate, made as `Microphone(format, sampling_rate)`.

    Attributes:
        head: the measured head whose grid limits where sound may come from; None where every direction is exact.
        points_m: (points, xyz) in the listener's axes, where sound is received: the centre, or each microphone of an array
            in free air.
        lead: samples of `free_field` before the wave passes the centre.
        reach_m: from the centre to where sound is received; the delays of `free_field` differ by as much.
    """

    head: Hrtf | None
    points_m: np.ndarray
    lead: int
    reach_m: float

    def receive(self, arrivals: Arrivals, samples: int) -> np.ndarray:
        """Returns the response to arrivals in the listener's axes, float32 (channels, samples)."""

    def free_field(self, directions: np.ndarray) -> np.ndarray:
        """Responses to plane waves from directions (waves, xyz) in the listener's axes, float32 (waves, channels, taps)."""


MICROPHONES = {
    "binaural": BinauralHead,
    "ambisonics": AmbisonicMicrophone,
    "array": array_of,
    "mono": MonoMicrophone,
    "stereo_ms": StereoMicrophone,
}


def microphone_of(format: AudioFormat, sampling_rate: int) -> Microphone:
    """Returns the microphone of a format.

    Raises:
        SceneError: there is none, its head or its responses cannot be read, or it is in another convention than ACN/SN3D.
    """
    if format.kind not in MICROPHONES:
        raise SceneError(f"no microphone for format {format.name!r}; there are {', '.join(MICROPHONES)}.")
    check_convention(format)
    return MICROPHONES[format.kind](format, sampling_rate)


def check_convention(format: AudioFormat) -> None:
    """Raises SceneError where a format is in a convention of files, in which nothing is simulated."""
    if format.internal != format:
        raise SceneError(
            f"format is {format.name}, a convention of files; scenes are simulated in ACN/SN3D: give {format.internal.text}."
        )


def receive(arrivals: Arrivals, format: AudioFormat, heading_deg: float, sampling_rate: int, samples: int) -> np.ndarray:
    """Returns the response of a listener who looks to `heading_deg` (see `scene.Listener`), float32 (channels, samples)."""
    return microphone_of(format, sampling_rate).receive(arrivals.turned(heading_deg), samples)
