"""Cues against physics and against the golden planes of the official code."""

import numpy as np
import pytest
import torch

from spatial_llm.audio.cues import FrontEnd, binaural_cues
from spatial_llm.audio.spectral import mel_filters
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.errors import AudioError
from tests.golden import golden

SETTINGS = {"sampling_rate": 32_000, "n_fft": 1024, "hop_length": 320, "num_mel_bins": 128, "f_min": 50, "f_max": 14_000}


def pair(delay=0, gain=1.0, samples=32_000, seed=0):
    """Noise at two ears: the left `delay` samples later and `gain` times as loud."""
    rng = np.random.default_rng(seed)
    base = 0.1 * rng.standard_normal(samples + 128).astype(np.float32)
    return torch.from_numpy(np.stack([gain * base[64 - delay : 64 - delay + samples], base[64 : 64 + samples]])[None])


def cue(name, waveform):
    return binaural_cues(waveform, [name], FrontEnd(**SETTINGS))[:, 0]


def test_mel_filters_sum_to_what_bounds_the_ipd_planes():
    sums = mel_filters(32_000, 1024, 128, 50, 14_000).sum(dim=0)
    assert sums.min() > 0.030 and sums.max() < 0.0365


@pytest.mark.parametrize("delay", [-22, -5, 0, 7, 22])
def test_gcc_peaks_at_the_delay_of_the_left_ear(delay):
    gcc = cue("gcc_phat", pair(delay))[0, 10:-10]
    assert (gcc.argmax(dim=-1) == 64 + delay).all()
    assert gcc.max() <= 1 + 1e-5


def test_empty_frames_have_phase_zero_everywhere():
    gcc = cue("gcc_phat", torch.zeros(1, 2, 8_000))
    assert torch.allclose(gcc[..., 64], torch.ones(()), atol=1e-6) and gcc[..., :64].abs().max() < 1e-6
    assert cue("sin_ipd", torch.zeros(1, 2, 8_000)).abs().max() == 0


def test_ipd_is_omega_tau_when_the_left_ear_is_late():
    delay, k = 3, 20  # a sine on a bin centre: one phase difference
    t = torch.arange(32_000, dtype=torch.float64)
    omega = 2 * torch.pi * k / 1024
    waveform = torch.stack([torch.sin(omega * (t - delay)), torch.sin(omega * t)])[None].float()
    sine, cosine = cue("sin_ipd", waveform)[0, 50], cue("cos_ipd", waveform)[0, 50]
    mel = mel_filters(32_000, 1024, 128, 50, 14_000)
    column = mel[k].argmax()
    # Only bin k carries energy; its neighbours in the window's main lobe have the same phase difference.
    assert sine[column] / mel[:, column].sum() == pytest.approx(np.sin(omega * delay), abs=0.05)
    assert cosine[column] / mel[:, column].sum() == pytest.approx(np.cos(omega * delay), abs=0.05)


def test_swapping_the_ears_flips_mirrors_and_inverts():
    waveform = pair(delay=6, gain=1.3)
    swapped = waveform.flip(1)
    torch.testing.assert_close(cue("sin_ipd", swapped), -cue("sin_ipd", waveform), atol=1e-6, rtol=0)
    torch.testing.assert_close(cue("cos_ipd", swapped), cue("cos_ipd", waveform), atol=1e-6, rtol=0)
    gcc, mirrored = cue("gcc_phat", waveform), cue("gcc_phat", swapped)
    torch.testing.assert_close(mirrored[..., 1:], gcc[..., 1:].flip(-1), atol=1e-5, rtol=0)
    torch.testing.assert_close(cue("logmel_left", swapped), cue("logmel_right", waveform))
    # Away from the ends, whose reflected frames come near the floor of the ILD.
    product = (cue("ild", swapped) * cue("ild", waveform))[:, 2:-2]
    torch.testing.assert_close(product, torch.ones_like(product), rtol=1e-3, atol=0)


def test_a_gain_on_the_left_multiplies_the_ild_by_its_power():
    ratio = cue("ild", pair(gain=2.0)) / cue("ild", pair(gain=1.0))
    torch.testing.assert_close(ratio, torch.full_like(ratio, 2 ** (10 / np.log(10))), rtol=1e-3, atol=0)


