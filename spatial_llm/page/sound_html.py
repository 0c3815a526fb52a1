"""What the player of the page is given: a sound file with its levels as they are, and the level of each channel."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile

SILENCE_DB = -120.0


def levels_db(window: NDArray[np.float32]) -> list[float]:
    """Returns the RMS level of each channel of a window (channels, samples) in dB relative to full scale."""
    power = np.mean(np.square(window, dtype=np.float64), axis=1)
    return [round(float(10 * np.log10(max(each, 1e-12))), 1) for each in power]


def wav_bytes(window: NDArray[np.float32], rate: int) -> bytes:
    """Returns a WAV file of a window (channels, samples), 32-bit float: no sample is scaled, rounded or cut."""
    file = io.BytesIO()
    wavfile.write(file, rate, np.ascontiguousarray(window.T, np.float32))  # soundfile would put the time into the file
    return file.getvalue()


def player_value(window: NDArray[np.float32], rate: int, title: str) -> dict[str, Any]:
    """Returns what `browser/player.js` shows.

    Args:
        window: (1 or 2 channels, samples), as it is played.
        rate: in Hz.
        title: a sentence about it.
    """
    # The file travels in the page: no address leads to it, and nothing is left on the disk.
    source = "data:audio/wav;base64," + base64.b64encode(wav_bytes(window, rate)).decode()
    names = ["left", "right"] if len(window) == 2 else ["one channel"]
    peak = float(np.abs(window).max(initial=0.0))
    return {"source": source, "levels_db": levels_db(window), "names": names, "title": title, "peak": round(peak, 3)}
