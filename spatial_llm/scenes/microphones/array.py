"""Arrays: spherical waves travel from each arrival's origin to each omnidirectional microphone."""

from dataclasses import dataclass

import numpy as np

from spatial_llm.audio.formats import Array
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.microphones.impulses import SINC_TAPS, sum_impulses
from spatial_llm.scenes.room.arrivals import Arrivals


@dataclass
class MicrophoneArray:
    """The microphones of the format, without a body that would shade them; see `microphones.Microphone`."""

    format: Array
    sampling_rate: int
    head = None

    def receive(self, arrivals: Arrivals, samples: int) -> np.ndarray:
        """Returns the response to arrivals in the listener's axes, float32 (microphones, samples)."""
        channels = []
        for position_m in np.array(self.format.positions_m):
            distance_m = np.linalg.norm(arrivals.offsets_m - position_m, axis=1)
            channels.append(sum_impulses(distance_m, arrivals.gains[None], self.sampling_rate, samples))
        return np.concatenate(channels)

    def free_field(self, directions: np.ndarray) -> np.ndarray:
        """Responses to plane waves from directions (waves, xyz), float32 (waves, microphones, taps).

        The wave passes the centre of the array some samples after the start, the same number for all directions.
        """
        directions, positions_m = np.asarray(directions, dtype=np.float64), np.array(self.format.positions_m)
        unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        reach = np.ceil(np.linalg.norm(positions_m, axis=1).max() / SPEED_OF_SOUND_M_S * self.sampling_rate)
        half = SINC_TAPS // 2
        delay = half + reach - unit @ positions_m.T / SPEED_OF_SOUND_M_S * self.sampling_rate  # (waves, microphones)
        after = np.arange(2 * (half + reach) + 1) - delay[..., None]
        window = np.where(np.abs(after) < half, 0.5 + 0.5 * np.cos(np.pi * after / half), 0.0)
        return (np.sinc(after) * window).astype(np.float32)
