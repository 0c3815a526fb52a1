"""`ask`: paths and arrays in, text out, and every bad recording an error sentence."""

import warnings

import numpy as np
import pytest
import soundfile
import torch

from spatial_llm.audio.formats import Binaural
from spatial_llm.errors import AudioError, CheckpointError, SpatialLLMError
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_config, tiny_processor

QUESTION = "Where is the bell?"
WINDOW = 9920


@pytest.fixture(scope="module")
def bat(tmp_path_factory):
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("bat")
    model = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration"))
    for parameter in model.language_model.parameters():
        parameter.data.mul_(5)
    SpatialLLM(model, tiny_processor()).save_pretrained(folder)
    return SpatialLLM.from_pretrained(folder)


@pytest.fixture
def heard(bat):
    """The input_features of every `ask`."""
    seen = []
    hook = bat.model.encoder.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["input_features"]), with_kwargs=True
    )
    yield seen
    hook.remove()


def _clip(samples=WINDOW, seed=0):
    return np.random.default_rng(seed).standard_normal((2, samples)).astype(np.float32) * 0.1


def _ask(bat, audio, sampling_rate=32_000, question=QUESTION, **options):
    return bat.ask(audio, question, sampling_rate=sampling_rate, max_new_tokens=4, **options)


def test_answer_is_text_and_repeats(bat):
    answer = _ask(bat, _clip())
    assert isinstance(answer, str)
    assert answer == _ask(bat, _clip())
    assert "Instruction" not in answer
    assert isinstance(_ask(bat, _clip(), num_beams=2), str)


def test_a_model_that_would_write_the_placeholder_writes_something_else(bat, monkeypatch):
    """The placeholder asks for a recording that is not there."""
    slot = bat.model.config.audio_token_id
    forward = bat.model.language_model.forward

    def prefers_the_slot(*args, **kwargs):
        output = forward(*args, **kwargs)
        output.logits[..., slot] = output.logits.max() + 100
        return output

    written = []
    generate = bat.model.generate
    monkeypatch.setattr(bat.model, "generate", lambda **kwargs: written.append(generate(**kwargs)) or written[-1])
    monkeypatch.setattr(bat.model.language_model, "forward", prefers_the_slot)
    _ask(bat, _clip())
    assert [bool((ids[0, -4:] == slot).any()) for ids in written] == [False]
    monkeypatch.setattr(SpatialLLM, "suppressed_token_ids", None)
    with pytest.raises(SpatialLLMError, match="1 audio placeholders"):
        _ask(bat, _clip())


def test_file_and_array_are_heard_alike(bat, heard, tmp_path):
    clip = _clip()
    soundfile.write(tmp_path / "clip.wav", clip.T, 32_000, subtype="FLOAT")
    assert _ask(bat, tmp_path / "clip.wav") == _ask(bat, str(tmp_path / "clip.wav"), sampling_rate=None) == _ask(bat, clip)
    assert torch.equal(heard[0], heard[2])