@pytest.mark.parametrize(("model", "plain"), [("spatial_ast", [2, 3]), ("dspast", [2, 4, 5])])
def test_planes_that_no_batchnorm_touches_equal_the_golden_ones(model, plain):
    """The others pass a BatchNorm first; the encoders' parity test covers them."""
    waveform = np.stack([golden.binaural_noise(0), golden.binaural_noise(1)])
    official = np.load(golden.HERE / f"{model}.npz")["10s/features"]
    names = ["logmel_left", "logmel_right", "cos_ipd", "sin_ipd"]
    if model == "dspast":
        names[2:2] = ["gcc_phat", "ild"]
    ours = binaural_cues(torch.from_numpy(waveform), names, FrontEnd(**SETTINGS)).numpy()
    # Rows 0 and the stretch to 1024 frames: only the first golden row is a frame of ours as it is.
    # The phase of a nearly empty bin is mostly rounding, in their convolution as in our FFT: hence 1e-4, not 2e-5.
    for index in plain:
        np.testing.assert_allclose(ours[:, index, 0], official[:, index, 0], atol=1e-4 * np.abs(official[:, index]).max())


class TestExtractor:
    extractor = SpatialFeatureExtractor(feature_size=32, hop_length=640)

    def test_arrays_tensors_lists_and_batches_give_the_same(self):
        waveform = pair(4)[0].numpy()
        one = self.extractor(waveform, sampling_rate=32_000, return_tensors="pt")["input_features"]
        assert one.shape == (1, 6, 51, 32) and one.dtype == torch.float32
        for same in (torch.from_numpy(waveform), waveform[None], [waveform], list(waveform), waveform.astype(np.float64)):
            again = self.extractor(same, sampling_rate=32_000, return_tensors="pt")["input_features"]
            assert torch.equal(one, again)
        assert isinstance(self.extractor(waveform, sampling_rate=32_000)["input_features"], np.ndarray)

    def test_order_of_the_ears_matters_and_opposite_ears_are_heard(self):
        """A1 at the extractor: (L, R) and (R, L) differ; (L, -L) is not silence."""
        waveform = pair(4)[0]
        straight, swapped = (
            self.extractor(w, sampling_rate=32_000, return_tensors="pt")["input_features"]
            for w in (waveform, waveform.flip(0))
        )
        assert not torch.allclose(straight, swapped)
        opposite = torch.stack([waveform[0], -waveform[0]])
        features = self.extractor(opposite, sampling_rate=32_000, return_tensors="pt")["input_features"]
        assert features[0, :2].mean() > -40  # log-mels in dB; silence is at -100
        assert (features[0, 4] < 0).all()  # the phases differ by pi: cos IPD is negative in every bin

    def test_another_rate_is_refused_and_a_missing_one_warned_of(self):
        waveform = pair()[0]
        with pytest.raises(AudioError, match="sampling_rate is 16000, expected 32000 Hz"):
            self.extractor(waveform, sampling_rate=16_000)
        with pytest.warns(UserWarning, match="no sampling_rate given: the waveforms are taken for 32000 Hz"):
            assumed = self.extractor(waveform, return_tensors="pt")["input_features"]
        assert torch.equal(assumed, self.extractor(waveform, sampling_rate=32_000, return_tensors="pt")["input_features"])

    @pytest.mark.parametrize(
        ("waveforms", "message"),
        [
            (np.zeros(8_000, np.float32), "2 channels needed"),
            (np.zeros((8_000, 2), np.float32), "transpose"),
            (np.full((2, 8_000), np.nan, np.float32), "channel 0, sample 0"),
            (np.ones((2, 100), np.float32), "at least 513"),
            ([np.ones((2, 8_000), np.float32), np.ones((2, 9_000), np.float32)], r"\[8000, 9000\] samples in one batch"),
            ([], "no recording"),
        ],
    )
    def test_bad_input_is_refused_in_words(self, waveforms, message):
        with pytest.raises(AudioError, match=message):
            self.extractor(waveforms, sampling_rate=32_000)

    def test_one_bad_recording_of_a_batch_is_named(self):
        batch = pair()[0].repeat(3, 1, 1)
        batch[2, 0, 5] = np.inf
        with pytest.raises(AudioError, match="recording 2: inf at channel 0, sample 5"):
            self.extractor(batch, sampling_rate=32_000)

    def test_an_unknown_option_or_cue_stops(self):
        with pytest.raises(AudioError, match="unknown option padding"):
            self.extractor(pair()[0], sampling_rate=32_000, padding=True)
        with pytest.raises(
            AudioError, match=r"cues \['loudness'\] unknown; expected some of one of these: binaural: logmel_left"
        ):
            SpatialFeatureExtractor(cues=["loudness"])(pair()[0], sampling_rate=32_000)

    def test_saving_and_loading_keeps_every_setting(self, tmp_path):
        self.extractor.save_pretrained(tmp_path)
        assert SpatialFeatureExtractor.from_pretrained(tmp_path).to_dict() == self.extractor.to_dict()
