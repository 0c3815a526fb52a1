"""Arrays: spherical waves travel from each arrival's origin to each omnidirectional microphone.

On a rigid sphere each arrival is a plane wave, whose response depends only on the angle between the microphone and where it
comes from (`audio.steering.rigid_sphere`): a table over that angle serves all microphones. Its amplitude is that of the
distance to the centre of the sphere.
"""

import functools
from dataclasses import dataclass

import numpy as np

from spatial_llm.audio.formats import Array
from spatial_llm.audio.steering import rigid_sphere
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.heads.hrtf import Hrtf
from spatial_llm.scenes.microphones.impulses import CENTRE_M, SINC_TAPS, sum_impulses, sum_responses
from spatial_llm.scenes.microphones.measured import MeasuredArray
from spatial_llm.scenes.room.arrivals import Arrivals

ANGLES = 2881  # of the table, every sixteenth of a degree: within 0.2 us of the delay at a radius of 0.1 m


def array_of(format: Array, sampling_rate: int) -> "MicrophoneArray | SphereArray | MeasuredArray":
    """Returns the microphone of an array in free air, on a rigid sphere, or with measured responses."""
    if format.sofa is not None:
        return MeasuredArray(format, sampling_rate)
    return (MicrophoneArray if format.sphere_radius_m is None else SphereArray)(format, sampling_rate)


@dataclass
class MicrophoneArray:
    """The microphones of the format, without a body that would shade them; see `microphones.Microphone`."""

    format: Array
    sampling_rate: int
    head: Hrtf | None = None

    @property
    def points_m(self) -> np.ndarray:
        """Returns the positions of the microphones, (microphones, xyz)."""
        return np.array(self.format.positions_m, dtype=np.float64)

    @property
    def lead(self) -> int:
        """Returns the samples of `free_field` before the wave passes the centre."""
        return SINC_TAPS // 2 + int(
            np.ceil(np.linalg.norm(self.points_m, axis=1).max() / SPEED_OF_SOUND_M_S * self.sampling_rate)
        )

    def receive(self, arrivals: Arrivals, samples: int) -> np.ndarray:
        """Returns the response to arrivals in the listener's axes, float32 (microphones, samples)."""
        channels = []
        for position_m in self.points_m:
            distance_m = np.linalg.norm(arrivals.offsets_m - position_m, axis=1)
            channels.append(sum_impulses(distance_m, arrivals.gains[None], self.sampling_rate, samples))
        return np.concatenate(channels)

    def free_field(self, directions: np.ndarray) -> np.ndarray:
        """Responses to plane waves from directions (waves, xyz), float32 (waves, microphones, taps).

        The wave passes the centre of the array some samples after the start, the same number for all directions.
        """
        directions, half = np.asarray(directions, dtype=np.float64), SINC_TAPS // 2
        unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        delay = self.lead - unit @ self.points_m.T / SPEED_OF_SOUND_M_S * self.sampling_rate  # (waves, microphones)
        after = np.arange(2 * self.lead + 1) - delay[..., None]
        window = np.where(np.abs(after) < half, 0.5 + 0.5 * np.cos(np.pi * after / half), 0.0)
        return (np.sinc(after) * window).astype(np.float32)


@dataclass
class SphereArray:
    """The microphones of the format on a rigid sphere around the listener's position; see `microphones.Microphone`."""

    format: Array
    sampling_rate: int
    head: Hrtf | None = None
    points_m = CENTRE_M

    @property
    def reach_m(self) -> float:
        """Returns the radius of the sphere."""
        return float(self.format.sphere_radius_m)

    @property
    def lead(self) -> int:
        """Returns the samples of `free_field` before the wave passes the centre."""
        return _sphere_table(self.reach_m, self.sampling_rate)[1]

    def receive(self, arrivals: Arrivals, samples: int) -> np.ndarray:
        """Returns the response to arrivals in the listener's axes, float32 (microphones, samples)."""
        spectra, before = _sphere_table(self.reach_m, self.sampling_rate)
        distance_m = np.linalg.norm(arrivals.offsets_m, axis=1)
        how = (distance_m, arrivals.gains, before, self.sampling_rate, samples)
        return np.stack([sum_responses(spectra, which, *how) for which in self._angles(arrivals.offsets_m).T])

    def free_field(self, directions: np.ndarray) -> np.ndarray:
        """Responses to plane waves from directions (waves, xyz), float32 (waves, microphones, taps).

        The wave passes the centre of the sphere some samples after the start, the same number for all directions.
        """
        spectra, _ = _sphere_table(self.reach_m, self.sampling_rate)
        return np.fft.irfft(spectra[self._angles(directions)]).astype(np.float32)

    def _angles(self, offsets: np.ndarray) -> np.ndarray:
        """Returns the row of the table for each arrival and microphone, (arrivals, microphones)."""
        unit = [np.asarray(each, dtype=np.float64) for each in (offsets, self.format.positions_m)]
        unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in unit]
        angle = np.arccos(np.clip(unit[0] @ unit[1].T, -1.0, 1.0))
        return np.rint(angle / np.pi * (ANGLES - 1)).astype(int)


@functools.lru_cache(maxsize=4)
def _sphere_table(radius_m: float, sampling_rate: int) -> tuple[np.ndarray, int]:
    """Returns the spectra of the responses at ANGLES angles, complex64 (angles, frequencies), and the samples before the
    wave passes the centre.

    A response is as long as the sphere needs to ring out, and fades in and out as the sinc of an open microphone does.
    """
    half = SINC_TAPS // 2
    reach = int(np.ceil(radius_m / SPEED_OF_SOUND_M_S * sampling_rate))
    before, after = 2 * half + reach, 2 * half + 6 * reach  # around the sphere and once more, where a fiftieth is left
    size = 2 * (before + after)
    hertz = np.fft.rfftfreq(2 * size, 1 / sampling_rate)
    angles = np.linspace(0.0, np.pi, ANGLES)
    pressure = rigid_sphere(2 * np.pi * hertz / SPEED_OF_SOUND_M_S * radius_m, np.cos(angles)).T
    responses = np.fft.irfft(pressure * np.exp(-2j * np.pi * hertz * before / sampling_rate))[:, : before + after]
    fade = 0.5 - 0.5 * np.cos(np.pi * np.arange(half) / half)
    responses[:, :half] *= fade
    responses[:, -half:] *= fade[::-1]
    padded = np.pad(responses, ((0, 0), (0, half)))  # room for a delay of less than a sample
    padded = np.pad(padded, ((0, 0), (0, padded.shape[1] % 2)))
    return np.fft.rfft(padded).astype(np.complex64), before
