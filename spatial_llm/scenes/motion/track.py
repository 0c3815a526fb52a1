"""The truth about motion: where each source is around the listener at any time, how fast it moves, and when it is nearest.

Places are those at a time of the recording, as DCASE's annotations have them; the sound that is heard then left its source
earlier by the way through the air, 3 ms a metre.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from spatial_llm.geometry import vector_to_direction
from spatial_llm.scenes.motion.travel import Way, headings_at, turned_back
from spatial_llm.scenes.scene import Listener, Scene, Source

TRACK_HZ = 10.0  # as DCASE's annotations


@dataclass(frozen=True, eq=False)
class Track:
    """Where one source is while it sounds, in the listener's frame.

    Attributes:
        times_s: (times,) of the recording, evenly spaced.
        azimuth_deg: (times,) unwrapped: 170 to 190 is a way of 20 degrees behind the listener, counter-clockwise.
        elevation_deg, distance_m: (times,).
        turning_deg_s: (times,) the change of azimuth, positive counter-clockwise.
        rising_deg_s: (times,) the change of elevation.
        leaving_m_s: (times,) the change of distance.
        nearest_s, nearest_m: time and distance of the closest approach; the first time where there are several.
        moves: whether the source itself moves; otherwise only the listener turns.
    """

    times_s: NDArray[np.float64]
    azimuth_deg: NDArray[np.float64]
    elevation_deg: NDArray[np.float64]
    distance_m: NDArray[np.float64]
    turning_deg_s: NDArray[np.float64]
    rising_deg_s: NDArray[np.float64]
    leaving_m_s: NDArray[np.float64]
    nearest_s: float
    nearest_m: float
    moves: bool


def track_of(scene: Scene, index: int, rate_hz: float = TRACK_HZ) -> Track | None:
    """Returns the track of a source from its onset to its offset; None where it is never heard.

    Args:
        scene: with its truth.
        index: of the source.
        rate_hz: places a second, at multiples of its inverse, and at onset and offset.
    """
    source, heard = scene.sources[index], scene.truth.sources[index]
    if heard.offset_s <= heard.onset_s:
        return None
    inside = np.arange(np.ceil(heard.onset_s * rate_hz), np.floor(heard.offset_s * rate_hz) + 1) / rate_hz
    if len(inside) < 2:
        inside = np.array([heard.onset_s, heard.offset_s])
    azimuth_deg, elevation_deg, distance_m = places_of(scene.listener, source, inside)
    azimuth_deg = np.unwrap(azimuth_deg, period=360.0)
    # Speeds are those between the places before and after.
    turning, rising, leaving = (np.gradient(each, inside) for each in (azimuth_deg, elevation_deg, distance_m))
    nearest_s, nearest_m = _closest(scene.listener, source, heard.onset_s, heard.offset_s)
    return Track(
        inside, azimuth_deg, elevation_deg, distance_m, turning, rising, leaving, nearest_s, nearest_m, source.moves
    )


def places_of(listener: Listener, source: Source, times_s: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Returns azimuth and elevation in degrees and distance in metres, each (times,), of a source at times (times,)."""
    way = Way.of(source.path or ((0.0, source.position_m),))
    offsets_m = way.at(times_s) - np.array(listener.position_m)
    return vector_to_direction(turned_back(offsets_m, headings_at(listener.headings, listener.heading_deg, times_s)))


def _closest(listener: Listener, source: Source, begin_s: float, end_s: float) -> tuple[float, float]:
    """Returns time and distance of the closest approach within two times."""
    way, listener_m = Way.of(source.path or ((0.0, source.position_m),)), np.array(listener.position_m)
    times_s = np.unique(np.clip([begin_s, *way.times_s, end_s], begin_s, end_s))
    places_m = way.at(times_s) - listener_m
    candidates = list(zip(np.linalg.norm(places_m, axis=1).tolist(), times_s.tolist(), strict=True))
    for (first_s, second_s), (first_m, second_m) in zip(pairwise(times_s), pairwise(places_m), strict=True):
        step_m = second_m - first_m
        length = float(step_m @ step_m)
        share = 0.0 if length == 0 else float(np.clip(-(first_m @ step_m) / length, 0.0, 1.0))
        candidates.append((float(np.linalg.norm(first_m + share * step_m)), float(first_s + share * (second_s - first_s))))
    # A source that rests at its nearest place, or circles, is nearest from the first such time on.
    least_m = min(distance_m for distance_m, _ in candidates)
    return min(time_s for distance_m, time_s in candidates if distance_m <= least_m + 1e-9), least_m
