"""Mid-side stereo: the two cardioids of the format, made of ambisonics of the first order at the listener's position."""

from dataclasses import dataclass, field

import numpy as np

from spatial_llm.audio.formats import Ambisonics, StereoMs
from spatial_llm.scenes.microphones.ambisonics import AmbisonicMicrophone
from spatial_llm.scenes.microphones.impulses import CENTRE_M
from spatial_llm.scenes.room.arrivals import Arrivals


@dataclass
class StereoMicrophone:
    """Two coincident cardioids; see `microphones.Microphone`."""

    format: StereoMs
    sampling_rate: int
    head = None
    points_m = CENTRE_M
    lead = 0
    reach_m = 0.0
    ambisonics: AmbisonicMicrophone = field(init=False)

    def __post_init__(self) -> None:
        self.ambisonics = AmbisonicMicrophone(Ambisonics(1), self.sampling_rate)

    def receive(self, arrivals: Arrivals, samples: int) -> np.ndarray:
        """Returns the response to arrivals in the listener's axes, float32 (left and right, samples)."""
        w, y = self.ambisonics.receive(arrivals, samples)[:2]
        return np.stack([w + y, w - y]) / 2

    def free_field(self, directions: np.ndarray) -> np.ndarray:
        """Responses to plane waves from directions (waves, xyz), float32 (waves, 2 channels, 1 tap)."""
        w, y = np.moveaxis(self.ambisonics.free_field(directions)[:, :2], 1, 0)
        return np.stack([w + y, w - y], axis=1) / 2
