"""Encoding of arrays to ambisonics: what the filters do to plane waves, where they claim to hold, and what is refused.

The waves are written out (`received`), so that the filters are not compared with their own transfer functions.
"""

import functools

import numpy as np
import pytest

from spatial_llm.audio.ambisonic_encoding import (
    LOADS,
    AmbisonicFilters,
    EncodingSettings,
    ambisonic_filters,
    check_encodable,
    load_at,
)
from spatial_llm.audio.ambisonics import encode, intensity_direction
from spatial_llm.audio.formats import BINAURAL, Ambisonics, Array, AudioFormat
from spatial_llm.errors import AudioError, SpatialLLMError
from tests.audio.cues.waves import (
    CUBE,
    GLASSES,
    LINE,
    MICROPHONES,
    RATE,
    RING,
    SAMPLES,
    TETRAHEDRON,
    array,
    degrees_between,
    received,
)

OPEN, RIGID, SEVEN = (MICROPHONES[name] for name in ("open tetrahedron", "rigid tetrahedron", "glasses"))
HERTZ = np.fft.rfftfreq(SAMPLES, 1 / RATE)
RNG = np.random.default_rng(0)
EVERYWHERE = RNG.standard_normal((300, 3))
EVERYWHERE /= np.linalg.norm(EVERYWHERE, axis=1, keepdims=True)
INSIDE_HZ = 40.0  # of the edge of a band: the filters are this long


@functools.cache
def designed(format: Array, **settings) -> AmbisonicFilters:
    return ambisonic_filters(format, RATE, EncodingSettings(**settings))


def formed(format: AudioFormat, directions: np.ndarray, **settings) -> np.ndarray:
    """What the filters make of unit plane waves at HERTZ, (frequencies, harmonics, waves)."""
    filters = designed(format, **settings)
    spectrum = np.fft.rfft(filters.taps, SAMPLES) * np.exp(2j * np.pi * HERTZ / RATE * filters.before)
    return np.einsum("kcf,fcq->fkq", spectrum, received(format, directions))


