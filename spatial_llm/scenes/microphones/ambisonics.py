"""Ambisonics: arrivals are plane waves, encoded in spherical harmonics at the listener's position."""

from dataclasses import dataclass

import numpy as np

from spatial_llm.audio.ambisonics import encode
from spatial_llm.audio.formats import Ambisonics
from spatial_llm.scenes.microphones.impulses import CENTRE_M, sum_impulses
from spatial_llm.scenes.room.arrivals import Arrivals


@dataclass
class AmbisonicMicrophone:
    """An ideal ambisonic microphone of the format's order; see `microphones.Microphone`."""

    format: Ambisonics
    sampling_rate: int
    head = None
    points_m = CENTRE_M
    lead = 0
    reach_m = 0.0

    def receive(self, arrivals: Arrivals, samples: int) -> np.ndarray:
        """Returns the response to arrivals in the listener's axes, float32 (channels, samples)."""
        distance_m = np.linalg.norm(arrivals.offsets_m, axis=1)
        gains = arrivals.gains * encode(arrivals.offsets_m, self.format.order).T
        return sum_impulses(distance_m, gains, self.sampling_rate, samples)

    def free_field(self, directions: np.ndarray) -> np.ndarray:
        """Responses to plane waves from directions (waves, xyz), float32 (waves, channels, 1 tap)."""
        return encode(directions, self.format.order)[..., None].astype(np.float32)
