"""Two ears stay two ears; what cannot be used is refused in words."""

import os
import warnings

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.formats import parse_format
from spatial_llm.audio.io import check_waveform, prepare_waveform, read_audio, resample
from spatial_llm.errors import AudioError
from spatial_llm.testing import tiny_processor

RATE = 32_000


def noise(*shape, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def test_opposite_ears_are_not_averaged_away(tmp_path):
    """The stock loaders return silence for this file."""
    path = tmp_path / "opposite.wav"
    soundfile.write(path, np.tile([0.5, -0.5], (RATE, 1)), RATE, subtype="FLOAT")
    waveform, rate = read_audio(path)
    assert rate == RATE and waveform.shape == (2, RATE) and waveform.dtype == np.float32
    assert (waveform[0] == 0.5).all() and (waveform[1] == -0.5).all()
    prepared = prepare_waveform(path, None, RATE, RATE)
    assert (prepared[0] == 0.5).all() and (prepared[1] == -0.5).all()


@pytest.mark.parametrize("channels", [1, 2, 4, 9])
def test_all_channels_are_read_in_order(tmp_path, channels):
    path = tmp_path / "c.wav"
    soundfile.write(path, np.tile(np.arange(channels) / 16, (100, 1)), 48_000, subtype="PCM_16")
    waveform, rate = read_audio(path)
    assert rate == 48_000
    np.testing.assert_allclose(waveform[:, 50], np.arange(channels) / 16)


@pytest.mark.parametrize("make", ["missing", "folder", "text", "empty", "fifo"])
def test_what_is_no_recording_is_refused(tmp_path, make):
    path = tmp_path / "x.wav"
    if make == "folder":
        path.mkdir()
    elif make == "text":
        path.write_text("this is not sound")
    elif make == "empty":
        soundfile.write(path, np.zeros((0, 2)), RATE)
    elif make == "fifo":
        os.mkfifo(path)
    with pytest.raises(AudioError, match=r"x\.wav: "):
        read_audio(path)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((RATE,), "2 channels needed, got an array of shape"),
        ((1, RATE), "2 channels needed, got 1"),
        ((6, RATE), "2 channels needed, got 6"),
        ((RATE, 2), r"looks like \(samples, channels\).*transpose"),
        ((2, 0), "holds no samples"),
        ((3, 2, RATE), "2 channels needed"),
    ],
)
def test_wrong_layouts_are_refused(shape, message):
    """Nothing is guessed about the layout."""
    with pytest.raises(AudioError, match=message):
        check_waveform(np.zeros(shape, np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_samples_are_named(bad):
    """A6."""
    waveform = noise(2, RATE)
    waveform[1, 777] = bad
    with pytest.raises(AudioError, match=r"channel 1, sample 777 \(1 such"):
        check_waveform(waveform)


def test_silence_and_a_dead_ear_warn():
    with pytest.warns(UserWarning, match="is silent: every sample"):
        check_waveform(np.zeros((2, 10), np.float32))
    waveform = noise(2, 10)
    waveform[1] = 0
    with pytest.warns(UserWarning, match=r"channel 1 \(right\) is silent; answers about directions will be wrong"):
        check_waveform(waveform)


@pytest.mark.parametrize(
    ("name", "dead", "said"),
    [
        (
            "foa",
            [1, 2],
            r"channels 1 \(Y\), 2 \(Z\) are silent; either no sound .* or it was lost",
        ),  # a sound in front, without a room
        ("foa:fuma", [2], r"channel 2 \(Y\) is silent; either no sound"),
        ("foa", [0, 3], r"channels 0 \(W\), 3 \(X\) are silent; answers about directions will be wrong"),
        (
            "foa",
            [1, 2, 3],
            r"channels 1 \(Y\), 2 \(Z\), 3 \(X\) are silent; answers about directions will be wrong",
        ),  # mono in W
        (
            "ambisonics2",
            [4, 5, 6, 7, 8],
            r"channels 4 \(V\), .* 8 \(U\) are silent; answers about directions will be wrong",
        ),  # order 1
        ("ambisonics2", [1, 2, 4, 5, 7], r"channels 1 \(Y\), .* 7 \(S\) are silent; either no sound"),
        ("stereo_ms", [1], r"channel 1 \(right\) is silent; either no sound"),
    ],
)
def test_a_channel_that_some_directions_leave_silent_may_be_so(name: str, dead: list[int], said: str):
    format = parse_format(name)
    waveform = np.ones((format.channels, 10), np.float32)
    waveform[dead] = 0
    with pytest.warns(UserWarning, match=said):
        check_waveform(waveform, format)


def test_integers_are_scaled_like_files():
    waveform = np.array([[-32768, 16384], [0, 1]], np.int16)
    np.testing.assert_array_equal(check_waveform(waveform), np.float32([[-1, 0.5], [0, 1 / 32768]]))


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 192_000])
def test_resampling_keeps_the_interaural_delay(rate):
    """Both ears pass the same filter; the delay of a band-limited click pair moves by less than a microsecond."""
    delay_s = 300e-6
    t = np.arange(rate) / rate
    centre = 0.5
    width = 1 / 1500  # a Gaussian of about 500 Hz bandwidth, inside every rate's band
    waveform = np.stack([np.exp(-(((t - centre - d) / width) ** 2)) for d in (0.0, delay_s)]).astype(np.float32)
    resampled = resample(waveform, rate, RATE)
    assert resampled.shape == (2, RATE)
    time = np.arange(RATE) / RATE
    centroids = (resampled * time).sum(axis=1, dtype=np.float64) / resampled.sum(axis=1, dtype=np.float64)
    assert centroids[1] - centroids[0] == pytest.approx(delay_s, abs=1e-6)


