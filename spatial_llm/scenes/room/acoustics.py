"""Acoustic measures that are computed from a response, not taken from the settings of the room."""

import numpy as np


def rt60_s(response: np.ndarray, sampling_rate: int) -> float:
    """Returns the reverberation time of a response (channels, samples): T20, the decay from -5 to -25 dB of Schroeder's
    backward integral, times three (ISO 3382).

    It is NaN where the response ends too early: the integral of a response that was cut bends down at its end, so the last
    twentieth must hold less than -35 dB of the energy.
    """
    return decay_time_s(np.sum(np.asarray(response, dtype=np.float64) ** 2, axis=0), sampling_rate)


def decay_time_s(energy: np.ndarray, sampling_rate: float) -> float:
    """Returns the time of `rt60_s`, from energies (samples) at `sampling_rate` Hz."""
    remaining = np.cumsum(energy[::-1])[::-1]
    if remaining[0] <= 0:
        return float("nan")
    level_db = 10 * np.log10(np.maximum(remaining / remaining[0], 1e-12))
    if level_db[-max(1, len(level_db) // 20)] > -35:
        return float("nan")
    begin, end = np.argmax(level_db <= -5), np.argmax(level_db <= -25)
    if end - begin < 2:
        return float("nan")
    seconds = np.arange(begin, end) / sampling_rate
    slope_db_per_s = np.polyfit(seconds, level_db[begin:end], 1)[0]
    return float(-60.0 / slope_db_per_s)
