"""Arrays that lose a microphone in training, so that an encoder meets more arrays than were simulated.

The order of microphones needs no such copies: cues of the sound field do not depend on it.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats import Array, AudioFormat

LEAST = 4  # microphones that an array keeps


@dataclass(frozen=True)
class MicrophoneDrop:
    """Takes microphones from arrays of more than four; the same ones whenever a recording is used.

    Attributes:
        share: share of the arrays' recordings that lose one microphone.
    """

    share: float

    def __call__(self, recording_id: str, waveform: NDArray, format: AudioFormat) -> tuple[NDArray, AudioFormat]:
        """Returns the recording (channels, samples) and its format, with or without all of its microphones."""
        rng = np.random.default_rng(zlib.crc32(recording_id.encode()))
        # Measured responses belong to all microphones of their file.
        if not isinstance(format, Array) or format.sofa or format.channels <= LEAST or rng.random() >= self.share:
            return waveform, format
        lost = int(rng.integers(format.channels))
        kept = tuple(position for index, position in enumerate(format.positions_m) if index != lost)
        return np.delete(waveform, lost, axis=0), replace(format, positions_m=kept)
