"""Transfer functions: phases of open arrays, harmonics, and the rigid sphere against its limits and an separate series."""

import numpy as np
import pytest
from scipy.special import lpmv, spherical_jn, spherical_yn

from spatial_llm.audio.ambisonics import encode
from spatial_llm.audio.formats import BINAURAL, Ambisonics, Array
from spatial_llm.audio.steering import rigid_sphere, steering
from spatial_llm.errors import AudioError
from spatial_llm.geometry import SPEED_OF_SOUND_M_S

DIRECTIONS = np.random.default_rng(0).standard_normal((20, 3))
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.042 / np.sqrt(3)


def test_ambisonics_are_their_harmonics_at_every_frequency():
    vectors = steering(Ambisonics(3), DIRECTIONS, np.array([100.0, 9000.0]))
    assert vectors.shape == (2, 16, 20)
    np.testing.assert_allclose(vectors[0], encode(DIRECTIONS, 3).T)
    np.testing.assert_array_equal(vectors[0], vectors[1])


def test_a_microphone_towards_the_source_is_early_by_its_way():
    # 0.1 m to the left; from the left at 1 kHz the wave is there 0.1 / c earlier.
    pair = Array(((0.0, 0.1, 0.0), (0.0, -0.1, 0.0)))
    left, front = steering(pair, [[0, 2, 0], [1, 0, 0]], np.array([1000.0]))[0].T
    np.testing.assert_allclose(np.angle(left), [2 * np.pi * 1000 * 0.1 / SPEED_OF_SOUND_M_S, -1.8315], atol=2e-3)
    np.testing.assert_allclose(front, 1)


def test_the_sign_is_that_of_the_fft():
    rate, early = 32_000, 5
    impulse, there = np.zeros(64), np.zeros(64)
    impulse[20], there[20 - early] = 1, 1
    ratio = np.fft.rfft(there) / np.fft.rfft(impulse)
    way_m = early / rate * SPEED_OF_SOUND_M_S
    array = Array(((0.0, way_m, 0.0),))
    expected = steering(array, [[0, 1, 0]], np.fft.rfftfreq(64, 1 / rate))[:, 0, 0]
    np.testing.assert_allclose(ratio[:-1], expected[:-1], atol=1e-9)


def test_a_small_sphere_is_open_and_a_large_one_doubles_the_pressure_and_shades():
    frequencies = np.array([0.0, 50.0, 200.0])
    tiny = TETRAHEDRON / 100
    array = tuple(map(tuple, tiny.tolist()))
    rigid = steering(Array(array, sphere_radius_m=0.00042), DIRECTIONS, frequencies)
    np.testing.assert_allclose(rigid, steering(Array(array), DIRECTIONS, frequencies), atol=2e-3)
    front, back = np.abs(rigid_sphere(np.array([30.0]), np.array([1.0, np.cos(np.deg2rad(150))]))[0])
    assert abs(front - 2) < 0.05 and back < 0.5


@pytest.mark.parametrize("size", [0.1, 0.77, 3.2, 11.0])
def test_the_sphere_is_the_incident_and_the_scattered_wave(size):
    # Written out: j_n(x) - j_n'(x) / h_n'(x) h_n(x), with the Hankel function of the second kind.
    cosines = np.linspace(-1, 1, 9)
    expected = np.zeros(9, complex)
    for n in range(40):
        j, dj = spherical_jn(n, size), spherical_jn(n, size, True)
        h, dh = j - 1j * spherical_yn(n, size), dj - 1j * spherical_yn(n, size, True)
        if np.isfinite(h * dh):
            expected += (2 * n + 1) * 1j**n * (j - dj / dh * h) * lpmv(0, n, cosines)
    np.testing.assert_allclose(rigid_sphere(np.array([size]), cosines)[0], expected, atol=1e-6)


def test_low_frequencies_delay_by_one_and_a_half_radii():
    # Woodworth's and Kuhn's low-frequency limit: around a rigid sphere the phase is 3 k r cos(angle) / 2.
    pressure = rigid_sphere(np.array([0.05]), np.array([1.0, -1.0]))[0]
    np.testing.assert_allclose(np.angle(pressure), [0.075, -0.075], rtol=0.01)


@pytest.mark.parametrize("format", [BINAURAL, Ambisonics(1, "fuma"), Array(((0.0, 0.0, 0.1),), sofa="a.sofa")])
def test_formats_without_one_are_refused(format):
    with pytest.raises(AudioError, match="no transfer function"):
        steering(format, DIRECTIONS, np.array([100.0]))
