"""Arrivals as impulses between samples: a windowed sinc each, for microphones without a measured response; and as responses
that depend on where they come from."""

import numpy as np
from pyroomacoustics import libroom

from spatial_llm.geometry import SPEED_OF_SOUND_M_S

SINC_TAPS = 81  # of the fractional delay: a sinc under a Hann window
SINC_STEPS = 200  # entries a sample in the table of that sinc; between them it is interpolated
NEAREST_M = 0.01  # nearer sources are taken to be this far away: 1/r has no end
CENTRE_M = np.zeros((1, 3))
CENTRE_M.flags.writeable = False
AT_A_TIME = 4096  # arrivals whose responses are in memory


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


def sum_responses(
    spectra: np.ndarray,
    which: np.ndarray,
    distance_m: np.ndarray,
    gains: np.ndarray,
    before: int,
    sampling_rate: int,
    samples: int,
) -> np.ndarray:
    """Sums one delayed response an arrival, of amplitude gain / distance.

    Args:
        spectra: (responses, frequencies of a real FFT of even size). The responses ring out within that size, also when they
            are delayed by less than a sample.
        which: (arrivals), the response of each.
        distance_m, gains: (arrivals).
        before: samples of a response before the sound itself.
        samples: length of the result.

    Returns:
        float32 (samples,).
    """
    size = 2 * (spectra.shape[-1] - 1)
    distance_m = np.maximum(distance_m, NEAREST_M)
    start, fraction = np.divmod(distance_m / SPEED_OF_SOUND_M_S * sampling_rate, 1.0)
    in_time = np.flatnonzero(start < samples + before)
    out = np.zeros(before + samples + before + size, dtype=np.float32)
    turn = -2j * np.pi * np.arange(spectra.shape[-1]) / size
    for first in range(0, len(in_time), AT_A_TIME):
        some = in_time[first : first + AT_A_TIME]
        shifted = spectra[which[some]] * np.exp(turn * fraction[some, None]) * (gains / distance_m)[some, None]
        responses = np.fft.irfft(shifted, size).astype(np.float32)
        libroom.delay_sum(np.ascontiguousarray(responses), start[some].astype(np.int32), out, 1)
    return out[before : before + samples]
