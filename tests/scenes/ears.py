"""Measurements that several tests of this folder take."""

import numpy as np

from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.scene import Listener, Room


def level_db(response: np.ndarray) -> float:
    """Energy of a response, all channels together, in dB."""
    return float(10 * np.log10(np.sum(response.astype(np.float64) ** 2) + 1e-30))


def anechoic(azimuth_deg, elevation_deg, distance_m, heading_deg=37.0) -> tuple[Room, Listener, np.ndarray]:
    """A large room of walls that reflect nothing, a listener in the middle, sources at these directions as heard."""
    listener = Listener((8.0, 7.0, 4.0), heading_deg)
    azimuth_deg, elevation_deg, distance_m = np.broadcast_arrays(azimuth_deg, elevation_deg, distance_m)
    offsets = direction_to_vector(azimuth_deg + heading_deg, elevation_deg, distance_m)
    room = Room("anechoic", (16.0, 14.0, 8.0), absorption=1.0, max_order=0, ray_tracing=False, response_s=0.05)
    return room, listener, listener.position_m + offsets.reshape(-1, 3)
