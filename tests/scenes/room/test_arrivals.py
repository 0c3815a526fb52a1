"""Arrivals: images and traced tail are one decay, diffuse at its end, and the same whoever simulates them."""

import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from scipy.signal import csd

from spatial_llm.audio.ambisonics import intensity_direction
from spatial_llm.audio.formats import parse_format
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.microphones import receive
from spatial_llm.scenes.room.arrivals import Arrivals, simulate_arrivals
from spatial_llm.scenes.scene import Room

RATE = 32000
LISTENER_M = (2.0, 1.8, 1.5)
SOURCES_M = [[4.0, 2.6, 1.2], [0.3, 0.3, 0.3], [2.4, 1.8, 1.6]]  # across the room, in a corner, near


def energy_decay(arrivals: Arrivals, seconds: float, step_s: float = 0.01) -> np.ndarray:
    """Energy that is still to come (Schroeder), at steps, without the direct sound."""
    distance_m = np.linalg.norm(arrivals.offsets_m, axis=1)[1:]
    step = (distance_m / SPEED_OF_SOUND_M_S / step_s).astype(int)
    energy = np.bincount(step, arrivals.gains[1:] ** 2 / distance_m**2, minlength=round(seconds / step_s))
    return np.cumsum(energy[::-1])[::-1]


def decay_difference_db(first: Arrivals, second: Arrivals, seconds: float, least_db: float) -> float:
    """Largest difference of two decays, as far as the second has not fallen below `least_db`."""
    first_decay, second_decay = energy_decay(first, seconds), energy_decay(second, seconds)
    steps = 10 * np.log10(second_decay / second_decay[0]) > least_db
    assert np.count_nonzero(steps) > 5
    return float(np.abs(10 * np.log10(first_decay[steps] / second_decay[steps])).max())


@pytest.mark.parametrize(("size_m", "absorption"), [((5.0, 4.0, 3.0), 0.2), ((8.0, 6.0, 3.2), 0.35)])
def test_traced_tail_is_the_energy_of_the_images_left_out(size_m, absorption):
    """Walls that scatter nothing: images to order 6 and rays decay like images alone to order 45, to 1 dB at -30 dB."""
    images = Room("images", size_m, absorption=absorption, max_order=45, ray_tracing=False, response_s=0.25)
    for max_order in (2, 6):
        traced = Room("traced", size_m, absorption=absorption, scattering=0.0, max_order=max_order, response_s=0.25)
        pairs = [simulate_arrivals(room, LISTENER_M, SOURCES_M) for room in (traced, images)]
        for ours, reference in zip(*pairs, strict=True):
            assert decay_difference_db(ours, reference, 0.25, -30) < 1.0
            # total reverberant energy
            assert 10 * np.log10(energy_decay(ours, 0.25)[0] / energy_decay(reference, 0.25)[0]) == pytest.approx(0, abs=0.3)


def test_decay_has_no_step_where_rays_take_over_from_images():
    """Scattered sound included, the decay does not depend on the order up to which images carry it."""
    rooms = [Room("join", (6.0, 5.0, 3.0), absorption=0.25, max_order=order, response_s=0.4) for order in (3, 6, 10)]
    early, middle, late = (simulate_arrivals(room, LISTENER_M, SOURCES_M) for room in rooms)
    for source in range(3):
        assert decay_difference_db(early[source], middle[source], 0.4, -40) < 1.0
        assert decay_difference_db(late[source], middle[source], 0.4, -40) < 1.0


