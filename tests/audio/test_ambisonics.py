"""Ambisonics: golden values of the conventions, and that rotations and conversions keep them."""

import numpy as np
import pytest
from scipy.signal import oaconvolve

from spatial_llm.audio.ambisonics import (
    convention_that_fits,
    encode,
    from_fuma,
    intensity_direction,
    rotation,
    to_fuma,
    turn,
)
from spatial_llm.audio.formats import Ambisonics
from spatial_llm.errors import AudioError
from spatial_llm.scenes.events import EVENT_CLASSES, synthesize_event
from spatial_llm.scenes.microphones import receive
from spatial_llm.scenes.room.arrivals import simulate_arrivals
from spatial_llm.scenes.scene import Room

RNG = np.random.default_rng(0)
MANY = RNG.standard_normal((20000, 3))


def test_values_on_the_axes():
    """ACN order and SN3D scale of a plane wave from the front, the left and above (AmbiX, table 1)."""
    first = {(1, 0, 0): [1, 0, 0, 1], (0, 1, 0): [1, 1, 0, 0], (0, 0, 1): [1, 0, 1, 0], (0, 0, -2): [1, 0, -1, 0]}
    second = {(1, 0, 0): [0, 0, -0.5, 0, np.sqrt(3) / 2], (0, 1, 0): [0, 0, -0.5, 0, -np.sqrt(3) / 2],
              (0, 0, 1): [0, 0, 1, 0, 0], (0, 0, -2): [0, 0, 1, 0, 0]}  # fmt: skip
    third = {(1, 0, 0): [0, 0, 0, 0, -np.sqrt(3 / 8), 0, np.sqrt(5 / 8)],
             (0, 1, 0): [-np.sqrt(5 / 8), 0, -np.sqrt(3 / 8), 0, 0, 0, 0],
             (0, 0, 1): [0, 0, 0, 1, 0, 0, 0], (0, 0, -2): [0, 0, 0, -1, 0, 0, 0]}  # fmt: skip
    for axis in first:
        np.testing.assert_allclose(encode(np.array(axis), 3), first[axis] + second[axis] + third[axis], atol=1e-12)


