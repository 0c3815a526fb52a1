"""Every fusion with every projector on Llama- and Qwen-shaped language models: trains, answers, is saved and loaded."""

import pytest
import torch

from spatial_llm.model import SpatialLLMForConditionalGeneration
from spatial_llm.testing import TINY_FUSIONS, TINY_PROJECTORS, tiny_config, tiny_inputs

FAST = ("spatial_qformer_projector", "spatial_regions_projector", "spatial_slices_projector")


@pytest.mark.parametrize("language_model", ["llama", pytest.param("qwen2", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "projector", [one if one in FAST else pytest.param(one, marks=pytest.mark.slow) for one in TINY_PROJECTORS]
)
@pytest.mark.parametrize("fusion", TINY_FUSIONS)
def test_every_combination(fusion, projector, language_model, tmp_path):
    config = tiny_config("SpatialLLMForConditionalGeneration", "dspast", projector, fusion, language_model)
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(config)
    inputs = tiny_inputs(config)
    labels = inputs["input_ids"].masked_fill(inputs["input_ids"] == config.audio_token_id, -100)
    loss = model(**inputs, labels=labels).loss
    loss.backward()
    trained = {name: part for name, part in model.named_parameters() if part.requires_grad}
    assert torch.isfinite(loss) and all(part.grad is not None for part in trained.values())
    # A closed gate lets only its own gradient through.
    silent = {name for name, part in trained.items() if not part.grad.any() and "lora_A" not in name}
    assert fusion == "gated_cross_attention" or not {one for one in silent if not one.endswith("key.bias")}

    model.eval()
    options = {"max_new_tokens": 3, "do_sample": False, "suppress_tokens": [config.audio_token_id]}
    answers = model.generate(**inputs, **options)
    assert torch.equal(answers, model.generate(**inputs, **options, use_cache=False))
    model.save_pretrained(tmp_path)
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert torch.equal(answers, loaded.generate(**inputs, **options))
    assert loaded.config.num_audio_tokens == config.num_audio_tokens
