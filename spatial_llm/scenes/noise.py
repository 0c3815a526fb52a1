"""Diffuse background noise: equal power from all directions, as a microphone receives it.

A diffuse field is the sum of very many plane waves of independent noise. Its channels are Gaussian, so their
cross-spectral matrix alone describes them: the mean over all directions of h(f) h(f)^H, where h is the response of the
channels to a plane wave (`Microphone.free_field`). Independent noises, one a channel, are therefore mixed by the square root
of that matrix. The result has the same distribution, and costs one transform a channel in place of one a wave (E. Habets,
I. Cohen and S. Gannot, J. Acoust. Soc. Am. 124, 2911, 2008). The colour is that of each plane wave; a head colours it
further.
"""

import functools
import warnings
from pathlib import Path

import numpy as np
import scipy.fft
from pyroomacoustics.doa import fibonacci_spherical_sampling

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.files import file_stamp
from spatial_llm.scenes.microphones import microphone_of
from spatial_llm.scenes.scene import Noise

DIRECTIONS, BATCH = 2048, 256  # evenly spread plane waves of the mean; how many of them are computed at a time
FINENESS = 8  # frequencies of the mixing matrices for each tap of the plane waves' responses; interpolated in between
PINK_FROM_HZ = 20.0  # below, pink noise is white: 1/f has no end


def add_noise(recording: np.ndarray, noise: Noise, format: AudioFormat, sampling_rate: int, seed: int) -> np.ndarray:
    """Adds diffuse noise to a recording (channels, samples), `snr_db` below it in energy over all channels and samples. A
    silent recording stays silent, because no noise is below it."""
    level = float(np.sum(np.square(recording, dtype=np.float64)))
    added = diffuse_noise(noise.color, format, recording.shape[1], sampling_rate, seed)
    scale = np.sqrt(level / np.sum(np.square(added, dtype=np.float64)) * 10 ** (-noise.snr_db / 10))
    return (recording + scale * added).astype(np.float32)


def diffuse_noise(color: str, format: AudioFormat, samples: int, sampling_rate: int, seed: int) -> np.ndarray:
    """Returns diffuse noise of arbitrary level and zero mean, float32 (channels, samples); the same for the same seed.

    Args:
        color: "white", or "pink" (1/f power).
    """
    stamp = file_stamp(format.sofa) if format.sofa and Path(format.sofa).is_file() else ()
    mixing = _mixing(format, stamp, sampling_rate)  # (points, channels, channels)
    rng = np.random.default_rng([seed, *b"noise"])
    size = scipy.fft.next_fast_len(samples, real=True)
    hertz = scipy.fft.rfftfreq(size, 1 / sampling_rate)
    white = rng.standard_normal((format.channels, len(hertz), 2), dtype=np.float32).view(np.complex64)[..., 0]
    if color == "pink":
        white *= (1 / np.sqrt(np.maximum(hertz, PINK_FROM_HZ))).astype(np.float32)
    white[:, 0] = 0
    mixed = np.zeros_like(white)
    points_hz = np.linspace(0, sampling_rate / 2, len(mixing))
    for channel, row in enumerate(mixing.transpose(1, 2, 0)):
        for noise, gains in zip(white, row, strict=True):
            if gains.any():
                mixed[channel] += noise * np.interp(hertz, points_hz, gains).astype(np.complex64)
    return np.ascontiguousarray(scipy.fft.irfft(mixed, size)[:, :samples])


@functools.lru_cache(maxsize=8)
def _mixing(format: AudioFormat, _stamp: tuple, sampling_rate: int) -> np.ndarray:
    """Returns Hermitian square roots of the cross-spectral matrices of a diffuse field of unit power, complex (frequencies,
    channels, channels), evenly spaced from 0 to half the rate. Other square roots do not vary smoothly with frequency."""
    directions = fibonacci_spherical_sampling(DIRECTIONS).T
    microphone = microphone_of(format, sampling_rate)
    if microphone.head is not None and not microphone.head.covers_all:
        warnings.warn(
            f"{microphone.head.name}: measured over a part of the sphere; noise from elsewhere takes the nearest direction.",
            stacklevel=4,
        )
    covariance: np.ndarray | float = 0.0
    for first in range(0, DIRECTIONS, BATCH):
        responses = microphone.free_field(directions[first : first + BATCH])
        taps = responses.shape[-1]
        size = FINENESS << max(0, (taps - 1).bit_length())
        spectrum = np.moveaxis(np.fft.rfft(responses, size), -1, 0)  # (points, waves, channels)
        covariance = covariance + np.swapaxes(spectrum, 1, 2) @ spectrum.conj() / DIRECTIONS
    values, vectors = np.linalg.eigh(covariance)
    roots = vectors * np.sqrt(np.maximum(values, 0))[:, None, :]
    return roots @ np.swapaxes(vectors.conj(), 1, 2)