def test_opposite_ears_are_not_silence(bat, heard, tmp_path):
    """L = +0.5, R = -0.5 would be averaged to zeros by a mono loader."""
    tone = 0.5 * np.sign(np.sin(2 * np.pi * 500 * np.arange(WINDOW) / 32_000 + 0.1))
    clip = np.stack([tone, -tone]).astype(np.float32)
    soundfile.write(tmp_path / "opposite.wav", clip.T, 32_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _ask(bat, tmp_path / "opposite.wav")
    logmel_left, logmel_right = heard[0][0, 0], heard[0][0, 1]
    assert logmel_left.max() > 0  # silence is -100 dB everywhere
    torch.testing.assert_close(logmel_left, logmel_right)


def test_ears_are_not_interchangeable(bat, heard):
    clip = _clip()
    _ask(bat, clip)
    _ask(bat, clip[::-1].copy())
    torch.testing.assert_close(heard[0][:, [0, 1]], heard[1][:, [1, 0]])  # log-mels swap
    torch.testing.assert_close(heard[0][:, 2], heard[1][:, 2])  # cos IPD stays
    torch.testing.assert_close(heard[0][:, 3], -heard[1][:, 3])  # sin IPD turns round


def test_other_rates_lengths_and_windows(bat, heard):
    _ask(bat, _clip(round(WINDOW * 44.1 / 32)), sampling_rate=44_100)
    short = _clip(4000)
    _ask(bat, short)
    _ask(bat, np.pad(short, ((0, 0), (0, WINDOW - 4000))))
    assert torch.equal(heard[1], heard[2])
    long = np.concatenate([_clip() * 0.001, _clip(seed=1), _clip() * 0.001], axis=1)
    with pytest.warns(UserWarning, match="loudest window"):
        _ask(bat, long)
    _ask(bat, _clip(seed=1))
    torch.testing.assert_close(heard[3][:, :2], heard[4][:, :2], atol=12, rtol=0)
    assert all(features.shape == (1, 4, 32, 32) for features in heard)


def test_silence_is_warned_of(bat):
    with pytest.warns(UserWarning, match="silent"):
        _ask(bat, np.zeros((2, WINDOW), np.float32))


def test_a_mono_recording_in_two_channels_is_warned_of(bat):
    with pytest.warns(UserWarning, match="all channels of the recording are the same"):
        _ask(bat, np.repeat(_clip()[:1], 2, axis=0))


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (_clip()[0], "2 channels needed"),
        (_clip()[:1], "2 channels needed, got 1 .* record with 2 microphones"),
        (np.zeros((6, WINDOW), np.float32), "2 channels needed, got 6"),
        (_clip().T, "transpose"),
        (np.zeros((2, 0), np.float32), "no samples"),
        (np.where(np.arange(WINDOW) == 77, np.nan, _clip()), "channel 0, sample 77"),
        ("nowhere.wav", "nowhere.wav: cannot be opened"),
        (["one.wav"], "give the path of one sound file"),
    ],
)
def test_bad_recordings_are_error_sentences(bat, audio, words):
    with pytest.raises(AudioError, match=words):
        _ask(bat, audio)


@pytest.mark.parametrize("question", ["", " \n", None, ["What sounds?"]])
def test_a_question_is_one_text(bat, question):
    with pytest.raises(SpatialLLMError, match="give one question in words"):
        _ask(bat, _clip(), question=question)


def test_the_format_of_a_recording_is_compared_with_the_encoders(bat):
    answer = _ask(bat, _clip())
    for format in ("binaural", "binaural:any/head.sofa", Binaural()):
        assert _ask(bat, _clip(), format=format) == answer
    for format in ("stereo_ms", "mono"):  # two channels, and yet no two ears; one
        with pytest.raises(AudioError, match=f"is {format}: no ears can be rendered from it"):
            _ask(bat, _clip(), format=format)
    with pytest.raises(AudioError, match="format 'stereo' is not known"):
        _ask(bat, _clip(), format="stereo")


def test_bad_files(bat, tmp_path):
    soundfile.write(tmp_path / "mono.wav", _clip()[0], 32_000)
    with pytest.raises(AudioError, match=r"mono\.wav: 2 channels needed, got 1"):
        _ask(bat, tmp_path / "mono.wav")
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(AudioError, match=r"text\.wav: not a readable sound file"):
        _ask(bat, tmp_path / "text.wav")


def test_array_needs_its_rate_and_question_plain_words(bat):
    with pytest.raises(AudioError, match="rate in Hz"):
        _ask(bat, _clip(), sampling_rate=None)
    with pytest.raises(SpatialLLMError, match="special token"):
        _ask(bat, _clip(), question="Where is <|audio|>?")


def test_a_folder_that_holds_no_model_of_ours_is_named(bat, tmp_path):
    """transformers would build the sizes of a 7B model for any other config, or look on the hub."""
    with pytest.raises(CheckpointError, match="no such folder"):
        SpatialLLM.from_pretrained(tmp_path / "nope")
    bat.save_pretrained(tmp_path / "run" / "model")
    with pytest.raises(CheckpointError, match=r"no model in this folder; did you mean .*run.model\?"):
        SpatialLLM.from_pretrained(tmp_path / "run")
    bat.model.encoder.save_pretrained(tmp_path / "encoder")
    with pytest.raises(CheckpointError, match="a spatial_ast, expected a spatial_llm"):
        SpatialLLM.from_pretrained(tmp_path / "encoder")
    (tmp_path / "run" / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="no model's config"):
        SpatialLLM.from_pretrained(tmp_path / "run")
