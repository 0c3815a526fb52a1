"""Sound files that are whole or absent.

soundfile writes through libsndfile, which says nothing of a disk that fills up while the header is finished, and else fails
an assertion: here the file is encoded in memory and then written.
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
        path: of the file.
        waveform: (samples,) or (channels, samples).
        sampling_rate: Hz.
        format, subtype: as soundfile names them, such as "WAV" and "FLOAT".

    Raises:
        OutputError: it cannot be written.
    """
    encoded = io.BytesIO()
    soundfile.write(encoded, np.asarray(waveform).T, sampling_rate, format=format, subtype=subtype)
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())
