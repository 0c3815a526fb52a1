"""Filters and sums of channels that match wanted patterns: what rendering to two ears and encoding to ambisonics share.

At each frequency the filters W minimise, over plane waves q from everywhere,

    sum_q |W v_q - y_q|^2 + lambda |W|^2,    W = Y V^H (V V^H + lambda I)^-1,

with v_q what the channels receive of the wave and y_q what is wanted of it. Each row of W is a problem of its own, so that
regularised least squares and ambisonics signal matching, which states the problem for one output at a time (Y. Gayer et al.,
Ambisonics Encoding For Arbitrary Microphone Arrays, arXiv 2402.17362, 2024), are one and the same.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve


def matched(received: NDArray, wanted: NDArray, load: float) -> NDArray[np.complex128]:
    """Returns the filters of one frequency.

    Args:
        received: complex (channels, waves).
        wanted: (outputs, waves).
        load: lambda, in units of the mean power of a channel, summed over the waves.

    Returns:
        (outputs, channels); 0 where the channels receive nothing.
    """
    power = received @ received.conj().T
    if not power.any():
        return np.zeros((len(wanted), len(received)), dtype=np.complex128)
    power += load * np.trace(power) / len(power) * np.eye(len(power))
    return np.linalg.solve(power.T, (wanted @ received.conj().T).T).T


def to_taps(spectrum: NDArray, size: int) -> NDArray[np.float64]:
    """Returns the impulse responses of filters, (frequencies of a real FFT, outputs, channels) -> (outputs, channels, size),
    with the moment 0 at the tap size // 2."""
    return np.roll(np.fft.irfft(np.moveaxis(spectrum, 0, -1), size), size // 2, axis=-1)


def filtered(taps: NDArray, waveform: NDArray) -> NDArray[np.float64]:
    """Filters and sums channels: (outputs, channels, taps), (channels, samples) -> (outputs, samples + taps - 1)."""
    out = np.zeros((len(taps), waveform.shape[1] + taps.shape[-1] - 1))
    for channel, sound in enumerate(waveform):
        out += oaconvolve(taps[:, channel], sound[None].astype(np.float64), axes=1)
    return out
