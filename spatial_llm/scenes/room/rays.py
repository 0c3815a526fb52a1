"""Rays in an empty shoebox: the energy that image sources leave out, and how fast a room's energy decays.

Rays leave the listener and are counted in balls around the sources. Sound takes the same way in both directions, so this
gives the response from each source to the listener, and one tracing serves all sources of a room. After k walls, a share of
(1 - absorption)^k of a ray's energy is left. At a wall the share `scattering` of the rays leaves in a direction drawn by
Lambert's law, the others are reflected as by a mirror (M. Vorlaender, Auralization, 2nd ed. 2020, ch. 11).

pyroomacoustics 0.10 traces rays too, but its energies do not add up to those of its image sources: it counts the last
image order twice, and scattered energy both goes straight to the listener and continues with the ray.
"""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from pyroomacoustics.doa import fibonacci_spherical_sampling

from spatial_llm.geometry import SPEED_OF_SOUND_M_S

BIN_S = 0.002
BALL_M = 0.5  # radius of the ball around a source in which rays are counted
FLIGHTS = 600_000  # limit of flights from wall to wall, of all rays together; they take a tenth of a second
SILENT = 1e-8  # -80 dB: rays that have lost more are dropped


class Flights(NamedTuple):
    """Straight flights of rays from one wall to the next.

    Attributes:
        walls: number of walls that all rays have met before.
        start_m: (rays, xyz).
        direction: (rays, xyz), of unit length.
        reach_m: (rays), the way to the next wall.
        travelled_m: (rays), the way before.
        scattered: (rays), whether the ray has left some wall in a drawn direction.
    """

    walls: int
    start_m: np.ndarray
    direction: np.ndarray
    reach_m: np.ndarray
    travelled_m: np.ndarray
    scattered: np.ndarray


def trace(
    size_m: np.ndarray,
    start_m: np.ndarray,
    direction: np.ndarray,
    scattering: float,
    length_m: float,
    rng: np.random.Generator,
) -> Iterator[Flights]:
    """Traces rays (rays, xyz) through a room of size (xyz), one flight after the other, until all have travelled
    `length_m`."""
    size_m, position, direction = np.asarray(size_m, dtype=np.float64), start_m.copy(), direction.copy()
    travelled, scattered, walls = np.zeros(len(position)), np.zeros(len(position), dtype=bool), 0
    while len(position):
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = (np.where(direction > 0, size_m, 0.0) - position) / direction
        reach[direction == 0] = np.inf
        axis, rows = np.argmin(reach, axis=1), np.arange(len(position))
        reach = reach[rows, axis]
        yield Flights(walls, position, direction, reach, travelled, scattered)
        on = travelled + reach < length_m
        axis, rows = axis[on], np.arange(np.count_nonzero(on))
        travelled = (travelled + reach)[on]
        position = position[on] + reach[on, None] * direction[on]
        direction, scattered = direction[on], scattered[on].copy()
        inward = -np.sign(direction[rows, axis])
        position[rows, axis] = np.where(inward > 0, 0.0, size_m[axis])
        direction[rows, axis] *= -1
        drawn = np.flatnonzero(rng.random(len(rows)) < scattering)
        if len(drawn):
            direction[drawn] = _lambert(rng, axis[drawn], inward[drawn])
            scattered[drawn] = True
        walls += 1


def _lambert(rng: np.random.Generator, axis: np.ndarray, inward: np.ndarray) -> np.ndarray:
    # A point of the unit disc, lifted onto the hemisphere, is distributed with the cosine (Malley's method).
    count = len(axis)
    radius_squared, angle = rng.random(count), rng.uniform(0, 2 * np.pi, count)
    drawn, rows = np.empty((count, 3)), np.arange(count)
    drawn[rows, axis] = inward * np.sqrt(1 - radius_squared)
    drawn[rows, (axis + 1) % 3] = np.sqrt(radius_squared) * np.cos(angle)
    drawn[rows, (axis + 2) % 3] = np.sqrt(radius_squared) * np.sin(angle)
    return drawn


def mean_free_path_m(size_m: np.ndarray) -> float:
    """Returns the mean way from wall to wall in a room of size (xyz), averaged over positions and directions: 4 V / S."""
    return float(2 / np.sum(1 / np.asarray(size_m)))


