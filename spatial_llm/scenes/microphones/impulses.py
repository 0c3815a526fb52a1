"""Arrivals as impulses between samples: a windowed sinc each, for microphones without a measured response."""

import numpy as np
from pyroomacoustics import libroom

from spatial_llm.geometry import SPEED_OF_SOUND_M_S

SINC_TAPS = 81  # of the fractional delay: a sinc under a Hann window
SINC_STEPS = 200  # entries a sample in the table of that sinc; between them it is interpolated
NEAREST_M = 0.01  # nearer sources are taken to be this far away: 1/r has no end


def sum_impulses(distance_m: np.ndarray, gains: np.ndarray, sampling_rate: int, samples: int) -> np.ndarray:
    """Sums one delayed impulse an arrival, of amplitude gain / distance: distance_m (arrivals), gains (channels, arrivals)
    -> float32 (channels, samples)."""
    half = SINC_TAPS // 2
    distance_m = np.maximum(distance_m, NEAREST_M)
    when_s = distance_m / SPEED_OF_SOUND_M_S
    in_time = when_s * sampling_rate < samples + half
    when_s, gains = when_s[in_time] + half / sampling_rate, gains[:, in_time] / distance_m[in_time]
    out = np.zeros((len(gains), samples + 4 * half))
    for channel, gain in zip(out, gains, strict=True):
        if len(gain):
            # One thread: the order of additions, and with it the last bit, must not depend on the machine's cores.
            libroom.rir_builder(channel, when_s, np.ascontiguousarray(gain), sampling_rate, SINC_TAPS, SINC_STEPS, 1)
    return out[:, half : half + samples].astype(np.float32)
