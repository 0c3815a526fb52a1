"""Limits on seconds, bytes and rates, and how they reach the readers."""

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.io import prepare_waveform, read_audio, resample
from spatial_llm.audio.limits import AudioLimits, check_rate
from spatial_llm.errors import AudioError

RATE = 32_000


@pytest.fixture
def two_seconds(tmp_path):
    soundfile.write(tmp_path / "a.flac", 0.1 * np.random.default_rng(0).standard_normal((2 * RATE, 2)), RATE)
    return tmp_path / "a.flac"


def test_the_limits_are_inclusive_and_named(two_seconds):
    size = 2 * RATE * 2 * 4
    assert read_audio(two_seconds, AudioLimits(max_seconds=2, max_bytes=size))[0].shape == (2, 2 * RATE)
    with pytest.raises(AudioError, match=r"a\.flac: lasts 2 s, and max_seconds is 1\.9 s; .*--audio_limits\.max_seconds"):
        read_audio(two_seconds, AudioLimits(max_seconds=1.9))
    with pytest.raises(
        AudioError, match=rf"takes {size} bytes decoded .* max_bytes is {size - 1}; .*max_bytes of AudioLimits"
    ):
        read_audio(two_seconds, AudioLimits(max_bytes=size - 1))


def test_a_file_of_an_hour_is_refused_before_it_is_decoded_and_read_where_it_is_allowed(tmp_path):
    with soundfile.SoundFile(tmp_path / "hour.flac", "w", 1000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(60_000, np.int16))
    with pytest.raises(AudioError, match="lasts 3600 s"):
        read_audio(tmp_path / "hour.flac")
    assert read_audio(tmp_path / "hour.flac", AudioLimits(max_seconds=3600))[0].shape == (1, 3_600_000)


def test_what_a_low_rate_becomes_counts():
    """Ten seconds at 1 kHz are 32 times as much at the model's rate."""
    waveform = np.full((2, 10_000), 0.1, np.float32)
    limits = AudioLimits(max_bytes=2 * 320_000 * 4 - 1)
    with pytest.raises(AudioError, match="max_bytes"):
        prepare_waveform(waveform, 1000, RATE, RATE, limits)
    with pytest.warns(UserWarning, match="loudest window"):
        assert prepare_waveform(waveform, 1000, RATE, RATE).shape == (2, RATE)


@pytest.mark.parametrize(
    "options", [{"max_seconds": 0}, {"max_seconds": float("nan")}, {"max_bytes": -1}, {"max_bytes": True}]
)
def test_limits_that_are_none_are_refused(options):
    with pytest.raises(AudioError, match=f"{next(iter(options))} of the audio limits"):
        AudioLimits(**options)


def test_a_rate_is_taken_as_any_number_and_as_nothing_else():
    for rate in (8000, 8000.0, np.int32(8000), np.float32(8000), np.array(8000)):
        assert check_rate(rate) == 8000 and type(check_rate(rate)) is int
    assert check_rate(22254.5) == 22254.5
    assert check_rate(1000) == 1000 and check_rate(768_000) == 768_000
    with pytest.raises(AudioError, match=r"x: sampling_rate is 44\.1; .*if kHz are meant, give 44100"):
        check_rate(44.1, "x")
    for rate in (None, True, np.True_, "8000", b"8000", float("nan"), 999.9, 768_001, 1j, [8000], np.array([8000])):
        with pytest.raises(AudioError, match="sampling_rate is"):
            check_rate(rate)


def test_the_resampler_takes_no_rate_that_is_none():
    waveform = np.zeros((2, 100), np.float32)
    for rates in ((float("nan"), RATE), (RATE, float("inf")), (True, RATE), (RATE, 0)):
        with pytest.raises(AudioError, match="sampling_rate is"):
            resample(waveform, *rates)


def test_limits_can_be_lifted_altogether(two_seconds, tmp_path):
    soundfile.write(tmp_path / "a.voc", np.full((1000, 1), 0.1), RATE, format="VOC")
    none = AudioLimits(max_seconds=float("inf"), max_bytes=float("inf"))
    assert read_audio(two_seconds, none)[0].shape == (2, 2 * RATE)
    with pytest.warns(UserWarning, match="not checked here"):
        assert read_audio(tmp_path / "a.voc", none)[0].shape == (1, 1000)
