"""Level and length of waveforms."""

import numpy as np
from numpy.typing import NDArray


def rms_dbfs(waveform: NDArray) -> float:
    """Returns the root mean square over all samples, in dB relative to full scale (1.0); silence is -inf."""
    power = np.mean(np.square(waveform, dtype=np.float64))
    return 10 * np.log10(power) if power > 0 else -np.inf


def normalize_rms(waveform: NDArray[np.float32], level_dbfs: float = -14.0) -> NDArray[np.float32]:
    """Scales a waveform to an RMS of `level_dbfs` and returns silence unchanged.

    Spatial-AST's released data set (`data/dataset.py`) scales dry sounds to -14 dBFS in this way.
    """
    level = rms_dbfs(waveform)
    if level == -np.inf:
        return waveform
    return (waveform * 10 ** ((level_dbfs - level) / 20)).astype(np.float32)


def pad_or_cut(waveform: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Appends zeros to a waveform (..., n), or cuts its end, to get (..., samples)."""
    missing = samples - waveform.shape[-1]
    if missing <= 0:
        return waveform[..., :samples]
    return np.pad(waveform, [(0, 0)] * (waveform.ndim - 1) + [(0, missing)])


def loudest_window(waveform: NDArray[np.float32], window_samples: int, step: int) -> int:
    """Returns the first sample of the window of highest energy, over all channels of (C, samples), in steps of `step`
    samples."""
    energy = np.concatenate([[0.0], np.cumsum(np.sum(np.square(waveform, dtype=np.float64), axis=0))])
    starts = np.arange(0, waveform.shape[-1] - window_samples + 1, step)
    return int(starts[np.argmax(energy[starts + window_samples] - energy[starts])])
