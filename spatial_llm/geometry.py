"""Directions, distances and their names: the only place that knows about axes and conventions.

Inside the library there is one right-handed frame, fixed to the listener: x front, y left, z up, in metres. ``azimuth_deg``
counts counter-clockwise from the front in (-180, 180] (+90 = left), ``elevation_deg`` upwards in [-90, 90]. Other frames are
converted where they enter:

* SoundSpaces, SpatialAST and BAT (released code of Spatial-AST, `data/dataset.py`): x right, y up, -z front; azimuth classes
  0 = right, 90 = front, 180 = left.
* SOFA, spherical: azimuth counter-clockwise from the front, as here, but in [0, 360).
* pyroomacoustics: azimuth as in SOFA, colatitude (0 = up, 180 = down) in place of elevation.
* DCASE and STARSS: azimuth counter-clockwise from the front, as here, but in [-180, 180).
* the clock: 12 = front, 3 = right, 6 = behind, 9 = left; it has no elevation.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatial_llm.errors import SpatialLLMError

SPEED_OF_SOUND_M_S = 343.0
DISTANCE_STEP_M = 0.5  # one distance class of SpatialAST, and the step of distances in SpatialSoundQA


def wrap_azimuth_deg(azimuth_deg: ArrayLike) -> NDArray[np.float64]:
    """Wraps any angle in degrees to (-180, 180]."""
    return 180.0 - np.mod(180.0 - np.asarray(azimuth_deg, dtype=np.float64), 360.0)


def direction_to_vector(
    azimuth_deg: ArrayLike, elevation_deg: ArrayLike, distance_m: ArrayLike = 1.0
) -> NDArray[np.float64]:
    """Converts spherical to Cartesian: (...,) each -> (..., xyz) in metres, in the internal frame."""
    azimuth, elevation = np.deg2rad(azimuth_deg), np.deg2rad(elevation_deg)
    x = np.cos(elevation) * np.cos(azimuth)
    y = np.cos(elevation) * np.sin(azimuth)
    z = np.sin(elevation) * np.ones_like(azimuth)
    return np.stack(np.broadcast_arrays(x, y, z), axis=-1) * np.asarray(distance_m, dtype=np.float64)[..., None]


def vector_to_direction(xyz: ArrayLike) -> tuple[NDArray, NDArray, NDArray]:
    """Converts (..., xyz) to (azimuth_deg, elevation_deg, distance_m), each (...,). Straight up has azimuth 0."""
    x, y, z = np.moveaxis(np.asarray(xyz, dtype=np.float64), -1, 0)
    azimuth_deg = wrap_azimuth_deg(np.rad2deg(np.arctan2(y + 0.0, x + 0.0)))  # + 0.0 turns -0.0 into 0.0: no azimuth of 180
    elevation_deg = np.rad2deg(np.arctan2(z, np.hypot(x, y)))
    return azimuth_deg, elevation_deg, np.sqrt(x * x + y * y + z * z)


def great_circle_deg(
    azimuth_deg: ArrayLike, elevation_deg: ArrayLike, other_azimuth_deg: ArrayLike, other_elevation_deg: ArrayLike
) -> NDArray[np.float64]:
    """Returns the angle between two directions, 0 to 180 degrees; exact for near and for opposite ones (atan2 instead of
    arccos)."""
    first = direction_to_vector(azimuth_deg, elevation_deg)
    second = direction_to_vector(other_azimuth_deg, other_elevation_deg)
    cross = np.linalg.norm(np.cross(first, second), axis=-1)
    return np.rad2deg(np.arctan2(cross, np.sum(first * second, axis=-1)))


def region_distance_deg(xyz: ArrayLike, signs: ArrayLike) -> NDArray[np.float64]:
    """Returns the angle in degrees from a direction to the nearest point of the region that some planes bound: 0 inside, at
    most 180.

    The region is a convex cone (an octant, a quarter, a half), so the nearest point is the projection: coordinates of the
    wrong sign become 0. If nothing is left, the whole cone is 90 degrees away or more; its nearest point then lies on the
    axis, among those that bound it, from which the direction is turned away least.

    Args:
        xyz: (..., xyz), of any length above 0.
        signs: (..., xyz) 1, -1 or 0: the sign that the region has in this coordinate; 0 stands for either. NaN gives NaN.
    """
    xyz, signs = np.asarray(xyz, dtype=np.float64), np.asarray(signs, dtype=np.float64)
    unit = xyz / np.linalg.norm(xyz, axis=-1, keepdims=True)
    kept = np.where(signs == 0, unit, signs * np.maximum(signs * unit, 0.0))
    length = np.linalg.norm(kept, axis=-1)
    # from the two legs of a right triangle, which gives exactly 0 inside; arccos does not
    beside_deg = np.rad2deg(np.arctan2(np.linalg.norm(unit - kept, axis=-1), length))
    # a coordinate with either sign is 0 where nothing is left, and so gives 90
    behind_deg = 90.0 + np.rad2deg(np.arcsin(np.min(np.abs(unit), axis=-1)))
    return np.where(length == 0, behind_deg, beside_deg)


def direction_words(xyz: ArrayLike) -> tuple[str, str, str]:
    """Returns the three axis words of SpatialSoundQA for one position (xyz): left/right, front/behind, above/below.

    A coordinate of exactly zero counts as left, front, above; question writers reject positions near an axis.
    """
    x, y, z = np.asarray(xyz, dtype=np.float64)
    return "left" if y >= 0 else "right", "front" if x >= 0 else "behind", "above" if z >= 0 else "below"


def soundspaces_to_internal(xyz: ArrayLike) -> NDArray[np.float64]:
    """Converts (..., x right, y up, z behind) to (..., x front, y left, z up)."""
    right, up, behind = np.moveaxis(np.asarray(xyz, dtype=np.float64), -1, 0)
    return np.stack([-behind, -right, up], axis=-1)


def internal_to_soundspaces(xyz: ArrayLike) -> NDArray[np.float64]:
    """Converts (..., x front, y left, z up) to (..., x right, y up, z behind)."""
    front, left, up = np.moveaxis(np.asarray(xyz, dtype=np.float64), -1, 0)
    return np.stack([-left, up, -front], axis=-1)


def internal_to_sofa(azimuth_deg: ArrayLike, elevation_deg: ArrayLike) -> tuple[NDArray, NDArray]:
    """Converts to SOFA's spherical coordinates (azimuth_deg, elevation_deg), azimuth in [0, 360)."""
    return np.mod(np.asarray(azimuth_deg, dtype=np.float64), 360.0), np.asarray(elevation_deg, dtype=np.float64)


