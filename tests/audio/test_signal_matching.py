"""Matching filters against two other implementations, and what they are in the limits."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from spatial_llm.audio.ambisonic_encoding import least_squares
from spatial_llm.audio.directions import direction_grid
from spatial_llm.audio.signal_matching import filtered, matched, to_taps
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from tests.golden.array_encoding import GOLDEN, complex_of

RNG = np.random.default_rng(0)
N3D = np.sqrt([1, 3, 3, 3])[:, None]


def open_array(positions_m: list, frequency_hz: float, directions: np.ndarray) -> np.ndarray:
    """Written out here, as in the making of the golden values: a microphone nearer to the source is earlier."""
    return np.exp(2j * np.pi * frequency_hz / SPEED_OF_SOUND_M_S * (np.array(positions_m) @ directions.T))


@pytest.mark.parametrize("name", GOLDEN["arrays"])
def test_least_squares_are_those_of_the_toolbox_and_of_signal_matching(name):
    """Two libraries that know nothing of each other: the first in N3D, with a limit of the gain in place of a load and a
    weighted grid; the second one channel at a time, by augmented least squares. Seen to fail with the wave's phase reversed,
    without the load, and with the weights left out."""
    golden = GOLDEN["arrays"][name]
    directions, weights = direction_grid(GOLDEN["rings"])
    even = np.full(len(weights), 1 / len(weights))
    load = (1 / (2 * 10 ** (GOLDEN["gain_limit_db"] / 20))) ** 2
    for index, frequency_hz in enumerate(GOLDEN["frequencies_hz"]):
        received = open_array(golden["positions_m"], frequency_hz, directions)
        toolbox = complex_of(golden["regls"])[index] / N3D
        np.testing.assert_allclose(least_squares(received, directions, weights, 1, load), toolbox, atol=1e-8)
        load_of_signal_matching = golden["asm_lambda"][index] ** 2 / len(weights)
        found = least_squares(received, directions, even, 1, load_of_signal_matching)
        np.testing.assert_allclose(found, complex_of(golden["asm"])[index], atol=1e-8)


def test_what_is_received_is_given_back_and_nothing_gives_nothing():
    received = RNG.standard_normal((3, 40)) + 1j * RNG.standard_normal((3, 40))
    mixing = RNG.standard_normal((2, 3)) + 1j * RNG.standard_normal((2, 3))
    np.testing.assert_allclose(matched(received, mixing @ received, 1e-12), mixing, atol=1e-9)
    np.testing.assert_array_equal(matched(0 * received, mixing @ received, 1e-3), np.zeros((2, 3)))


def test_the_load_is_a_share_of_the_power_and_no_other_filters_are_better():
    received = RNG.standard_normal((3, 40)) + 1j * RNG.standard_normal((3, 40))
    wanted = RNG.standard_normal((2, 40)).astype(complex)
    best = matched(received, wanted, 0.1)
    np.testing.assert_allclose(matched(10 * received, wanted, 0.1), best / 10, atol=1e-12)
    weight = 0.1 * np.mean(np.sum(np.abs(received) ** 2, axis=1))

    def cost(filters):
        return np.sum(np.abs(filters @ received - wanted) ** 2) + weight * np.sum(np.abs(filters) ** 2)

    for _ in range(20):
        other = best + 0.01 * (RNG.standard_normal(best.shape) + 1j * RNG.standard_normal(best.shape))
        assert cost(other) > cost(best)


def test_filters_sum_the_channels_and_begin_in_the_middle():
    spectrum = np.ones((9, 1, 2), dtype=complex)
    taps = to_taps(spectrum, 16)
    assert taps.shape == (1, 2, 16) and np.argmax(taps[0, 0]) == 8
    taps, waveform = RNG.standard_normal((2, 3, 7)), RNG.standard_normal((3, 50)).astype(np.float32)
    expected = fftconvolve(taps, waveform[None].astype(float), axes=2).sum(axis=1)
    np.testing.assert_allclose(filtered(taps, waveform), expected, atol=1e-9)