def off_deg(waves: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Errors of the intensity vector, (frequencies, waves)."""
    intensity = np.real(waves[:, :1].conj() * waves[:, [3, 1, 2]])
    cosine = np.sum(intensity * directions.T, axis=1) / np.maximum(np.linalg.norm(intensity, axis=1), 1e-12)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def within(ranges: list[tuple[float, float]]) -> np.ndarray:
    return np.any([(low + INSIDE_HZ < HERTZ) & (high - INSIDE_HZ > HERTZ) for low, high in ranges], axis=0)


def near(frequency_hz: float) -> int:
    return int(np.argmin(np.abs(HERTZ - frequency_hz)))


@pytest.mark.parametrize("format", [OPEN, RIGID, SEVEN], ids=["open", "rigid", "glasses"])
def test_directions_are_told_within_5_degrees_where_that_is_claimed(format):
    """95 % of waves, at every frequency of the claim. Seen to fail with the wave's phase reversed, and with a claim by R_nm
    of a half alone."""
    validity = designed(format).validity
    claimed = within(validity.direction_hz())
    assert claimed.sum() > 20, "100 Hz and more"
    errors = np.percentile(off_deg(formed(format, EVERYWHERE), EVERYWHERE)[claimed], 95, axis=1)
    assert errors.max() < 5.5
    # The claim leaves little out: just above it, directions are worse.
    high = validity.direction_hz()[-1][1]
    assert np.percentile(off_deg(formed(format, EVERYWHERE), EVERYWHERE)[near(high + 150)], 95) > 5


def test_a_recording_of_one_wave_points_to_its_source():
    filters = designed(OPEN)
    inside = np.where((HERTZ > 300) & (HERTZ < 1700), np.exp(2j * np.pi * RNG.random(len(HERTZ))), 0.0)
    for direction in CUBE:
        spectrum = received(OPEN, direction[None])[:, :, 0] * inside[:, None]
        recording = np.tile(np.fft.irfft(spectrum.T, SAMPLES), 2).astype(np.float32)
        found = intensity_direction(filters.encode(recording)[:, SAMPLES // 2 : 3 * SAMPLES // 2])
        assert np.linalg.norm(found) > 0.94, "that of one plane wave is 1"
        assert degrees_between(found / np.linalg.norm(found), direction) < 5


def test_channels_are_the_harmonics_where_they_are_valid_and_silent_where_not():
    """Seen to fail where the validity is not used, and with the wave's phase reversed."""
    waves, wanted = formed(OPEN, EVERYWHERE), encode(EVERYWHERE, 1).T
    share = 1 - np.mean(np.abs(waves - wanted) ** 2, axis=2) / np.mean(wanted**2, axis=1)
    validity = designed(OPEN).validity
    for channel in range(4):
        inside = within(validity.valid_hz(channel))
        predicted = np.interp(HERTZ, validity.frequencies_hz, validity.validity[:, channel])
        np.testing.assert_allclose(share[inside, channel], predicted[inside], atol=0.03)
        assert share[inside, channel].min() > 0.45
        above = validity.valid_hz(channel)[-1][1] + 2 * INSIDE_HZ < HERTZ
        assert np.abs(waves[above, channel]).max() < 0.02
    np.testing.assert_allclose(waves[near(500), 0], 1, atol=0.02)
    unused = off_deg(formed(OPEN, EVERYWHERE, min_validity=0.0), EVERYWHERE)
    assert np.median(unused[near(4000)]) > 90, "least squares by themselves give no warning"


def test_a_tetrahedron_of_4_cm_holds_at_1_khz_and_not_at_4_khz():
    """The measured table: 0.8 degrees at 1 kHz, 4 at 2 kHz, 120 at 4 kHz."""
    validity = designed(OPEN).validity
    bands = {round(band["low_hz"] * np.sqrt(2)): band for band in validity.bands()}
    assert list(bands) == [63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000]
    assert all(value > 0.94 for value in bands[1000]["validity"].values())
    assert bands[1000]["direction_error_deg"] < 2 and 4 < bands[2000]["direction_error_deg"] < 15
    assert all(value < 0.4 for value in bands[4000]["validity"].values())
    assert bands[4000]["direction_error_deg"] is None and bands[8000]["kept"] == dict.fromkeys("WYZX", 0.0)
    assert all(validity.kept[np.searchsorted(validity.frequencies_hz, 1000)])
    assert not any(validity.kept[np.searchsorted(validity.frequencies_hz, 4000)])


def test_microphones_in_a_plane_have_no_height_and_those_on_a_line_one_axis():
    ring = designed(array(RING)).validity
    assert ring.valid_hz(2) == [] and ring.validity[:, 2].max() < 1e-9
    assert ring.direction_hz() == [] and ring.azimuth_hz()[0][0] < 100 and ring.azimuth_hz()[-1][1] > 2500
    said = ring.words(array(RING).tells)
    assert "Z holds nowhere and is silent: this array tells every direction but not on which side of the plane" in said[3]
    assert "Directions of single sources are to be trusted nowhere." in said
    line = designed(array(LINE)).validity
    assert line.valid_hz(2) == line.valid_hz(3) == [] and line.azimuth_hz() == []
    assert line.valid_hz(1)[-1][1] > 5000
    assert "Z and X hold nowhere and are silent: this array tells the angle." in line.words("the angle")


def test_more_microphones_reach_a_higher_order():
    corners, faces = CUBE[np.abs(CUBE).min(axis=1) > 0], CUBE[np.abs(CUBE).max(axis=1) > 0.99]
    corners = array(0.042 * np.concatenate([corners, faces]), 0.042)
    filters = designed(corners, order=2)
    assert filters.taps.shape[:2] == (9, 14) and filters.format == Ambisonics(2)
    waves, wanted = formed(corners, EVERYWHERE, order=2)[near(1500)], encode(EVERYWHERE, 2).T
    assert np.mean(np.abs(waves - wanted) ** 2) < 0.1 * np.mean(wanted**2)
    validity = filters.validity
    assert validity.valid_hz(4)[0][0] > 3 * validity.valid_hz(1)[0][0], "the second order begins later"


def test_low_frequencies_are_loaded_more_so_that_the_microphones_are_not_heard():
    """Seen to fail without regularisation."""
    np.testing.assert_allclose(load_at(np.array([0.0, 100.0, 250.0, 500.0, 9000.0])), [1e-2, 1e-2, 1e-2, 1e-3, 1e-3])
    assert LOADS[0][1] < load_at(np.array([249.0]))[0] * 1.01 and 1e-3 < load_at(np.array([350.0]))[0] < 1e-2
    for format in (OPEN, SEVEN):
        filters = designed(format, min_validity=0.0)
        noise = RNG.standard_normal((format.channels, 2 * RATE)).astype(np.float32)
        gains_db = 10 * np.log10(np.abs(np.fft.rfft(filters.encode(noise))) ** 2 / (2 * RATE))
        hertz = np.fft.rfftfreq(2 * RATE, 1 / RATE)
        low_db = gains_db[:, (hertz > 88) & (hertz < 177)].mean(axis=1)
        assert low_db.max() < 15
        told = next(band for band in filters.validity.bands() if band["low_hz"] == 88.4)["noise_gain_db"]
        # The mean of the dB of noise is 2.5 dB below the dB of its mean.
        for channel, name in enumerate("WYZX"):
            if told[name] is not None and told[name] > -60:
                assert low_db[channel] + 2.5 == pytest.approx(told[name], abs=1.5)


def test_what_is_encoded_does_not_depend_on_blocks_nor_on_order_and_place_of_the_microphones():
    filters = designed(SEVEN)
    recording = RNG.standard_normal((7, 5000)).astype(np.float32)
    whole = filters.encode(recording)
    assert whole.shape == (4, 5000) and whole.dtype == np.float32
    for cuts in ([1], [700, 701, 3000], [100, 200, 300, 400, 4999]):
        parts = list(filters.encode_blocks(np.split(recording, cuts, axis=1)))
        np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-5)
    moved = designed(array(np.add(GLASSES, [0.1, -0.2, 0.3])))
    np.testing.assert_allclose(moved.taps, filters.taps, atol=1e-9)
    np.testing.assert_allclose(np.subtract(moved.centre_m, filters.centre_m), [0.1, -0.2, 0.3])
    assert designed(RIGID).centre_m == (0.0, 0.0, 0.0)
    order = RNG.permutation(7)
    shuffled = designed(array(GLASSES[order])).encode(recording[order])
    np.testing.assert_allclose(shuffled, whole, atol=1e-4)
    assert filters.encode(recording[:, :10]).shape == (4, 10)