def sofa_to_internal(azimuth_deg: ArrayLike, elevation_deg: ArrayLike) -> tuple[NDArray, NDArray]:
    """Inverts `internal_to_sofa`."""
    return wrap_azimuth_deg(azimuth_deg), np.asarray(elevation_deg, dtype=np.float64)


def internal_to_pyroomacoustics(azimuth_deg: ArrayLike, elevation_deg: ArrayLike) -> tuple[NDArray, NDArray]:
    """Converts to (azimuth_deg, colatitude_deg) as pyroomacoustics' directivities take them, azimuth in [0, 360)."""
    return np.mod(np.asarray(azimuth_deg, dtype=np.float64), 360.0), 90.0 - np.asarray(elevation_deg, dtype=np.float64)


def pyroomacoustics_to_internal(azimuth_deg: ArrayLike, colatitude_deg: ArrayLike) -> tuple[NDArray, NDArray]:
    """Inverts `internal_to_pyroomacoustics`."""
    return wrap_azimuth_deg(azimuth_deg), 90.0 - np.asarray(colatitude_deg, dtype=np.float64)


def internal_to_dcase(azimuth_deg: ArrayLike, elevation_deg: ArrayLike) -> tuple[NDArray, NDArray]:
    """Converts to (azimuth_deg, elevation_deg) as DCASE and STARSS label files have them, azimuth in [-180, 180)."""
    azimuth_deg = np.mod(np.asarray(azimuth_deg, dtype=np.float64) + 180.0, 360.0) - 180.0
    return azimuth_deg, np.asarray(elevation_deg, dtype=np.float64)


def dcase_to_internal(azimuth_deg: ArrayLike, elevation_deg: ArrayLike) -> tuple[NDArray, NDArray]:
    """Inverts `internal_to_dcase`."""
    return wrap_azimuth_deg(azimuth_deg), np.asarray(elevation_deg, dtype=np.float64)


def clock_hour(azimuth_deg: float) -> int:
    """Returns the nearest hour on the clock around the listener, 1 to 12; half-way between two it is the later one.

    An hour is 30 degrees wide; question writers reject directions near the border of two.
    """
    return math.floor(0.5 - float(azimuth_deg) / 30.0) % 12 or 12


def azimuth_of_hour(hour: int) -> float:
    """Returns the azimuth of an hour of the clock, degrees in (-180, 180]. Raises SpatialLLMError for hours other than 1 to
    12."""
    if hour not in range(1, 13):
        raise SpatialLLMError(f"hour is {hour!r}; give 1 to 12 (12 = front, 3 = right).")
    return float(wrap_azimuth_deg(-30.0 * hour))


def bat_distance_class(distance_m: float, num_classes: int = 21) -> int:
    """Returns the distance class of SpatialAST: `round(2 d)`, with Python's banker's rounding, as its released code computes
    it.

    Raises:
        SpatialLLMError: the class lies beyond the last one. The official code overflows there silently.
    """
    distance_class = round(float(distance_m) / DISTANCE_STEP_M)
    if not 0 <= distance_class < num_classes:
        raise SpatialLLMError(
            f"distance {distance_m} m is class {distance_class}, expected 0 to {num_classes - 1} "
            f"(at most {(num_classes - 1) * DISTANCE_STEP_M} m): move the source nearer or drop the record."
        )
    return distance_class


def bat_azimuth_class(azimuth_deg: float) -> int:
    """Returns the azimuth class of SpatialAST, whole degrees: 0 = right, 90 = front, 180 = left, 270 = behind."""
    # The official code takes atan2 in (-180, 180], rounds, adds 360 and reduces; the same angle is our azimuth + 90.
    return (round(float(wrap_azimuth_deg(azimuth_deg + 90.0))) + 360) % 360


def bat_elevation_class(elevation_deg: float) -> int:
    """Returns the elevation class of SpatialAST, whole degrees: 0 = -90, 90 = horizontal.

    Kept bug of the official labels: +90 (straight up) wraps to class 0, which also means straight down.
    """
    return (round(float(elevation_deg)) + 90) % 180


def distance_from_bat_class(distance_class: ArrayLike) -> NDArray[np.float64]:
    """Returns the centre of a distance class, metres."""
    return np.asarray(distance_class, dtype=np.float64) * DISTANCE_STEP_M


def azimuth_from_bat_class(azimuth_class: ArrayLike) -> NDArray[np.float64]:
    """Returns the azimuth of a class in the internal frame, degrees in (-180, 180]."""
    return wrap_azimuth_deg(np.asarray(azimuth_class, dtype=np.float64) - 90.0)


def elevation_from_bat_class(elevation_class: ArrayLike) -> NDArray[np.float64]:
    """Returns the elevation of a class, degrees; class 0 is read as -90."""
    return np.asarray(elevation_class, dtype=np.float64) - 90.0