def test_orders_nest_and_channels_are_orthogonal_with_sn3d_norms():
    """Mean square over the sphere: 1 / (2 n + 1) for degree n, and no two channels correlate."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    azimuth = np.arange(16) * np.pi / 8
    flat = np.sqrt(1 - nodes**2)[:, None]
    grid = np.stack([flat * np.cos(azimuth), flat * np.sin(azimuth), np.broadcast_to(nodes[:, None], (8, 16))], axis=-1)
    values = encode(grid, 3)
    product = np.einsum("haC,haD,h->CD", values, values, weights) / 32
    np.testing.assert_allclose(product, np.diag(1 / (2 * np.repeat([0, 1, 2, 3], [1, 3, 5, 7]) + 1)), atol=1e-12)
    for order in (1, 2):
        np.testing.assert_array_equal(encode(MANY[:9], order), encode(MANY[:9], 3)[:, : (order + 1) ** 2])


@pytest.mark.parametrize("order", [1, 2, 3])
def test_rotation_turns_any_direction(order):
    for angles in ((90.0, 0.0, 0.0), (0.0, 90.0, 0.0), (33.0, -71.0, 160.0)):
        matrix = turn(*angles)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        turned = rotation(order, matrix)
        np.testing.assert_allclose(encode(MANY[:99] @ matrix.T, order), encode(MANY[:99], order) @ turned.T, atol=1e-12)
        np.testing.assert_allclose(turned @ turned.T, np.eye(len(turned)), atol=1e-12)
    np.testing.assert_allclose(rotation(order, np.eye(3)), np.eye((order + 1) ** 2), atol=1e-12)


def test_turns_go_the_way_they_say():
    front, left, up = np.eye(3)
    np.testing.assert_allclose(turn(90.0) @ front, left, atol=1e-12)
    np.testing.assert_allclose(turn(0.0, 90.0) @ front, up, atol=1e-12)
    np.testing.assert_allclose(turn(0.0, 0.0, 90.0) @ left, up, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_fuma_round_trip_order_and_scale(order):
    waveform = encode(MANY, order).T
    fuma = to_fuma(waveform)
    np.testing.assert_allclose(from_fuma(fuma), waveform, atol=1e-12)
    # Furse-Malham: no channel exceeds 1 in any direction, all but W reach it; W is 3 dB down.
    peak = np.abs(fuma).max(axis=1)
    assert peak[0] == pytest.approx(np.sqrt(0.5))
    np.testing.assert_allclose(peak[1:], 1, atol=0.002)
    front, left, up = (to_fuma(encode(axis, order)[:, None])[:, 0] for axis in np.eye(3))
    np.testing.assert_allclose([front[1], left[2], up[3]], 1)  # W X Y Z
    if order >= 2:  # R S T U V: R up, U = cos 2 azimuth
        assert up[4] == pytest.approx(1) and front[7] == pytest.approx(1) and left[7] == pytest.approx(-1)
    if order == 3:  # K ... P Q: K up, P = cos 3 azimuth, Q = sin 3 azimuth
        assert up[9] == pytest.approx(1) and front[14] == pytest.approx(1) and left[15] == pytest.approx(-1)
    assert to_fuma(waveform.astype(np.float32)).dtype == np.float32


def test_intensity_of_diffuse_sound_and_of_silence():
    waves = encode(MANY[:2000], 1).T @ RNG.standard_normal((2000, 4000))
    assert np.linalg.norm(intensity_direction(waves)) < 0.1
    assert not intensity_direction(np.zeros((4, 10))).any()


def test_errors():
    with pytest.raises(AudioError, match="order 4"):
        encode(np.eye(3), 4)
    for function in (to_fuma, from_fuma):
        with pytest.raises(AudioError, match="4, 9 or 16"):
            function(np.zeros((5, 100)))


def field(directions: int, order: int, seed: int = 0) -> np.ndarray:
    """Noise from several directions at once, (channels, samples), ACN/SN3D, 1 s at 16 kHz."""
    rng = np.random.default_rng(seed)
    return encode(rng.standard_normal((directions, 3)), order).T @ rng.standard_normal((directions, 16000))


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("directions", [1, 30])
def test_the_convention_is_told_by_the_levels_of_the_degrees(order, directions):
    waveform = field(directions, order)
    degrees = Ambisonics(order).degrees
    assert convention_that_fits(waveform, 16000) is None
    assert convention_that_fits(waveform * np.sqrt(2 * degrees + 1)[:, None], 16000) == "n3d"
    if directions > 1:  # FuMa's gains differ within a degree: one direction tells less
        assert convention_that_fits(to_fuma(waveform), 16000) == "fuma"


def test_a_sound_of_few_frequencies_and_silence_tell_no_convention():
    """A room passes each frequency differently to each channel: levels of a few of them say nothing."""
    tones = np.sin(2 * np.pi * 440 * np.arange(1, 5)[:, None] * np.arange(16000) / 16000).sum(axis=0)
    assert convention_that_fits(np.array([1.0, 2.0, 2.0, 2.0])[:, None] * tones, 16000) is None
    assert convention_that_fits(np.zeros((4, 16000)), 16000) is None


@pytest.mark.slow
def test_plain_recordings_of_reverberant_rooms_are_never_asked_about():
    """Every built-in sound, each in a reverberant room of its own."""
    rng = np.random.default_rng(0)
    for number, label in enumerate(sorted(EVENT_CLASSES)):
        room = Room(
            f"room {number}", tuple(rng.uniform([3, 3, 2.4], [9, 8, 4])), target_rt60_s=rng.uniform(0.2, 0.6), response_s=0.6
        )
        places = rng.uniform(0.2, 0.8, (2, 3)) * room.size_m
        (arrivals,) = simulate_arrivals(room, places[0], [places[1]])
        response = receive(arrivals, Ambisonics(3), 0.0, 16000, 9600)
        sound = synthesize_event(label, number, 2.0, 16000)
        assert convention_that_fits(oaconvolve(response, sound[None], axes=1), 16000) is None, label
