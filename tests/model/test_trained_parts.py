"""A module planted inside a decoder layer is trained, saved in both forms, loaded, merged around, and not fingerprinted."""

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import LlamaForCausalLM
from transformers import initialization as init

from spatial_llm.encoders import SpatialASTForLocalization
from spatial_llm.errors import CheckpointError
from spatial_llm.model import AddedModule, SpatialLLMForConditionalGeneration, trained_keys
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.model.trained_parts import base_state
from spatial_llm.profiling.memory import on_meta, quantised_layers, weight_bytes
from spatial_llm.testing import tiny_config, tiny_inputs
from spatial_llm.training.engine.trainable import what_trains

PLANTED = "language_model.model.layers.1.side"
KEYS = {f"{PLANTED}.gate", f"{PLANTED}.linear.weight", f"{PLANTED}.seen"}


class Side(AddedModule):
    """A gated linear layer beside a decoder layer: a parameter of its own, a layer and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.zeros(1))
        self.linear = nn.Linear(32, 32, bias=False)
        self.register_buffer("seen", torch.ones(1))

    def init_weights(self) -> None:
        init.constant_(self.linear.weight, 0.25)

    def forward(self, layer, args, output):
        return output + self.gate * self.seen * self.linear(output)


class Planted(SpatialLLMForConditionalGeneration):
    """A composite that adds `Side` to a decoder layer, as a fusion would."""

    def extend_language_model(self) -> None:
        super().extend_language_model()
        layer = self.language_model.base_model.layers[1]
        layer.side = Side()
        layer.register_forward_hook(layer.side)


@pytest.fixture(params=[None, {"rank": 2}], ids=["alone", "with LoRA"])
def model(request, tmp_path):
    torch.manual_seed(0)
    config = tiny_config("SpatialLLMForConditionalGeneration")
    SpatialASTForLocalization(config.encoder_config).save_pretrained(tmp_path / "encoder")
    LlamaForCausalLM(config.text_config).save_pretrained(tmp_path / "llm")
    return Planted.from_parts(
        SpatialASTForLocalization.from_pretrained(tmp_path / "encoder"),
        LlamaForCausalLM.from_pretrained(tmp_path / "llm"),
        audio_token_id=config.audio_token_id,
        lora=request.param,
    )


def test_it_trains_and_its_neighbours_do_not(model):
    inputs = tiny_inputs(model.config)
    with torch.no_grad():
        model.language_model.model.layers[1].side.gate.fill_(0.5)
    model.train()(**inputs, labels=inputs["input_ids"]).loss.backward()
    moved = {name for name, p in model.named_parameters() if p.grad is not None}
    inside = {name for name in moved if not name.startswith("projector.")}
    lora = {name for name in inside if ".lora_" in name}
    assert inside - lora == KEYS - {f"{PLANTED}.seen"}
    assert len(lora) == (8 if model.config.lora else 0)
    buffers = {f"{PLANTED}.seen"} | {f"projector.{name}" for name, _ in model.projector.named_buffers()}
    assert trained_keys(model) == moved | buffers
    assert ("language_model Side", "trains", 2, 32 * 32 + 1) in what_trains(model)


def test_it_starts_by_its_own_rule(model):
    for fresh in (model, Planted(model.config)):
        assert (fresh.language_model.model.layers[1].side.linear.weight == 0.25).all()


@pytest.mark.parametrize("trained_only", [True, False])
def test_it_is_saved_and_loaded_in_both_forms(model, trained_only, tmp_path):
    inputs = tiny_inputs(model.config)
    with torch.no_grad():
        for name in trained_keys(model):
            model.state_dict()[name].add_(0.1)
    expected = model.eval()(**inputs).logits
    model.save_pretrained(tmp_path / "out", trained_only=trained_only)
    saved = load_file(tmp_path / "out" / ("trained.safetensors" if trained_only else "model.safetensors"))
    assert set(saved) >= KEYS and (not trained_only or set(saved) == trained_keys(model))
    loaded = Planted.from_pretrained(tmp_path / "out")
    assert torch.equal(loaded(**inputs).logits, expected)
    assert {name for name, p in loaded.named_parameters() if p.requires_grad} <= trained_keys(loaded)
    # A class that does not know it refuses the file, in place of leaving it out.
    with pytest.raises(CheckpointError, match=r"unexpected: .*\.side\.gate"):
        SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "out")


def test_the_fingerprint_is_that_of_the_language_model_alone(model):
    bare = LlamaForCausalLM.from_pretrained(model.language_model.name_or_path)
    assert set(base_state(model.language_model)) == set(bare.state_dict())
    assert fingerprint(model.language_model) == fingerprint(bare)
    with torch.no_grad():
        model.language_model.model.layers[0].mlp.up_proj.weight.add_(1)
    assert fingerprint(model.language_model) != fingerprint(bare)


def test_the_plan_counts_it_as_trained_and_in_full(model):
    meta = on_meta(model.config, torch.bfloat16)
    before = weight_bytes(meta, "4bit")[1]
    planted = Planted.from_parts(meta.encoder, meta.language_model, meta.projector)
    assert not [name for name in quantised_layers(planted) if ".side." in name or ".lora_" in name]
    more = weight_bytes(planted, "4bit")[1] - before
    assert more == (32 * 32 + 1) * (4 + 8), "gradients and AdamW's moments of the planted module, in float32"


def test_merging_lora_leaves_it_and_its_frozen_base(model):
    if model.config.lora is None:
        pytest.skip("nothing to merge")
    model.merge_and_unload()
    assert {name for name in trained_keys(model) if not name.startswith("projector.")} == KEYS
    assert not model.language_model.model.layers[0].mlp.up_proj.weight.requires_grad
