"""Diffuse noise: as far below as asked, and as diffuse as physics says."""

import dataclasses

import numpy as np
import pytest
from scipy.signal import csd, welch

from spatial_llm.audio.ambisonics import encode
from spatial_llm.audio.formats import parse_format
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.microphones import microphone_of
from spatial_llm.scenes.noise import add_noise, diffuse_noise
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Noise
from tests.scenes.small import RATE, scene, source

FORMATS = ["binaural", "foa", "ambisonics3", "mono", "array:[[0, 0.1, 0], [0, -0.1, 0]]"]


def coherence(first: np.ndarray, second: np.ndarray, segment: int = 512) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies and the complex coherence of two channels."""
    hertz, cross = csd(first, second, RATE, nperseg=segment)
    return hertz, cross / np.sqrt(welch(first, RATE, nperseg=segment)[1] * welch(second, RATE, nperseg=segment)[1])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(("color", "snr_db"), [("pink", 20.0), ("white", -3.0)])
def test_snr_is_exact_and_the_seed_tells_the_noise(tmp_path, name, color, snr_db):
    kind = parse_format(name)
    silent = scene(source(offset_s=0.4))
    noisy = dataclasses.replace(silent, noise=Noise(color, snr_db))
    clean, first = render_scene(silent, tmp_path, kind), render_scene(noisy, tmp_path, kind)
    noise = first.astype(np.float64) - clean
    assert 10 * np.log10(np.sum(clean.astype(np.float64) ** 2) / np.sum(noise**2)) == pytest.approx(snr_db, abs=0.05)
    np.testing.assert_array_equal(render_scene(noisy, tmp_path, kind), first)
    other = render_scene(dataclasses.replace(noisy, seed=2), tmp_path, kind) - clean
    assert abs(np.corrcoef(noise.ravel(), other.ravel())[0, 1]) < 0.1


def test_two_microphones_are_as_coherent_as_a_diffuse_field():
    noise = diffuse_noise("white", parse_format("array:[[0, 0.1, 0], [0, -0.1, 0]]"), 40 * RATE, RATE, seed=0)
    hertz, found = coherence(*noise)
    audible = hertz < 12000
    wanted = np.sinc(2 * hertz * 0.2 / SPEED_OF_SOUND_M_S)  # sin(kd) / kd
    assert np.abs(found - wanted)[audible].max() < 0.06
    assert np.sqrt(np.mean(np.abs(found - wanted)[audible] ** 2)) < 0.025


def test_ears_are_as_coherent_as_under_very_many_plane_waves():
    kind, segment = parse_format("binaural"), 2048
    directions = np.random.default_rng(1).standard_normal((3000, 3))
    left, right = np.moveaxis(np.fft.rfft(microphone_of(kind, RATE).free_field(directions), segment), 1, 0)  # (waves, bins)
    power = np.mean(np.abs(left) ** 2, axis=0), np.mean(np.abs(right) ** 2, axis=0)
    wanted = np.mean(left * right.conj(), axis=0) / np.sqrt(power[0] * power[1])
    noise = diffuse_noise("white", kind, 40 * RATE, RATE, seed=3)
    hertz, found = coherence(*noise, segment)
    audible = (hertz > 50) & (hertz < 15000)
    assert np.sqrt(np.mean(np.abs(found - wanted)[audible] ** 2)) < 0.04
    level_db = 10 * np.log10(welch(noise[0], RATE, nperseg=segment)[1] / power[0])[audible]
    assert np.std(level_db) < 0.5  # coloured as the head colours
    # A head's diffuse coherence falls from 1 to its first zero near 500 Hz, and stays near 0.
    assert found[(hertz > 60) & (hertz < 110)].real.min() > 0.9
    assert 400 < hertz[np.argmax(found.real < 0)] < 650
    assert np.abs(found[(hertz > 3000) & audible]).max() < 0.2


@pytest.mark.parametrize("order", [1, 3])
def test_ambisonic_noise_comes_from_nowhere(order):
    noise = diffuse_noise("white", parse_format(f"ambisonics{order}"), 20 * RATE, RATE, seed=0).astype(np.float64)
    covariance = noise @ noise.T / np.sum(noise[0] ** 2)
    directions = np.random.default_rng(0).standard_normal((200_000, 3))
    gains = encode(directions, order)
    np.testing.assert_allclose(covariance, gains.T @ gains / len(gains), atol=0.01)
    assert covariance[1, 1] == pytest.approx(1 / 3, abs=0.01)
    assert np.linalg.norm(covariance[0, 1:4]) < 0.01  # no intensity


def test_pink_falls_by_3_db_an_octave_and_white_does_not():
    for color, slope_db in (("white", 0.0), ("pink", -3.01)):
        hertz, power = welch(diffuse_noise(color, parse_format("mono"), 20 * RATE, RATE, seed=0)[0], RATE, nperseg=4096)
        inside = (hertz > 60) & (hertz < 15000)
        found = np.polyfit(np.log2(hertz[inside]), 10 * np.log10(power[inside]), 1)[0]
        assert found == pytest.approx(slope_db, abs=0.15)


def test_nothing_is_below_silence():
    silent = np.zeros((2, RATE), dtype=np.float32)
    assert not add_noise(silent, Noise(), parse_format("binaural"), RATE, seed=0).any()
