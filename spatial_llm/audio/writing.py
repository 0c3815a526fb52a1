"""Writes sound files that are whole or absent.

soundfile writes through libsndfile, which does not report a disk that fills up while the header is finished, and otherwise
fails an assertion. Here the file is encoded in memory and then written.
"""

import io
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import ArrayLike

from spatial_llm.files import atomic_path


def write_sound(path: str | Path, waveform: ArrayLike, sampling_rate: int, format: str, subtype: str) -> None:
    """Writes a sound file, whole or not at all.

    Args:
        path: of the file to write.
        waveform: (samples,) or (channels, samples).
        sampling_rate: in Hz.
        format, subtype: names that soundfile uses, such as "WAV" and "FLOAT".

    Raises:
        OutputError: the file cannot be written.
    """
    encoded = io.BytesIO()
    soundfile.write(encoded, np.asarray(waveform).T, sampling_rate, format=format, subtype=subtype)
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())
