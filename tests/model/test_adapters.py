"""LoRA: BAT's number of trainable parameters, a start that changes nothing, only the language model touched."""

import pytest
import torch
from transformers import LlamaConfig

from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLMConfig, SpatialLLMForConditionalGeneration, add_lora, trained_keys
from spatial_llm.model.adapters import lora_merged
from spatial_llm.testing import tiny_config, tiny_inputs


def _tiny(lora=None):
    torch.manual_seed(0)
    config = tiny_config("SpatialLLMForConditionalGeneration")
    config.lora = lora
    return SpatialLLMForConditionalGeneration(config).eval()


def test_bat_trains_73_561_600_parameters():
    llama_2_7b = LlamaConfig(
        vocab_size=32_000, hidden_size=4096, intermediate_size=11_008, num_hidden_layers=32, num_attention_heads=32
    )
    with torch.device("meta"):
        model = SpatialLLMForConditionalGeneration(SpatialLLMConfig(text_config=llama_2_7b, lora={}))
    trained = {name: p.numel() for name, p in model.named_parameters() if p.requires_grad}
    lora = sum(size for name, size in trained.items() if ".lora_" in name)
    assert lora == 4_194_304
    assert sum(trained.values()) == 69_367_296 + 4_194_304 == 73_561_600
    assert set(trained) == trained_keys(model)


def test_fresh_lora_changes_no_answer_and_trained_lora_does():
    model = _tiny()
    inputs = tiny_inputs(model.config)
    before = model(**inputs).logits
    add_lora(model, rank=2)
    assert torch.equal(model(**inputs).logits, before)
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            torch.nn.init.normal_(parameter)
    assert not torch.allclose(model(**inputs).logits, before)


def test_only_projector_and_lora_get_gradients():
    model = _tiny()
    add_lora(model, rank=2, target_modules=["q_proj", "down_proj"])
    inputs = tiny_inputs(model.config)
    model.train()
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    with_gradient = {name for name, p in model.named_parameters() if p.grad is not None}
    assert with_gradient == trained_keys(model)
    assert {name.split(".")[-4] for name in with_gradient if ".lora_" in name} == {"q_proj", "down_proj"}
    assert model.config.lora["target_modules"] == ["q_proj", "down_proj"]


def test_lora_of_the_config_is_built_and_starts_at_zero():
    model = _tiny({"rank": 3, "alpha": 32, "dropout": 0.0, "target_modules": ["v_proj"]})
    layer = model.language_model.model.layers[1].self_attn.v_proj
    assert layer.scaling["default"] == 32 / 3
    assert layer.lora_A["default"].weight.shape == (3, 32)
    assert layer.lora_A["default"].weight.abs().sum() > 0
    assert not layer.lora_B["default"].weight.any()


def test_second_lora_and_unknown_layers_are_refused():
    model = _tiny()
    with pytest.raises(SpatialLLMError, match=r"target_modules \['c_attn'\] are not in LlamaForCausalLM.*q_proj"):
        add_lora(model, target_modules=["c_attn"])
    add_lora(model)
    with pytest.raises(SpatialLLMError, match="already has LoRA"):
        add_lora(model)


def trained_lora(dtype=torch.float32):
    model = _tiny({"rank": 2, "alpha": 4, "dropout": 0.0, "target_modules": ["q_proj", "v_proj"]}).to(dtype)
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            torch.nn.init.normal_(parameter)
    return model


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_merged_for_a_while_it_answers_alike_and_everything_is_put_back_bit_for_bit(dtype):
    model = trained_lora(dtype)
    inputs = {
        name: value.to(dtype) if value.is_floating_point() else value for name, value in tiny_inputs(model.config).items()
    }
    before, kept = model(**inputs).logits, {name: value.clone() for name, value in model.state_dict().items()}
    names, own = [name for name, _ in model.named_modules()], {id(p): p.requires_grad for p in model.parameters()}
    with lora_merged(model):
        assert not any("lora" in name for name, _ in model.named_modules())
        tolerance = 1e-4 if dtype == torch.float32 else 0.1
        torch.testing.assert_close(model(**inputs).logits, before, rtol=tolerance, atol=tolerance)
    after = model.state_dict()
    assert after.keys() == kept.keys() and all(torch.equal(after[name], value) for name, value in kept.items())
    assert [name for name, _ in model.named_modules()] == names
    assert {id(p): p.requires_grad for p in model.parameters()} == own, "the very same parameters"
    assert torch.equal(model(**inputs).logits, before)


def test_after_an_error_too_and_a_sum_that_is_not_finite_is_refused():
    model = trained_lora()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(KeyError), lora_merged(model):
        raise KeyError
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    layer = model.language_model.model.layers[1].self_attn.v_proj
    with torch.no_grad():
        layer.lora_A["default"].weight.fill_(1e20)
        layer.lora_B["default"].weight.fill_(1e20)
    refused = pytest.raises(SpatialLLMError, match=r"layers\.1\.self_attn\.v_proj with LoRA added is not finite")
    with refused, lora_merged(model):
        pass
    assert list(model.state_dict()) == list(before)


def test_a_model_without_lora_is_left_alone():
    model = _tiny()
    with lora_merged(model):
        assert model.config.lora is None
