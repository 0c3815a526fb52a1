"""Mono: one omnidirectional microphone at the listener's position."""

from dataclasses import dataclass

import numpy as np

from spatial_llm.audio.formats import Mono
from spatial_llm.scenes.microphones.impulses import CENTRE_M, sum_impulses
from spatial_llm.scenes.room.arrivals import Arrivals


@dataclass
class MonoMicrophone:
    """An omnidirectional microphone; see `microphones.Microphone`."""

    format: Mono
    sampling_rate: int
    head = None
    points_m = CENTRE_M
    lead = 0
    reach_m = 0.0

    def receive(self, arrivals: Arrivals, samples: int) -> np.ndarray:
        """Returns the response to arrivals in the listener's axes, float32 (1, samples)."""
        distance_m = np.linalg.norm(arrivals.offsets_m, axis=1)
        return sum_impulses(distance_m, arrivals.gains[None], self.sampling_rate, samples)

    def free_field(self, directions: np.ndarray) -> np.ndarray:
        """Responses to plane waves from directions (waves, xyz): ones, float32 (waves, 1, 1 tap)."""
        return np.ones((len(directions), 1, 1), dtype=np.float32)
