"""Ambisonics to the third order: real spherical harmonics, ACN channel order, SN3D normalisation (AmbiX).

Channel n^2 + n + m holds degree n and index m: W, Y Z X, V T R S U, Q O M K L N P. SN3D: W of any plane wave is its
sound pressure, and no channel of the first order exceeds it. Directions are in the listener's frame (x front, y left,
z up). Source: C. Nachbar et al., AmbiX, Ambisonics Symposium 2011.
"""

import functools
import math
import warnings

import numpy as np

from spatial_llm.audio.formats.ambisonics import (
    CONVENTIONS,
    FUMA,
    FUMA_GAINS,
    FUMA_TO_ACN,
    MAX_ORDER,
    N3D,
    SN3D,
    Ambisonics,
)
from spatial_llm.audio.formats.base import AudioFormat
from spatial_llm.errors import AudioError

TOLD_HZ = (300.0, 3000.0)  # where near sources and the noise of microphones raise no channel
RESOLUTION_HZ, SPREAD = 4.0, 150.0  # a room passes frequencies further apart than this independently of each other
BETTER_DB = 1.0  # N3D is 5 dB, FuMa 3 dB away from SN3D at the first degree
LONGEST_S = 60.0


def encode(directions: np.ndarray, order: int) -> np.ndarray:
    """Gains of plane waves: directions (..., xyz) of any length -> (..., channels), (order + 1)^2 of them.

    Raises:
        AudioError: an order other than 1 to 3.
    """
    if not 1 <= order <= MAX_ORDER:
        raise AudioError(f"ambisonics of order {order}; give 1 to {MAX_ORDER}.")
    directions = np.asarray(directions, dtype=np.float64)
    x, y, z = np.moveaxis(directions / np.linalg.norm(directions, axis=-1, keepdims=True), -1, 0)
    channels = [np.ones_like(x), y, z, x]
    if order >= 2:
        s = np.sqrt(3)
        channels += [s * x * y, s * y * z, 1.5 * z**2 - 0.5, s * x * z, s / 2 * (x**2 - y**2)]
    if order >= 3:
        a, b, c = np.sqrt(5 / 8), np.sqrt(15), np.sqrt(3 / 8)
        channels += [
            a * y * (3 * x**2 - y**2),
            b * x * y * z,
            c * y * (5 * z**2 - 1),
            z * (5 * z**2 - 3) / 2,
            c * x * (5 * z**2 - 1),
            b / 2 * z * (x**2 - y**2),
            a * x * (x**2 - 3 * y**2),
        ]
    return np.stack(channels, axis=-1)


def rotation(order: int, matrix: np.ndarray) -> np.ndarray:
    """Returns the matrix that turns the channels of a sound field: encode(matrix @ direction) = rotation @
    encode(direction).

    Args:
        order: 1 to 3.
        matrix: (3, 3), a rotation of directions; see `turn`.

    Returns:
        (channels, channels), zero between channels of different degree.
    """
    grid, inverse = _grid(order)
    turned = inverse @ encode(grid @ np.asarray(matrix, dtype=np.float64).T, order)
    degree = np.repeat(np.arange(order + 1), 2 * np.arange(order + 1) + 1)
    return np.where(degree[:, None] == degree, turned.T, 0.0)


@functools.lru_cache(maxsize=MAX_ORDER)
def _grid(order: int) -> tuple[np.ndarray, np.ndarray]:
    # More directions than channels, so that the harmonics on them determine every rotation of themselves.
    grid = np.random.default_rng(0).standard_normal((64, 3))
    return grid, np.linalg.pinv(encode(grid, order))


def turn(yaw_deg: float, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> np.ndarray:
    """Returns the rotation (3, 3) of directions: first roll about x, then pitch about y (positive = the front goes up), then
    yaw about z (positive = the front goes to the left)."""
    (cy, cp, cr), (sy, sp, sr) = (f(np.deg2rad([yaw_deg, pitch_deg, roll_deg])) for f in (np.cos, np.sin))
    yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    pitch = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])
    roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return yaw @ pitch @ roll


def to_fuma(waveform: np.ndarray) -> np.ndarray:
    """Converts ACN/SN3D (channels, samples) to Furse-Malham (W X Y Z ...), of orders 1 to 3."""
    channels = _checked(waveform)
    return (waveform[FUMA_TO_ACN[:channels]] * FUMA_GAINS[:channels, None]).astype(waveform.dtype)