def test_an_array_without_a_rate_is_refused():
    with pytest.raises(AudioError, match="sampling_rate is None"):
        prepare_waveform(noise(2, 100), None, RATE, RATE)


def test_short_recordings_are_padded_at_the_end_without_a_word():
    waveform = noise(2, RATE // 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepared = prepare_waveform(waveform, RATE, RATE, RATE)
    np.testing.assert_array_equal(prepared[:, : RATE // 2], waveform)
    assert not prepared[:, RATE // 2 :].any()


def test_of_long_recordings_the_loudest_window_is_taken_with_a_warning():
    waveform = 0.01 * noise(2, 4 * RATE)
    waveform[:, int(2.5 * RATE) : int(3.5 * RATE)] += noise(2, RATE, seed=1)
    with pytest.warns(UserWarning, match=r"lasts 4\.00 s, the model encodes 1\.00 s: the loudest window, from 2\.50 s"):
        prepared = prepare_waveform(waveform, RATE, RATE, RATE)
    np.testing.assert_array_equal(prepared, waveform[:, int(2.5 * RATE) : int(3.5 * RATE)])


def test_a_scale_that_is_known_is_not_judged_and_one_that_is_not_is_judged_once(tmp_path):
    """Scenes near a source peak above full scale: rendered by this library, they are no doubtful recordings."""
    loud = noise(2, 3200) * 50
    loud[0, 7] = 150.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(prepare_waveform(loud, 32_000, 32_000, 3200, scale_known=True), loud)
    with pytest.raises(AudioError, match="full scale is 1"):
        prepare_waveform(loud, 32_000, 32_000, 3200)
    soundfile.write(tmp_path / "loud.wav", loud.T, 32_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="full scale is 1"):  # nobody knows the scale of a file
        prepare_waveform(tmp_path / "loud.wav", None, 32_000, 3200, scale_known=True)
    processor = tiny_processor()
    for samples in (processor.window_samples, processor.window_samples - 100):
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            processor(audio=noise(2, samples) * 20, text="Where?", sampling_rate=32_000, return_tensors="pt")
        assert [str(each.message) for each in said if "full scale" in str(each.message)] != []
        assert len(said) == 1
    infinite = np.full((2, 3200), 1e300)
    with pytest.raises(AudioError, match=r"(1e\+300|inf)"):
        prepare_waveform(infinite, 32_000, 32_000, 3200, scale_known=True)