def late_energy(
    size_m: np.ndarray,
    listener_m: np.ndarray,
    sources_m: np.ndarray,
    absorption: float,
    scattering: float,
    max_order: int,
    duration_s: float,
    seed: int,
) -> np.ndarray:
    """Returns the energy that reaches the listener (xyz) from each source (sources, xyz) and is not in the image sources up
    to `max_order`: all scattered energy, and image sources of higher order.

    Args:
        absorption, scattering: shares of energy, see `scene.Room`.

    Returns:
        (sources, bins of BIN_S) energy; the direct sound of a source at 1 m has energy 1.
    """
    bins = int(np.ceil(duration_s / BIN_S))
    energy = np.zeros((len(sources_m), bins))
    if absorption >= 1:
        return energy
    length_m, bin_m = duration_s * SPEED_OF_SOUND_M_S, BIN_S * SPEED_OF_SOUND_M_S
    count = int(FLIGHTS / (1 + min(length_m / mean_free_path_m(size_m), np.log(SILENT) / np.log(1 - absorption))))
    # Each ray has 1/count of the power, 4 pi at a source of energy 1 at 1 m; the energy density that it leaves in a ball
    # is that times the way inside over the volume inside the room.
    shares = 4 * np.pi / (count * _ball_inside_m3(size_m, sources_m))
    start_m, rng = np.tile(listener_m, (count, 1)), np.random.default_rng(seed)
    for flight in trace(size_m, start_m, fibonacci_spherical_sampling(count).T, scattering, length_m, rng):
        left = (1 - absorption) ** flight.walls
        if left < SILENT:
            break
        late = slice(None) if flight.walls > max_order else np.flatnonzero(flight.scattered)
        start_m, direction = flight.start_m[late], flight.direction[late]
        reach_m, travelled_m = flight.reach_m[late], flight.travelled_m[late]
        for source, position_m in enumerate(sources_m):
            to_source = position_m - start_m
            along_m = np.einsum("rx,rx->r", to_source, direction)
            half_squared = BALL_M**2 + along_m**2 - np.einsum("rx,rx->r", to_source, to_source)
            near = np.flatnonzero(half_squared > 0)
            half = np.sqrt(half_squared[near])
            enter, leave = np.maximum(along_m[near] - half, 0), np.minimum(along_m[near] + half, reach_m[near])
            inside_m = np.maximum(leave - enter, 0)
            when = ((travelled_m[near] + (enter + leave) / 2) / bin_m).astype(int)
            heard = (inside_m > 0) & (when < bins)
            energy[source] += left * shares[source] * np.bincount(when[heard], inside_m[heard], bins)
    return energy


def _ball_inside_m3(size_m: np.ndarray, sources_m: np.ndarray) -> np.ndarray:
    # The volume of the ball around each source inside the room is found by counting a fine grid of points.
    side = (np.arange(24) + 0.5) / 12 - 1
    grid = BALL_M * np.stack(np.meshgrid(side, side, side), axis=-1).reshape(-1, 3)
    grid = grid[np.sum(grid**2, axis=1) < BALL_M**2]
    points = sources_m[:, None] + grid
    inside = np.all((points > 0) & (points < size_m), axis=-1)
    return 4 / 3 * np.pi * BALL_M**3 * inside.mean(axis=1)


@functools.lru_cache(maxsize=64)
def wall_counts(size_m: tuple[float, float, float], scattering: float, duration_s: float) -> np.ndarray:
    """Returns the share of rays, from all positions of the room in all directions, that have met a number of walls at the
    middle of a bin: (walls, bins of BIN_S). Its sum with weights (1 - absorption)^walls is the room's decay."""
    rng, count = np.random.default_rng(0), 2000
    start_m = rng.random((count, 3)) * size_m
    direction = fibonacci_spherical_sampling(count).T
    bins = int(np.ceil(duration_s / BIN_S))
    bin_m = BIN_S * SPEED_OF_SOUND_M_S
    reached = []  # for each number of walls, the share of rays that have met at least so many, at each bin
    for flight in trace(np.array(size_m), start_m, direction, scattering, duration_s * SPEED_OF_SOUND_M_S, rng):
        arrived = np.clip(np.ceil(flight.travelled_m / bin_m - 0.5).astype(int), 0, bins)
        reached.append(np.cumsum(np.bincount(arrived, minlength=bins + 1)[:bins]) / count)
    reached.append(np.zeros(bins))
    return -np.diff(np.array(reached), axis=0)
