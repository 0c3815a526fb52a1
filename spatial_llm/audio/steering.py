"""Transfer functions from plane waves to the channels of a microphone: what every format makes of a sound from far away.

One definition serves the cues of the sound field and the simulator. Signs: a wave that reaches a microphone before the
centre has a positive phase there, exp(+i 2 pi f/c p.u), for spectra of numpy's and torch's FFT. The rigid sphere is the
series of B. Rafaely, Fundamentals of Spherical Array Processing, 2nd ed. 2019, section 2.5, in the same sign.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import eval_legendre, spherical_jn, spherical_yn

from spatial_llm.audio.ambisonics import encode
from spatial_llm.audio.formats import Ambisonics, Array, AudioFormat
from spatial_llm.errors import AudioError
from spatial_llm.geometry import SPEED_OF_SOUND_M_S

BEYOND = 15  # orders of the sphere's series above the largest wavenumber times radius: the rest is below 1e-10


def steering(format: AudioFormat, directions: NDArray, frequencies_hz: NDArray) -> NDArray[np.complex128]:
    """Returns what each channel receives of unit plane waves.

    Args:
        format: ambisonics in ACN/SN3D, or an array without measured responses.
        directions: (waves, xyz) where they come from, of any length.
        frequencies_hz: (frequencies,).

    Returns:
        (frequencies, channels, waves); 1 for the sound pressure of the wave at the listener's position in free air.

    Raises:
        AudioError: plane waves have no such transfer function in this format.
    """
    directions = np.asarray(directions, dtype=np.float64)
    directions = directions / np.linalg.norm(directions, axis=-1, keepdims=True)
    frequencies_hz = np.asarray(frequencies_hz, dtype=np.float64)
    if isinstance(format, Ambisonics) and format.internal is format:
        gains = encode(directions, format.order).T.astype(np.complex128)
        return np.broadcast_to(gains, (len(frequencies_hz), *gains.shape))
    if not isinstance(format, Array) or format.sofa is not None:
        raise AudioError(f"{format.name}: no transfer function; give ambisonics in ACN/SN3D or an array of positions.")
    positions_m = np.array(format.positions_m)
    wavenumbers = 2 * np.pi * frequencies_hz / SPEED_OF_SOUND_M_S
    if format.sphere_radius_m is None:
        return np.exp(1j * wavenumbers[:, None, None] * (positions_m @ directions.T))
    cosines = positions_m @ directions.T / np.linalg.norm(positions_m, axis=1, keepdims=True)
    return rigid_sphere(wavenumbers * format.sphere_radius_m, cosines)


def rigid_sphere(size: NDArray, cosines: NDArray) -> NDArray[np.complex128]:
    """Returns the sound pressure on a rigid sphere that a unit plane wave meets.

    Args:
        size: (frequencies,), wavenumber times radius.
        cosines: (...) of the angle between the point on the sphere and where the wave comes from.

    Returns:
        (frequencies, ...), relative to the pressure of the wave at the centre if the sphere were not there.
    """
    degrees = np.arange(int(np.ceil(size.max(initial=0.0))) + BEYOND + 1)
    above = size > 1e-9
    argument = np.where(above, size, 1.0)[:, None]
    # Without a sound, and for degrees that a small sphere does not see, the derivative of the Hankel function has no end.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        slope = spherical_jn(degrees, argument, derivative=True) - 1j * spherical_yn(degrees, argument, derivative=True)
        strength = -1j / (argument**2 * slope)
    strength = np.where(np.isfinite(strength), strength, 0.0) * (2 * degrees + 1) * 1j**degrees
    legendre = np.stack([eval_legendre(degree, cosines) for degree in degrees], axis=-1)
    pressure = np.moveaxis(legendre @ strength.T, -1, 0)
    return np.where(above.reshape(-1, *[1] * cosines.ndim), pressure, 1.0)
