"""A head: each arrival passes through the head response that was measured nearest to its direction."""

from dataclasses import dataclass, field

import numpy as np
from pyroomacoustics import libroom

from spatial_llm.audio.formats import Binaural
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.heads.hrtf import FRACTIONS, PAD, Hrtf, kemar, read_sofa
from spatial_llm.scenes.microphones.impulses import CENTRE_M
from spatial_llm.scenes.room.arrivals import Arrivals

HEAD_RADIUS_M = 0.0875  # of the sphere that delays between the ears are commonly computed with (Woodworth, 1938)


@dataclass
class BinauralHead:
    """The two ears of the format's SOFA file, or of MIT KEMAR; see `microphones.Microphone`."""

    format: Binaural
    sampling_rate: int
    head: Hrtf = field(init=False)
    points_m = CENTRE_M
    lead = 0
    reach_m = HEAD_RADIUS_M

    def __post_init__(self) -> None:
        sofa = self.format.sofa
        self.head = read_sofa(sofa, self.sampling_rate) if sofa else kemar(self.sampling_rate)

    def receive(self, arrivals: Arrivals, samples: int) -> np.ndarray:
        """Returns the response to arrivals in the listener's axes, float32 (2 ears, samples)."""
        # From a table of delayed head responses: some ten times faster than a convolution for each arrival.
        distance_m = np.linalg.norm(arrivals.offsets_m, axis=1)
        delay = np.round(distance_m / SPEED_OF_SOUND_M_S * self.sampling_rate * FRACTIONS).astype(np.int64)
        start, fraction = np.divmod(delay, FRACTIONS)
        in_time = start < samples + PAD
        table = self.head.delayed
        out = np.zeros((2, 2 * PAD + samples + table.shape[-1]), dtype=np.float32)
        if in_time.any():
            gains = (arrivals.gains / distance_m)[in_time].astype(np.float32)
            nearest = self.head.nearest(arrivals.offsets_m[in_time])
            heads = table[nearest, fraction[in_time]] * gains[:, None, None]  # (arrivals, ears, taps)
            for ear in range(2):
                libroom.delay_sum(np.ascontiguousarray(heads[:, ear]), start[in_time].astype(np.int32), out[ear], 1)
        return out[:, PAD : PAD + samples]

    def free_field(self, directions: np.ndarray) -> np.ndarray:
        """Returns the measured responses nearest to directions (waves, xyz), float32 (waves, 2 ears, taps)."""
        return self.head.responses[self.head.nearest(directions)]
