"""A grid of directions over the sphere, on which patterns of microphones are compared."""

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats import AudioFormat
from spatial_llm.geometry import SPEED_OF_SOUND_M_S

RINGS = (10, 40)  # elevations of the grid, at least and at most; there are twice as many azimuths
FINER = 8  # degrees above those that fit into an array: three of the harmonics, the rest for the map's decay


def direction_grid(rings: int = RINGS[0]) -> tuple[NDArray, NDArray]:
    """Returns directions (Q, xyz) and their weights (Q,), of sum 1: `rings` elevations of Gauss and Legendre, and twice as
    many even azimuths. Sums over it are exact for harmonics up to degree 2 rings - 1.

    It is symmetric in x, y and z, so that a plane array has exactly no harmonics that are odd across its plane.
    """
    heights, weights = np.polynomial.legendre.leggauss(rings)
    azimuths = (np.arange(2 * rings) + 0.5) * np.pi / rings
    z = np.repeat(heights, 2 * rings)
    radius, azimuth = np.sqrt(1 - z**2), np.tile(azimuths, rings)
    directions = np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=1)
    return directions, np.repeat(weights, 2 * rings) / (4 * rings)


def rings_for(format: AudioFormat, f_max: float) -> int:
    """Returns the rings of a grid that is fine enough for the map of a format up to a frequency in Hz.

    The map of an array has about as many degrees as its extent has radians of phase.
    """
    positions_m = np.array(format.positions_m or [(0.0, 0.0, 0.0)])
    extent_m = np.linalg.norm(positions_m[:, None] - positions_m[None], axis=-1).max()
    degrees = 2 * np.pi * f_max / SPEED_OF_SOUND_M_S * extent_m + FINER
    return int(np.clip(np.ceil((degrees + 1) / 2), *RINGS))
