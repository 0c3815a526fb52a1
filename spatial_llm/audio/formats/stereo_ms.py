"""Mid-side stereo: two coincident cardioids made of first-order ambisonics, as DCASE 2025 task 3 distributes its recordings.

Left = (W + Y) / 2 and right = (W - Y) / 2 (DCASE 2025 task 3, Stereo SELD data). Both are received at one point, so that a
sound from the side is louder in one channel and not earlier: there is no interaural delay, and this is not a pair of ears.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats.base import AudioFormat


@dataclass(frozen=True)
class StereoMs(AudioFormat):
    """Two coincident cardioids that look to the left and to the right."""

    kind: ClassVar[str] = "stereo_ms"
    texts: ClassVar[str] = "stereo_ms"
    tells: ClassVar[str] = "left from right by level; not front from back, nor the elevation"
    channels: ClassVar[int] = 2
    name: ClassVar[str] = "stereo_ms"
    channel_names: ClassVar[tuple[str, ...]] = ("left", "right")

    def mirror(self, waveform: NDArray) -> NDArray:
        """Returns the recording with the channels exchanged."""
        return np.ascontiguousarray(waveform[::-1])

    def may_be_silent(self, channels: Sequence[int]) -> bool:
        """Returns True for one of them: each cardioid receives nothing from where the other looks."""
        return len(channels) == 1

    def mirrors_exactly(self, measured: bool = False) -> bool:
        """Returns True."""
        return True
