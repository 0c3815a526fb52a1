"""The absorption that gives a shoebox room a wanted reverberation time."""

import functools

import numpy as np
from scipy.optimize import brentq

from spatial_llm.errors import SceneError
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.room.acoustics import decay_time_s
from spatial_llm.scenes.room.rays import BIN_S, mean_free_path_m, wall_counts
from spatial_llm.scenes.scene import Room

LEAST_ABSORPTION, MOST_ABSORPTION = 0.01, 0.99


def absorption_of(room: Room) -> float:
    """Returns the share of energy that the walls of a room absorb: as given, or so that the room decays in `target_rt60_s`.

    Eyring's formula holds where sound comes equally from all directions; in a shoebox it is off by up to 40 %. The decay is
    therefore traced once, with rays from all positions of the room (`rays.wall_counts`), and the absorption is found whose
    decay has a T20 of `target_rt60_s`. It depends only on the size and the scattering of the room, not on positions in it.

    Raises:
        SceneError: the room is of unknown size, or no absorption from 0.01 to 0.99 gives that reverberation.
    """
    if room.size_m is None:
        raise SceneError(f"room {room.id}: its size is not known, so it cannot be simulated; use its measured responses.")
    if room.absorption is not None:
        return room.absorption
    scattering = room.scattering if room.ray_tracing else 0.0
    try:
        return absorption_for_rt60(tuple(map(float, room.size_m)), float(room.target_rt60_s), float(scattering))
    except SceneError as error:
        raise SceneError(f"room {room.id}: {error}") from None


@functools.lru_cache(maxsize=1024)
def absorption_for_rt60(size_m: tuple[float, float, float], target_rt60_s: float, scattering: float) -> float:
    """Returns the absorption (share of energy, equal for all walls) with which a room of this size decays in `target_rt60_s`
    seconds."""
    refused = SceneError(
        f"no absorption from {LEAST_ABSORPTION} to {MOST_ABSORPTION} gives a room of {size_m} m a reverberation time of "
        f"{target_rt60_s} s; ask for another time or size."
    )
    # Above twice Sabine's time, for 60 dB of a loss of LEAST_ABSORPTION at each wall, nothing need be traced.
    if target_rt60_s > 2 * np.log(1e6) / LEAST_ABSORPTION * mean_free_path_m(size_m) / SPEED_OF_SOUND_M_S:
        raise refused
    shares = wall_counts(size_m, scattering, 1.2 * target_rt60_s)
    walls = np.arange(len(shares))

    def excess_s(absorption: float) -> float:
        decay_s = decay_time_s((1 - absorption) ** walls @ shares, 1 / BIN_S)
        return target_rt60_s if np.isnan(decay_s) else decay_s - target_rt60_s  # NaN: longer than was traced

    if excess_s(LEAST_ABSORPTION) < 0 or excess_s(MOST_ABSORPTION) > 0:
        raise refused
    # The value is rounded, so that the last bits of a sum do not reach every response.
    return round(float(brentq(excess_s, LEAST_ABSORPTION, MOST_ABSORPTION, xtol=1e-5)), 4)
