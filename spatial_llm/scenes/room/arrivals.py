"""The sound that reaches the listener from each source of a shoebox room: image sources, and a late tail from rays.

Arrivals do not depend on the microphone: all formats of a scene receive the same ones, and turning the listener turns the
arrivals, exactly. Image sources come from pyroomacoustics (J. B. Allen and D. A. Berkley, J. Acoust. Soc. Am. 65, 943,
1979), up to `Room.max_order` reflections. With `Room.ray_tracing` the energy that they leave out (scattered sound, and
all higher orders) is traced (`rays`) and becomes a tail of arrivals from random directions with random signs, whose
energies follow the traced ones: the fine structure is random, the decay is not. Walls absorb all frequencies equally, air
absorbs nothing.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyroomacoustics as pra
from scipy.ndimage import gaussian_filter1d

from spatial_llm.errors import SceneError
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.room.absorption import absorption_of
from spatial_llm.scenes.room.rays import BIN_S, late_energy, mean_free_path_m
from spatial_llm.scenes.scene import Room

ARRIVALS_PER_S = 6000.0  # upper limit in the tail; noise of 2,000 random impulses a second already sounds smooth
SMOOTHING_S = 0.006


@dataclass(frozen=True, eq=False)
class Arrivals:
    """Everything that reaches a point from one source; entry 0 is the direct sound.

    Attributes:
        offsets_m: (arrivals, xyz) float64, in the axes of the room: from the listener to the apparent origin of the sound;
            its length is that of the way through the air.
        gains: (arrivals) float64, of the walls alone, negative for some of the tail. The decrease with distance (1/r, 1 at
            1 m) is applied by the microphones.
    """

    offsets_m: np.ndarray
    gains: np.ndarray

    def turned(self, heading_deg: float) -> "Arrivals":
        """Returns the same arrivals in the axes of a listener who looks to `heading_deg`: x front, y left, z up."""
        turn = np.deg2rad(heading_deg)
        ahead, left = np.array([np.cos(turn), np.sin(turn), 0.0]), np.array([-np.sin(turn), np.cos(turn), 0.0])
        offsets_m = np.column_stack([self.offsets_m @ ahead, self.offsets_m @ left, self.offsets_m[:, 2]])
        return Arrivals(offsets_m, self.gains)


def simulate_arrivals(room: Room, listener_m: np.ndarray, sources_m: np.ndarray) -> list[Arrivals]:
    """Returns the arrivals within `room.response_s` at the listener (xyz) from each of the sources (sources, xyz).

    The result depends only on the arguments: the tail is seeded by the room's name and the position of its source, whatever
    other sources there are.

    Raises:
        SceneError: the room's size is not known, its target_rt60_s cannot be met, or someone is outside it.
    """
    listener_m = np.array(listener_m, dtype=np.float64)
    sources_m = np.array(sources_m, dtype=np.float64).reshape(-1, 3)
    check_inside(room, (listener_m, *sources_m))
    arrivals = images(room, listener_m, sources_m)
    if not room.ray_tracing:
        return arrivals
    return [joined(each, tail) for each, tail in zip(arrivals, tails(room, listener_m, sources_m), strict=True)]


def check_inside(room: Room, positions_m: Sequence[np.ndarray]) -> None:
    """Raises SceneError where the size of the room is not known, or a position (xyz) is outside it."""
    absorption_of(room)
    for position_m in positions_m:
        if not np.all((np.asarray(position_m) > 0) & (np.asarray(position_m) < room.size_m)):
            raise SceneError(
                f"room {room.id}: position {position_m} m is outside its {np.array(room.size_m)} m; move it inside."
            )


def joined(first: Arrivals, second: Arrivals) -> Arrivals:
    """Returns both in one."""
    return Arrivals(np.concatenate([first.offsets_m, second.offsets_m]), np.concatenate([first.gains, second.gains]))


def mirrored_share(room: Room) -> float:
    """Returns the share of the energy that each wall leaves to an image source."""
    # What is not scattered stays with the images; without rays nothing would carry the scattered part.
    return (1 - absorption_of(room)) * ((1 - room.scattering) if room.ray_tracing else 1.0)


def images(room: Room, listener_m: np.ndarray, sources_m: np.ndarray, beyond: int = -1) -> list[Arrivals]:
    """Returns the arrivals of the image sources of each of the sources (sources, xyz), the direct sound first.

    Args:
        beyond: only those of more reflections; -1 = all.
    """
    simulated = pra.ShoeBox(
        np.array(room.size_m), materials=pra.Material(1 - mirrored_share(room)), max_order=room.max_order
    )
    simulated.set_sound_speed(SPEED_OF_SOUND_M_S)
    simulated.add_microphone(listener_m)
    for source in sources_m:
        simulated.add_source(source)
    simulated.image_source_model()
    arrivals = []
    for position_m, source in zip(sources_m, simulated.sources, strict=True):
        offsets, gains = source.images.T.astype(np.float64) - listener_m, source.damping[0].astype(np.float64)
        heard = (gains > 0) & (np.linalg.norm(offsets, axis=1) < room.response_s * SPEED_OF_SOUND_M_S)
        heard &= source.orders > max(beyond, 0)
        direct_m, one = ([position_m - listener_m], [1.0]) if beyond < 0 else (np.zeros((0, 3)), [])
        arrivals.append(Arrivals(np.concatenate([direct_m, offsets[heard]]), np.concatenate([one, gains[heard]])))
    return arrivals


def tails(
    room: Room, listener_m: np.ndarray, sources_m: np.ndarray, seeds_m: Sequence[np.ndarray] | None = None
) -> list[Arrivals]:
    """Returns the late tail of each of the sources (sources, xyz).

    Args:
        seeds_m: (xyz) that seeds the fine structure of each tail; None = its own position. Tails with one seed fade into
            each other without a change of their fine structure: those of the places that a moving source passes.
    """
    size_m, absorption = np.array(room.size_m, dtype=np.float64), absorption_of(room)
    seed = zlib.crc32(room.id.encode())
    traced = late_energy(size_m, listener_m, sources_m, absorption, room.scattering, room.max_order, room.response_s, seed)
    # Eyring's decay, energy a second; only to smooth around it, so it need not be exact.
    decay_per_s = -np.log(max(1 - absorption, 1e-6)) * SPEED_OF_SOUND_M_S / mean_free_path_m(size_m)
    found = []
    for position_m, seed_m, energy in zip(sources_m, sources_m if seeds_m is None else seeds_m, traced, strict=True):
        rng = np.random.default_rng([seed, *np.round(np.asarray(seed_m) * 1e4).astype(int)])
        tail = _tail(energy, decay_per_s, float(np.prod(size_m)), rng)
        # Rays are also received around the source: nothing may come before the direct sound.
        late = np.linalg.norm(tail.offsets_m, axis=1) > np.linalg.norm(position_m - listener_m)
        found.append(Arrivals(tail.offsets_m[late], tail.gains[late]))
    return found


def _tail(energy: np.ndarray, decay_per_s: float, volume_m3: float, rng: np.random.Generator) -> Arrivals:
    # energy: (bins). Smoothed about an exponential decay, so that smoothing does not carry energy from early to late.
    middle_s = (np.arange(len(energy)) + 0.5) * BIN_S
    begins = np.argmax(energy > 0)
    level = energy * np.exp(np.minimum(decay_per_s * middle_s, 300))
    level[begins:] = gaussian_filter1d(level[begins:], SMOOTHING_S / BIN_S, mode="nearest")
    smooth = level * np.exp(-np.minimum(decay_per_s * middle_s, 300))
    if not smooth.any():
        return Arrivals(np.zeros((0, 3)), np.zeros(0))
    # There are as many arrivals as the room has reflections at that time (4 pi c^3 t^2 / V), up to a density that sounds
    # smooth; one falls into each interval between two counts, so that they are spread more evenly than by chance.
    edges_s = np.arange(len(energy) + 1) * BIN_S
    per_s = np.minimum(4 * np.pi * SPEED_OF_SOUND_M_S**3 * middle_s**2 / volume_m3, ARRIVALS_PER_S)
    counted = np.concatenate([[0], np.cumsum(per_s * BIN_S)])
    number = int(counted[-1])
    when_s = np.interp(np.arange(number) + rng.random(number), counted, edges_s)
    which = np.minimum((when_s / BIN_S).astype(int), len(energy) - 1)
    amplitude = np.sqrt(smooth[which] / (per_s[which] * BIN_S))
    # Uniform on the sphere: height uniform, azimuth uniform.
    height, azimuth, sign = rng.uniform(-1, 1, number), rng.uniform(-np.pi, np.pi, number), rng.integers(0, 2, number)
    flat = np.sqrt(1 - height**2)
    direction = np.column_stack([flat * np.cos(azimuth), flat * np.sin(azimuth), height])
    heard = amplitude > 0
    distance_m = (when_s * SPEED_OF_SOUND_M_S)[heard]
    return Arrivals(direction[heard] * distance_m[:, None], (amplitude * (2 * sign - 1))[heard] * distance_m)


def direct_to_reverberant_db(arrivals: Arrivals) -> float:
    """Returns the energy of the direct sound over that of all other arrivals, dB; infinite where there are none."""
    direct, *_ = energies = arrivals.gains**2 / np.sum(arrivals.offsets_m**2, axis=1)
    rest = np.sum(energies[1:])
    return float(10 * np.log10(direct / rest)) if rest > 0 else float("inf")
