"""A tiny composite whose answers depend on what it hears."""

import pytest
import torch

from spatial_llm.model import SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_config, tiny_inputs


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration")).eval()
    # Tiny fresh weights answer nearly at random and alike; larger ones tell inputs apart.
    for parameter in model.language_model.parameters():
        parameter.data.mul_(5)
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            parameter.data.normal_(std=0.5)
    model.generation_config.eos_token_id = None
    return model


@pytest.fixture
def inputs(model):
    return tiny_inputs(model.config)


@pytest.fixture
def options(model):
    return {"max_new_tokens": 5, "do_sample": False, "bad_words_ids": [[model.config.audio_token_id]]}