@pytest.mark.parametrize(
    ("format", "rate", "order", "said"),
    [
        (BINAURAL, RATE, 1, "binaural is not encoded to ambisonics; give an array"),
        (Ambisonics(1), RATE, 1, "ambisonics1 is not encoded"),
        (OPEN, RATE, 2, r"order 2 needs 9 microphones or more in space, and array4-\w+ has 4; give order 1 or lower"),
        (array(TETRAHEDRON[:3]), RATE, 2, "order 2 needs 6 microphones or more in a plane, .* has 3; give order 1 or lower"),
        (array(LINE[:1]), RATE, 1, "tells no direction, so that there is nothing to encode"),
        (OPEN, 4000, 1, "a recording at 4000 Hz cannot be encoded; expected 8000 Hz or more"),
        (OPEN, float("nan"), 1, "sampling_rate is nan"),
    ],
)
def test_what_cannot_be_encoded_is_refused_in_words(format, rate, order, said):
    with pytest.raises(AudioError, match=said):
        check_encodable(format, rate, EncodingSettings(order))


def test_as_many_microphones_are_needed_as_there_are_harmonics_to_tell():
    for positions in (TETRAHEDRON, TETRAHEDRON[:3], LINE[:2]):
        check_encodable(array(positions), RATE, EncodingSettings(1))
    with pytest.raises(AudioError, match="order 1 needs 4 microphones or more in space"):
        check_encodable(Array(array(LINE[:2]).positions_m, sofa="a.sofa"), RATE, EncodingSettings(1))


@pytest.mark.parametrize(
    ("settings", "said"), [({"order": 4}, "order is 4; give"), ({"min_validity": -0.1}, "min_validity")]
)
def test_settings_have_ranges(settings, said):
    with pytest.raises(SpatialLLMError, match=said):
        EncodingSettings(**settings)
