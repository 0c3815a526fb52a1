"""One recording to both inputs: what a mono base hears is what its own processor makes of the said channel."""

import numpy as np
import pytest
import torch

from spatial_llm.audio.formats import parse_input_format
from spatial_llm.audio.io import resample
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.model import SpatialLLM, SpatialLLMConfig, SpatialLLMProcessor
from spatial_llm.model.mono_inputs import MonoInputs, mono_way
from spatial_llm.testing import tiny_config
from tests.mono_bases import AUDIO_ID, BASES, recordings, tiny_base, tiny_plugged

pytestmark = pytest.mark.slow  # a real simulation or model in every test


@pytest.fixture(scope="module", params=BASES)
def model(request):
    return tiny_plugged(request.param)


def test_both_inputs_of_a_recording_and_a_question(model):
    """The mono input has the very bits that the base's own processor makes of the mean of both ears at its rate."""
    pair = recordings(2)
    batch = model.processor(pair, ["Where is it?", "What is it?"], sampling_rate=32_000, return_tensors="pt")
    assert set(batch) == {"input_ids", "attention_mask", "input_features", "mono_features", "mono_mask"}
    assert set(batch) == set(model.processor.model_input_names)
    mono = [resample(each.numpy(), 32_000, 16_000)[0] for each in pair.mean(dim=1, keepdim=True)]
    base_processor = tiny_base(model.model.config.text_config.model_type)[1]
    rate = {"sampling_rate": 16_000} if model.model.config.text_config.model_type == "qwen2_audio" else {}
    own = MonoInputs.named(base_processor(text=["<|audio|>"] * 2, audio=mono, return_tensors="pt", **rate))
    for name in ("mono_features", "mono_mask"):
        assert torch.equal(batch[name], own[name])
    ours, its = model.model.config.audio_token_id, AUDIO_ID
    for row, own_row in zip(batch["input_ids"], own["input_ids"], strict=True):
        kept = row[(row != model.processor.tokenizer.pad_token_id)].tolist()
        tokens = model.processor.num_audio_tokens
        assert kept[:tokens] == [ours] * tokens
        assert kept.count(its) == own_row.tolist().count(its) > 1
        again = model.processor.mono_inputs.ids
        assert kept[tokens : tokens + len(again)] == again


def test_text_alone_has_the_same_placeholders(model):
    with_audio = model.processor(recordings(1), "Where?", sampling_rate=32_000)
    assert model.processor(text="Where?")["input_ids"] == with_audio["input_ids"]


def test_the_turns_of_a_chat_template_hold_both(model):
    messages = [{"role": "user", "content": [{"type": "audio"}, {"type": "text", "text": "Where?"}]}]
    base_processor = tiny_base(model.model.config.text_config.model_type)[1]
    chat = SpatialLLMProcessor.for_model(model.model, base_processor, prompt_format="chat")
    prompt = chat.apply_chat_template(messages, tokenize=False)
    assert prompt == "<|audio|>Where? ###"
    ids = chat(text="Where?")["input_ids"][0]
    assert ids.count(AUDIO_ID) == chat.mono_inputs.ids.count(AUDIO_ID) and ids.count(model.model.config.audio_token_id) == 4


@pytest.mark.parametrize("way, channel", [("left", 0), ("right", 1), ("mean", None)])
def test_each_way_makes_its_channel(model, way, channel):
    recording = recordings(1)[0].numpy()
    mono = MonoInputs(model.processor.mono | {"way": way}, model.processor.tokenizer, 32_000, recording.shape[1])
    expected = recording.mean(axis=0) if channel is None else recording[channel]
    assert np.array_equal(mono.mixed(recording), expected)


FORMATS = ("foa", "ambisonics3", "array:[[0,0,0],[0.1,0,0]]", "field")


@pytest.mark.parametrize("format, way", [("binaural", "mean"), ("stereo_ms", "mean"), *((one, "first") for one in FORMATS)])
def test_every_format_has_a_way_that_is_recorded(format, way):
    assert mono_way(None, parse_input_format(format)) == way
    with pytest.raises(SpatialLLMError, match="mono is 'loudest', but the recordings are"):
        mono_way("loudest", parse_input_format(format))


def test_recordings_of_different_numbers_of_channels_have_one_mono_input_each(model):
    settings, window = model.processor.mono | {"way": "first"}, recordings(1).shape[-1]
    mono = MonoInputs(settings, model.processor.tokenizer, 32_000, window)
    foa, array = torch.randn(4, window), torch.randn(7, window)
    both = mono([foa, array])
    for row, recording in enumerate((foa, array)):
        assert torch.equal(both["mono_features"][row : row + 1], mono(recording[:1][None])["mono_features"])


def test_the_way_is_in_the_config_and_must_be_that_of_the_processor(tmp_path):
    model = tiny_plugged("granite_speech", mono="left")
    assert model.model.config.mono == model.processor.mono["way"] == "left"
    other = tiny_plugged("granite_speech").processor
    with pytest.raises(CheckpointError, match="processor's mono is mean, but the model's mono is left"):
        SpatialLLM(model.model, other)
    model.processor.save_pretrained(tmp_path)
    assert SpatialLLMProcessor.from_pretrained(tmp_path).mono == model.processor.mono
    with pytest.raises(SpatialLLMError, match="type llama hears nothing by itself"):
        SpatialLLMConfig.from_dict(tiny_config("SpatialLLMForConditionalGeneration").to_dict() | {"mono": "mean"})


def test_another_processor_and_settings_that_do_not_come_back_are_refused(model):
    with pytest.raises(SpatialLLMError, match="hears by itself, and a TokenizersBackend was given for it"):
        SpatialLLMProcessor.for_model(model.model, model.processor.tokenizer)
    _, processor = tiny_base("granite_speech")
    processor.audio_processor.melspec_kwargs["n_fft"] = 400  # transformers does not read it back
    with pytest.raises(SpatialLLMError, match="does not keep its audio_processor when it is saved"):
        SpatialLLMProcessor.for_model(tiny_plugged("granite_speech").model, processor)
    with pytest.raises(SpatialLLMError, match="expected what SpatialLLMProcessor"):
        MonoInputs({"way": "mean"}, model.processor.tokenizer, 32_000, 100)
    with pytest.raises(SpatialLLMError, match="does not know its window"):
        MonoInputs(model.processor.mono, model.processor.tokenizer, 32_000, None)