def from_fuma(waveform: np.ndarray) -> np.ndarray:
    """Converts Furse-Malham (channels, samples) to ACN/SN3D, of orders 1 to 3."""
    return Ambisonics(math.isqrt(_checked(waveform)) - 1, FUMA).to_internal(waveform)


def intensity_direction(waveform: np.ndarray) -> np.ndarray:
    """Returns the mean direction of the sound in a recording: ACN/SN3D (channels, samples) -> (xyz), the mean active
    intensity over the mean energy density. Its length is 1 for one plane wave, near 0 for diffuse sound."""
    w, y, z, x = np.asarray(waveform, dtype=np.float64)[:4]
    energy = np.mean(w**2 + x**2 + y**2 + z**2) / 2
    return np.array([np.mean(w * axis) for axis in (x, y, z)]) / energy if energy > 0 else np.zeros(3)


def convention_that_fits(waveform: np.ndarray, sampling_rate: float) -> str | None:
    """Finds the convention that a recording given as ACN/SN3D is in, by the energy of each degree against that of W.

    Wherever sound comes from, the channels of a degree have together the energy of W in SN3D, 2n + 1 times as much in N3D,
    and twice and more in FuMa. A sound of few frequencies tells nothing, because a room passes each of them differently
    to each channel: below SPREAD of them the ratio of plain recordings swings by several dB (0.5 dB at 100 of them, over the
    sounds and measured rooms of the tests).

    Args:
        waveform: (4, 9 or 16 channels, samples), ACN order.
        sampling_rate: Hz.

    Returns:
        "n3d" or "fuma" where it fits better than SN3D by BETTER_DB; None where it does not, or nothing can be told.
    """
    order = math.isqrt(_checked(waveform)) - 1
    power = np.abs(np.fft.rfft(waveform[:, : round(LONGEST_S * sampling_rate)].astype(np.float64))) ** 2
    hertz = np.fft.rfftfreq(min(waveform.shape[1], round(LONGEST_S * sampling_rate)), 1 / sampling_rate)
    band = (hertz >= TOLD_HZ[0]) & (hertz <= TOLD_HZ[1])
    energy = power[:, band].sum(axis=1)
    resolved = np.bincount((hertz[band] // RESOLUTION_HZ).astype(int), power[0, band])
    if not energy[0] > 0 or np.sum(resolved) ** 2 < SPREAD * np.sum(resolved**2):
        return None
    degrees = Ambisonics(order).degrees
    found = 10 * np.log10(np.bincount(degrees, energy)[1:] / energy[0] + 1e-12)
    off_db = {}
    for convention in CONVENTIONS:
        # Of a diffuse field, whose channels of degree n each have 1 / (2n + 1) of the power of W.
        gains = np.ones(len(degrees))
        if convention == N3D:
            gains = np.sqrt(2 * degrees + 1)
        elif convention == FUMA:
            gains[:] = FUMA_GAINS[: len(degrees)]
        expected = np.bincount(degrees, gains**2 / (2 * degrees + 1))
        off_db[convention] = np.sqrt(np.mean((found - 10 * np.log10(expected[1:] / expected[0])) ** 2))
    best = min(off_db, key=off_db.__getitem__)
    return best if off_db[best] <= off_db[SN3D] - BETTER_DB else None


def warn_of_convention(waveform: np.ndarray, sampling_rate: float, given: AudioFormat, name: str) -> None:
    """Warns where a recording (channels, samples) that is given as ACN/SN3D fits another convention clearly better."""
    if not isinstance(given, Ambisonics) or given.convention != SN3D:
        return
    if (better := convention_that_fits(waveform, sampling_rate)) is not None:
        said = f"{given.text}:{better}"
        warnings.warn(
            f"{name}: the levels of its channels are those of {better.upper()}, not of SN3D, in which it is read; if it is, "
            f"say so: format={said!r}, --microphone {said}.",
            stacklevel=3,
        )


def _checked(waveform: np.ndarray) -> int:
    if waveform.ndim != 2 or waveform.shape[0] not in (4, 9, 16):
        raise AudioError(f"waveform of shape {waveform.shape}; ambisonics has (4, 9 or 16 channels, samples).")
    return waveform.shape[0]
