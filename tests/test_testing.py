"""The tiny models: every public one has a config, inputs it takes, and a size that tests can afford."""

import numpy as np
import pytest
import torch
from transformers import AutoModel

from spatial_llm import model
from spatial_llm.errors import SpatialLLMError
from spatial_llm.testing import TINY_PROJECTORS, public_models, tiny_config, tiny_inputs, tiny_processor

MODELS = public_models()


@pytest.mark.parametrize("model_class", MODELS)
def test_model_of_every_tiny_config_takes_its_tiny_inputs(model_class):
    config = tiny_config(model_class.__name__)
    net = model_class(config).eval()
    assert sum(parameter.numel() for parameter in net.parameters()) < 250_000
    output = net(**tiny_inputs(config))
    # A projector's token without a time has NaN among its `seconds`.
    named = {"": output} if isinstance(output, torch.Tensor) else {k: v for k, v in output.items() if k != "seconds"}
    tensors = [tensor for tensor in named.values() if isinstance(tensor, torch.Tensor)]
    assert tensors
    assert all(torch.isfinite(tensor).all() for tensor in tensors)
    assert type(tiny_config(type(config).__name__)) is type(tiny_config(config.model_type)) is type(config)
    assert isinstance(AutoModel.from_config(config), (model_class, type(net.base_model)))


@pytest.mark.parametrize("model_class", MODELS)
def test_inputs_are_seeded(model_class):
    config = tiny_config(model_class.__name__)
    first, same, other = tiny_inputs(config), tiny_inputs(config), tiny_inputs(config, seed=1)
    tensors = [name for name, value in first.items() if isinstance(value, torch.Tensor)]
    assert all(torch.equal(first[name], same[name]) for name in tensors)
    assert any(not torch.equal(first[name], other[name]) for name in tensors)


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(SpatialLLMError, match=r"'bat'.*SpatialLLMForConditionalGeneration"):
        tiny_config("bat")
    with pytest.raises(SpatialLLMError, match="LlamaConfig"):
        tiny_inputs(tiny_config("spatial_llm").text_config)


@pytest.mark.parametrize("projector", sorted(TINY_PROJECTORS))
def test_processor_fits_the_composite(projector):
    several = getattr(tiny_config(projector), "several_slices_are", "")
    parts = {"encoder": "dspast" if several else "spatial_ast", "projector": projector}
    config = tiny_config("SpatialLLMForConditionalGeneration", **parts)
    processor = tiny_processor(**parts)
    assert len(processor.tokenizer) == config.text_config.vocab_size
    assert processor.audio_token_id == config.audio_token_id
    assert processor.num_audio_tokens == config.num_audio_tokens
    clip = np.random.default_rng(0).standard_normal((2, config.encoder_config.window_samples)) * 0.1
    batch = processor(audio=clip, text="Where is the bell?", sampling_rate=32_000, return_tensors="pt")
    assert batch["input_features"].shape[2] == config.encoder_config.num_frames
    net = model.SpatialLLMForConditionalGeneration(config).eval()
    assert net(**batch).logits.shape[-1] == config.text_config.vocab_size


@pytest.mark.parametrize("projector", ["spatial_aggregator_projector", "spatial_slices_projector"])
def test_a_projector_of_several_slices_refuses_an_encoder_of_one(projector):
    with pytest.raises(SpatialLLMError, match=f"{projector} with tokens of a single channel slice .48 channels.: it needs"):
        tiny_config("SpatialLLMForConditionalGeneration", projector=projector)


def test_tokenizer_gives_any_text_back():
    tokenizer = tiny_processor().tokenizer
    text = "  Größe: 鐘 \U0001f514 left, front; 2.5m\n\n"
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text
