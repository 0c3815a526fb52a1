"""What the processor takes as recordings, by the same options and steps as `ask`."""

import io

import numpy as np
import pytest
import soundfile
import torch

from spatial_llm.audio.io import prepare_waveform
from spatial_llm.audio.limits import AudioLimits
from spatial_llm.errors import AudioError
from spatial_llm.testing import tiny_processor

RATE, WINDOW = 32_000, 9920


@pytest.fixture(scope="module")
def processor():
    return tiny_processor()


def clip(samples=WINDOW, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal((2, samples)).astype(np.float32)


def features(processor, audio, texts=1, **options):
    batch = processor(audio=audio, text=["Where?"] * texts, return_tensors="pt", **options)
    return batch["input_features"]


def of_window(processor, waveform):
    return processor.feature_extractor(waveform, sampling_rate=RATE, return_tensors="pt", scale_known=True)["input_features"]


def test_a_batch_of_unequal_lengths_rates_and_forms(processor, tmp_path):
    short, long, other = clip(4000), clip(20_000, seed=1), clip(8000, seed=2)
    soundfile.write(tmp_path / "long.wav", long.T, RATE, subtype="FLOAT")
    file = io.BytesIO()
    soundfile.write(file, other.T, 16_000, format="WAV", subtype="FLOAT")
    given = [
        short,
        str(tmp_path / "long.wav"),
        file.getvalue(),
        {"array": other, "sampling_rate": 16_000},
        torch.tensor(short),
    ]
    with pytest.warns(UserWarning, match=r"long\.wav lasts .* loudest window"):
        found = features(processor, given, 5, sampling_rate=RATE)
        expected = [prepare_waveform(each, RATE, RATE, WINDOW) for each in (short, tmp_path / "long.wav")]
    expected += [prepare_waveform(other, 16_000, RATE, WINDOW)] * 2 + expected[:1]
    assert torch.equal(found, of_window(processor, np.stack(expected)))


def test_any_rate_is_resampled_as_in_ask(processor):
    slow = clip(6000)
    found = features(processor, slow, sampling_rate=16_000)
    assert torch.equal(found, of_window(processor, prepare_waveform(slow, 16_000, RATE, WINDOW)))
    nested = processor(audio=slow, text="Where?", audio_kwargs={"sampling_rate": 16_000}, return_tensors="pt")
    assert torch.equal(found, nested["input_features"])


def test_a_rate_that_is_missing_is_warned_of_for_arrays_alone(processor, tmp_path, recwarn):
    soundfile.write(tmp_path / "clip.wav", clip().T, RATE, subtype="FLOAT")
    features(processor, [tmp_path / "clip.wav", {"array": clip(), "sampling_rate": RATE}], 2)
    assert not [each for each in recwarn if "sampling_rate" in str(each.message)]
    with pytest.warns(UserWarning, match="no sampling_rate"):
        features(processor, [tmp_path / "clip.wav", clip()], 2)


def test_limits_and_format_mean_what_they_mean_in_ask(processor):
    with pytest.raises(AudioError, match="max_seconds"):
        features(processor, clip(), sampling_rate=RATE, audio_limits=AudioLimits(max_seconds=0.1), format="binaural")
    with pytest.raises(AudioError, match="max_seconds"):
        features(processor, clip(20_000), sampling_rate=RATE, audio_limits=AudioLimits(max_seconds=0.5))
    assert torch.equal(
        features(processor, clip(), sampling_rate=RATE, format="binaural"), features(processor, clip(), sampling_rate=RATE)
    )
    with pytest.raises(AudioError, match="is stereo_ms: no ears can be rendered from it"):
        features(processor, clip(), sampling_rate=RATE, format="stereo_ms")
    with pytest.raises(AudioError, match="2 channels needed, got 1"):
        features(processor, clip()[:1], sampling_rate=RATE)


def test_a_processor_without_a_known_window_takes_whole_recordings(processor, monkeypatch):
    monkeypatch.setattr(processor, "window_samples", None)
    found = features(processor, {"array": clip(4960), "sampling_rate": 16_000})
    assert torch.equal(found, of_window(processor, prepare_waveform(clip(4960), 16_000, RATE, None)))
    with pytest.raises(AudioError, match="one length"):
        features(processor, [clip(), clip(5000)], 2, sampling_rate=RATE)
