"""What cannot be fused is refused in words, by trying it: language models built otherwise, layers that are not there."""

import pytest
import torch
from transformers import (
    CohereConfig,
    FalconConfig,
    Gemma3TextConfig,
    GemmaConfig,
    GlmConfig,
    GPT2Config,
    GPTNeoXConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    OPTConfig,
    Phi3Config,
    Qwen2Config,
    SmolLM3Config,
)

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.hooks import attach
from spatial_llm.model import SpatialLLMConfig, SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_config
from tests.fusion.conftest import composite, prompts

SIZES = {
    "vocab_size": 300, "hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
NEOX = {name: each for name, each in SIZES.items() if name not in ("num_key_value_heads", "head_dim")}
LAL = {"type": "lal", "width": 24, "layers": [0, 1]}
GATED = {"type": "gated_cross_attention", "width": 24, "heads": 2, "head_dim": 8}
DEEP = (LAL, {"type": "delayed", "start_layer": 1}, {"type": "hybrid", "width": 24, "layers": [0, 1], "summary_tokens": 2})


def build(text_config, fusion):
    tiny = tiny_config("SpatialLLMConfig").to_dict()
    given = {name: tiny[name] for name in ("encoder_config", "projector_config", "audio_token_id")}
    given["projector_config"].pop("text_hidden_size")
    torch.manual_seed(0)
    return SpatialLLMForConditionalGeneration(SpatialLLMConfig(**given, text_config=text_config, fusion=fusion)).eval()


@pytest.mark.parametrize("fusion", [*DEEP, GATED], ids=lambda fusion: fusion["type"])
@pytest.mark.parametrize(
    "config",
    [LlamaConfig, Qwen2Config, SmolLM3Config, GemmaConfig, GraniteConfig, CohereConfig, GlmConfig, MistralConfig],
    ids=lambda config: config.model_type,
)
def test_families_like_llama_are_taken_and_hear(config, fusion):
    extra = {"sliding_window": None} if config is MistralConfig else {}
    model = build(config(**SIZES, **extra), fusion)
    for name, parameter in model.named_parameters():
        if name.endswith("_gate"):
            parameter.data.fill_(1.0)
    inputs = prompts(model, "tAtt")
    with torch.no_grad():
        first = model(**inputs).logits
        second = model(**inputs | {"audio_embeds": inputs["audio_embeds"] + 1}).logits
    assert not torch.equal(first[:, -1], second[:, -1])


@pytest.mark.parametrize("fusion", DEEP, ids=lambda fusion: fusion["type"])
@pytest.mark.parametrize(
    ("config", "name"),
    [
        (Olmo2Config(**SIZES), "Olmo2"),
        (Phi3Config(**SIZES), "Phi3"),
        (GPTNeoXConfig(**NEOX), "GPTNeoX"),
        (FalconConfig(**NEOX), "Falcon"),
        (GPT2Config(vocab_size=300, n_embd=32, n_layer=2, n_head=4), "GPT2"),
        (OPTConfig(vocab_size=300, hidden_size=32, ffn_dim=37, num_hidden_layers=2, num_attention_heads=4,
                   word_embed_proj_dim=32), "OPT"),
        (Gemma3TextConfig(**SIZES), "Gemma3"),
        (MistralConfig(**SIZES, sliding_window=4), "sliding window of 4"),
        (LlamaConfig(**SIZES, rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}), "dynamic"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)  # fmt: skip
def test_families_built_otherwise_are_refused_by_name(config, name, fusion):
    with pytest.raises(SpatialLLMError, match=f"(?s){name}.*prefix"):
        build(config, fusion)
    assert build(config, None).fusion.name == "prefix"


@pytest.mark.parametrize("fusion", [*DEEP, GATED], ids=lambda fusion: fusion["type"])
def test_a_model_that_hears_nothing_says_so(fusion):
    model = composite(fusion)
    inputs = prompts(model, "tAtt")
    model(**inputs)
    for layer in model.language_model.get_decoder().layers:
        layer._forward_pre_hooks.clear()
        layer.self_attn._forward_pre_hooks.clear()
    with pytest.raises(SpatialLLMError, match="did not hear the audio"):
        model(**inputs)
    attach(model.language_model)
    attach(model.language_model)  # a second time changes nothing
    assert all(len(layer._forward_pre_hooks) == 1 for layer in model.language_model.get_decoder().layers)
    model(**inputs)


def test_flash_attention_is_refused():
    model = composite(LAL)
    model.language_model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(SpatialLLMError, match="flash_attention_2"):
        model.language_model.config._attn_implementation = "flash_attention_2"
        inputs = prompts(model, "tAtt")
        model.fusion.before_attention(
            model.join(inputs["input_ids"], {"audio_embeds": inputs["audio_embeds"]}, None, None, None, None, None)[
                0
            ].context,
            model.language_model.get_decoder().layers[0].self_attn,
            0,
            {"hidden_states": torch.zeros(1, 3, 32)},
        )
