"""Rendering to two ears: plane waves through ambisonics and arrays have the delays, levels and mirror images of the head."""

import numpy as np
import pytest

from spatial_llm.audio.ambisonics import rotation, turn
from spatial_llm.audio.formats import Ambisonics, Array, parse_format
from spatial_llm.errors import AudioError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.heads.binaural_rendering import ear_filters, transfer
from spatial_llm.scenes.heads.hrtf import interaural_delay_s, kemar
from spatial_llm.scenes.microphones import receive
from spatial_llm.scenes.room.arrivals import Arrivals

pytestmark = pytest.mark.slow  # a real simulation or model in every test

RATE = 32000
RADIUS_M = 0.042
CORNERS = np.array([[1, 1, 1], [-1, -1, 1], [1, -1, -1], [-1, 1, -1]]) / np.sqrt(3)
RIGID = Array(tuple(map(tuple, RADIUS_M * CORNERS)), sphere_radius_m=RADIUS_M)
OPEN = Array(RIGID.positions_m)
# All directions of a cube's faces, edges and corners.
CUBE = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if x or y or z], dtype=float)
FRONT = np.array([[1.0, 0.0, 0.0]])


def wave_at_ears(format, directions, heading_deg=0.0, head=None):
    """Responses of the ears to plane waves through a format, (waves, ears, taps), from filters and steering alone."""
    filters = ear_filters(format, RATE, head, heading_deg)
    size = filters.taps.shape[-1]
    received = transfer(format, directions, np.fft.rfftfreq(size, 1 / RATE))
    spectrum = np.einsum("ecf,fcq->qef", np.fft.rfft(filters.taps), received)
    return np.fft.irfft(spectrum, size)


def low_level_difference_db(responses):
    spectrum = np.abs(np.fft.rfft(responses, 1024)) ** 2
    hertz = np.fft.rfftfreq(1024, 1 / RATE)
    left, right = np.moveaxis(spectrum[..., (hertz > 100) & (hertz < 1500)].sum(axis=-1), 1, 0)
    return 10 * np.log10(left / right)


@pytest.mark.parametrize(
    ("format", "delay_us", "level_db"),
    [(Ambisonics(3), 40, 0.7), (Ambisonics(1), 110, 2.1), (RIGID, 140, 2.9)],
    ids=["third order", "first order", "rigid tetrahedron"],
)
def test_plane_waves_have_the_delays_and_levels_of_the_head_below_1500_hz(format, delay_us, level_db):
    """Mean errors over 26 directions; delays of KEMAR reach 800 us, its levels 7 dB. Third order is nearest."""
    head = kemar(RATE)
    own, found = head.responses[head.nearest(CUBE)], wave_at_ears(format, CUBE)
    delays = np.array([[interaural_delay_s(each, RATE) for each in ears] for ears in (own, found)]) * 1e6
    assert np.abs(delays[0] - delays[1]).mean() < delay_us
    to_the_side = np.abs(CUBE[:, 1]) > 0
    assert (np.sign(delays[1]) == np.sign(CUBE[:, 1]))[to_the_side].all()
    assert np.abs(low_level_difference_db(own) - low_level_difference_db(found)).mean() < level_db


@pytest.mark.parametrize("format", [Ambisonics(1), Ambisonics(3), RIGID, OPEN], ids=lambda each: each.name)
def test_a_source_in_front_at_one_metre_keeps_unit_gain_and_its_moment(format):
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    response = receive(Arrivals(FRONT, np.ones(1)), format, 0.0, RATE, 512)
    heard = ear_filters(format, RATE).render(np.stack([np.convolve(noise, each)[:RATE] for each in response]))
    level_db = 20 * np.log10(np.sqrt(np.mean(heard.astype(np.float64) ** 2)) / np.std(noise))
    assert level_db == pytest.approx(0.0, abs=1.0)
    direct = receive(Arrivals(FRONT, np.ones(1)), parse_format("binaural"), 0.0, RATE, 512)
    late = np.correlate(heard[0], np.convolve(noise, direct[0])[:RATE], "same")
    assert abs(int(np.argmax(late)) - RATE // 2) <= 4


def test_mirrored_channels_give_exchanged_ears():
    rng = np.random.default_rng(1)
    waveform = rng.standard_normal((16, 4000)).astype(np.float32)
    filters = ear_filters(Ambisonics(3), RATE)
    mirrored = filters.render(Ambisonics(3).mirror(waveform))
    np.testing.assert_allclose(mirrored, filters.render(waveform)[::-1], atol=1e-4)
    flipped = Array(tuple((x, -y, z) for x, y, z in OPEN.positions_m))
    np.testing.assert_allclose(ear_filters(flipped, RATE).taps, ear_filters(OPEN, RATE).taps[::-1], atol=1e-6)


def test_a_head_that_turns_right_hears_the_scene_turned_left():
    waveform = np.random.default_rng(2).standard_normal((4, 4000)).astype(np.float32)
    turned = (rotation(1, turn(50.0)) @ waveform).astype(np.float32)
    expected = ear_filters(Ambisonics(1), RATE).render(turned)
    np.testing.assert_allclose(ear_filters(Ambisonics(1), RATE, heading_deg=-50.0).render(waveform), expected, atol=1e-4)
    moved = Array(tuple(map(tuple, np.array(OPEN.positions_m) @ turn(50.0).T)))
    np.testing.assert_allclose(ear_filters(OPEN, RATE, heading_deg=-50.0).taps, ear_filters(moved, RATE).taps, atol=1e-6)
    (ahead,) = wave_at_ears(Ambisonics(3), FRONT, heading_deg=60.0)
    assert interaural_delay_s(ahead, RATE) < -3e-4, "the head looks to the left: what was in front is on the right"


def test_power_from_everywhere_is_that_of_the_head_in_every_octave():
    directions = np.random.default_rng(3).standard_normal((500, 3))
    head = kemar(RATE)
    hertz = np.fft.rfftfreq(1024, 1 / RATE)
    for format in (Ambisonics(1), RIGID):
        own, found = (
            np.abs(np.fft.rfft(each, 1024)) ** 2
            for each in (head.responses[head.nearest(directions)], wave_at_ears(format, directions))
        )
        for low in (250, 500, 1000, 2000, 4000, 8000):
            band = (hertz >= low) & (hertz < 2 * low)
            assert 10 * np.log10(found[..., band].sum() / own[..., band].sum()) == pytest.approx(0, abs=0.8)


@pytest.mark.parametrize("text", ["mono", "stereo_ms", "binaural", "array:[[0, 0, 0]]"])
def test_what_has_no_delay_between_ears_is_refused_in_words(text):
    with pytest.raises(AudioError, match="no ears can be rendered from it"):
        ear_filters(parse_format(text), RATE)


def test_a_heading_that_is_no_number_is_refused():
    with pytest.raises(AudioError, match="heading_deg is nan; give degrees, positive to the left"):
        ear_filters(Ambisonics(1), RATE, heading_deg=float("nan"))


def test_directions_of_a_turned_head_are_those_of_the_recording():
    """A source at azimuth 60 and a head that looks there: it is in front."""
    (ahead,) = wave_at_ears(Ambisonics(3), direction_to_vector(60.0, 0.0)[None], heading_deg=60.0)
    assert abs(interaural_delay_s(ahead, RATE)) < 2e-5