def test_direct_sound_comes_first_and_the_tail_fills_the_response():
    room = Room("long", (6.0, 5.0, 3.0), target_rt60_s=0.6, response_s=0.8)
    images = dataclasses.replace(room, ray_tracing=False, target_rt60_s=None, absorption=0.2)
    for source, (arrivals, early) in enumerate(
        zip(*(simulate_arrivals(each, LISTENER_M, SOURCES_M) for each in (room, images)), strict=True)
    ):
        distance_m = np.linalg.norm(arrivals.offsets_m, axis=1)
        np.testing.assert_allclose(arrivals.offsets_m[0], np.subtract(SOURCES_M[source], LISTENER_M))
        assert arrivals.gains[0] == 1 and distance_m[1:].min() > distance_m[0]
        assert distance_m.max() < 0.8 * SPEED_OF_SOUND_M_S and np.isfinite(arrivals.gains).all()
        in_last_tenth = np.count_nonzero(distance_m > 0.72 * SPEED_OF_SOUND_M_S)
        assert in_last_tenth > 300  # dense enough to be heard as noise
        assert np.linalg.norm(early.offsets_m, axis=1).max() < 0.3 * SPEED_OF_SOUND_M_S  # order 6 alone ends early


def test_late_tail_is_diffuse():
    """From 80 ms on: equal energy along all axes, no net intensity, and ears that agree at low frequencies only."""
    room = Room("diffuse", (6.0, 5.0, 3.0), target_rt60_s=0.5)
    late = slice(round(0.08 * RATE), round(0.28 * RATE))
    power, channel_energy = 0, 0
    for arrivals in simulate_arrivals(room, LISTENER_M, np.random.default_rng(0).uniform(0.5, [5.5, 4.5, 2.5], (8, 3))):
        waveform = receive(arrivals, parse_format("foa"), 0.0, RATE, RATE)[:, late].astype(np.float64)
        assert np.linalg.norm(intensity_direction(waveform)) < 0.12
        channel_energy = channel_energy + np.sum(waveform**2, axis=1)
        left, right = receive(arrivals, parse_format("binaural"), 0.0, RATE, RATE)[:, late].astype(np.float64)
        pairs = ((left, right), (left, left), (right, right))
        power = power + np.array([csd(one, other, RATE, nperseg=256)[1] for one, other in pairs])
    np.testing.assert_allclose(channel_energy[1:] / channel_energy[0], 1 / 3, rtol=0.15)  # SN3D in a diffuse field
    hertz = np.fft.rfftfreq(256, 1 / RATE)
    coherence = np.abs(power[0]) ** 2 / np.real(power[1] * power[2])
    assert coherence[(hertz > 1000) & (hertz < 12000)].mean() < 0.03
    assert coherence[hertz == 125][0] > 0.4
    # noise, not single echoes: in windows of 10 ms the level follows the decay to about 2 dB
    mono = receive(arrivals, parse_format("mono"), 0.0, RATE, RATE)[0, late].astype(np.float64)
    level_db = 10 * np.log10(np.mean(mono.reshape(20, -1) ** 2, axis=1))
    steps = np.arange(20)
    assert np.std(level_db - np.polyval(np.polyfit(steps, level_db, 1), steps)) < 2.0


def simulated(source: int) -> np.ndarray:
    room = Room("repeat", (5.0, 4.0, 3.0), target_rt60_s=0.4, response_s=0.5)
    (arrivals,) = simulate_arrivals(room, LISTENER_M, SOURCES_M[source : source + 1])
    return np.column_stack([arrivals.offsets_m, arrivals.gains])


def test_same_arrivals_in_any_process_and_company():
    """Alone or with other sources, here or in another process: to the last bit. Another room's name: another tail."""
    room = Room("repeat", (5.0, 4.0, 3.0), target_rt60_s=0.4, response_s=0.5)
    together = simulate_arrivals(room, LISTENER_M, SOURCES_M)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as pool:
        for source, elsewhere in enumerate(pool.map(simulated, range(3))):
            np.testing.assert_array_equal(elsewhere, simulated(source))
            np.testing.assert_array_equal(elsewhere[:, :3], together[source].offsets_m)
            np.testing.assert_array_equal(elsewhere[:, 3], together[source].gains)
    other = simulate_arrivals(dataclasses.replace(room, id="other"), LISTENER_M, SOURCES_M)[0]
    assert other.gains.shape != together[0].gains.shape or not np.allclose(other.gains, together[0].gains)
