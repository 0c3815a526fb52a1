"""Tiny composites in which every layer matters: larger weights, LoRA that does something, gates that are open."""

import pytest
import torch

from spatial_llm.model import SpatialLLMConfig, SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_config, tiny_inputs

LAYERS = 4


def composite(fusion, language_model="llama", projector="spatial_qformer_projector", encoder=None, text=None, **fields):
    """A composite of 4 layers in eval mode; `fusion` is a dict as in configs, `text` are changes of the language model. The
    encoder has channel slices if the fusion divides them."""
    divides = fusion is not None and fusion["type"] == "per_encoder"
    encoder = encoder or ("dspast" if divides else "spatial_ast")
    given = tiny_config("SpatialLLMConfig", encoder, projector, language_model=language_model).to_dict()
    for width in ("text_hidden_size", "encoder_hidden_size"):
        given["projector_config"].pop(width)
    given["text_config"] |= {"num_hidden_layers": LAYERS, "layer_types": None, "no_rope_layers": None, **(text or {})}
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(SpatialLLMConfig(**{**given, "fusion": fusion, **fields})).eval()
    enliven(model)
    return model


def enliven(model):
    """Tiny fresh weights answer nearly at random and alike; larger ones tell inputs apart."""
    random = torch.Generator().manual_seed(1)
    for name, parameter in model.language_model.named_parameters():
        if "audio_fusion" not in name:
            parameter.data.mul_(3)
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            parameter.data = torch.randn(parameter.shape, generator=random) * 0.5
        if name.endswith("_gate"):
            parameter.data.fill_(0.7)
    model.generation_config.eos_token_id = None


@pytest.fixture
def options():
    return {"max_new_tokens": 5, "do_sample": False}


def prompts(model, *rows, seed=0, audio="audio_embeds"):
    """`input_ids`, `attention_mask` and audio of prompts such as "ttAtt": a letter t is a word, A a recording; shorter
    prompts are padded on the left. Embeddings are drawn at random, because fresh encoders make nearly the same of all
    recordings; audio="input_features" goes the whole way."""
    slot, count = model.config.audio_token_id, model.config.num_audio_tokens
    random = torch.Generator().manual_seed(seed)
    clip, word = torch.full((count,), slot), lambda: torch.randint(10, 300, (1,), generator=random)
    words = [torch.cat([clip if one == "A" else word() for one in row]) for row in rows]
    length = max(len(each) for each in words)
    ids = torch.stack([torch.cat([torch.zeros(length - len(each), dtype=torch.long), each]) for each in words])
    mask = torch.stack([torch.arange(length) >= length - len(each) for each in words]).long()
    heard = sum(row.count("A") for row in rows)
    if not heard:
        return {"input_ids": ids, "attention_mask": mask}
    features = tiny_inputs(model.config.encoder_config, batch_size=heard, seed=seed)
    width = model.config.projector_config.text_hidden_size
    width *= 1 + len(getattr(model.fusion_modules, "projectors", ()))
    embeds = {"audio_embeds": torch.randn(heard, count, width, generator=random)}
    return {"input_ids": ids, "attention_mask": mask, **(embeds if audio == "audio_embeds" else features)}
