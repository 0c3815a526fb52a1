"""Ambisonics to the third order: real spherical harmonics, ACN channel order, SN3D normalisation (AmbiX).

Channel n^2 + n + m holds degree n and index m: W, Y Z X, V T R S U, Q O M K L N P. SN3D: W of any plane wave is its
sound pressure, and no channel of the first order exceeds it. Directions are in the listener's frame (x front, y left,
z up). Source: C. Nachbar et al., AmbiX, Ambisonics Symposium 2011.
"""

import functools
import math

import numpy as np

from spatial_llm.audio.formats.ambisonics import FUMA, FUMA_GAINS, FUMA_TO_ACN, MAX_ORDER, Ambisonics
from spatial_llm.errors import AudioError


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


def _checked(waveform: np.ndarray) -> int:
    if waveform.ndim != 2 or waveform.shape[0] not in (4, 9, 16):
        raise AudioError(f"waveform of shape {waveform.shape}; ambisonics has (4, 9 or 16 channels, samples).")
    return waveform.shape[0]
