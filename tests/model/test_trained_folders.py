"""The trained-only form, damaged: pointers, adapters, the bases they lead to. One CheckpointError each."""

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaForCausalLM

from spatial_llm.encoders import SpatialASTForLocalization
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLMForConditionalGeneration, add_lora
from spatial_llm.projectors import QFormerProjector
from spatial_llm.testing import tiny_config

POINTERS, CONFIG, WEIGHTS = "trained.json", "config.json", "trained.safetensors"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    torch.manual_seed(0)
    root, config = tmp_path_factory.mktemp("made"), tiny_config("spatial_llm")
    SpatialASTForLocalization(config.encoder_config).save_pretrained(root / "encoder")
    LlamaForCausalLM(config.text_config).save_pretrained(root / "llm")
    config.projector_config.standardize_inputs = True
    model = SpatialLLMForConditionalGeneration.from_parts(
        SpatialASTForLocalization.from_pretrained(root / "encoder"),
        LlamaForCausalLM.from_pretrained(root / "llm"),
        QFormerProjector(config.projector_config),
        audio_token_id=config.audio_token_id,
    )
    add_lora(model, rank=2)
    model.save_pretrained(root / "trained", trained_only=True)
    return root


def put(name, key, value, *parts):
    def damage(folder):
        whole = json.loads((folder / name).read_text(encoding="utf-8"))
        settings = whole
        for part in parts:
            settings = settings[part]
        settings[key] = value
        (folder / name).write_text(json.dumps(whole), encoding="utf-8")

    return damage


def write(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def tensors(change):
    def damage(folder):
        state = {key: tensor.clone() for key, tensor in load_file(folder / WEIGHTS).items()}
        change(state)
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})

    return damage


def _random_base(folder):
    """transformers fills a missing tensor at random and says so in its log."""
    state = load_file(folder.parent / "llm" / "model.safetensors")
    state.pop("model.layers.0.self_attn.q_proj.weight")
    save_file(state, folder.parent / "llm" / "model.safetensors", metadata={"format": "pt"})
    put(POINTERS, "fingerprints", {})(folder)


def _absurd_base(folder):
    put(CONFIG, "num_hidden_layers", 10_000)(folder.parent / "llm")


MATRIX, UP = "projector.linear.weight", "lora_B"
QUICK = {
    "pointers cut": (write(POINTERS, b'{"encoder":'), "trained.json is not JSON"),
    "pointer None": (put(POINTERS, "encoder", None), "encoder is None"),
    "pointer to itself": (put(POINTERS, "encoder", "."), "a trained part itself"),
    "rank 10**9": (put(CONFIG, "rank", 10**9, "lora"), "lora.rank is 1000000000"),
    "projector 10000 layers": (put(CONFIG, "num_hidden_layers", 10_000, "projector_config"), "num_hidden_layers is 10,000"),
    "int8": (tensors(lambda state: state.update({MATRIX: state[MATRIX].to(torch.int8)})), MATRIX),
    "1e300": (tensors(lambda state: state.update({MATRIX: state[MATRIX].double() + 1e300})), MATRIX),
    "base with a gap": (_random_base, "missing: model.layers.0.self_attn.q_proj.weight"),
    "base 10000 layers": (_absurd_base, "num_hidden_layers is 10,000"),
}
SLOW = {
    "pointers empty": (write(POINTERS, b""), "empty"),
    "pointers a list": (write(POINTERS, b"[]"), "expected a JSON object"),
    "pointers not UTF-8": (write(POINTERS, b'{"a":"\xff"}'), "UTF-8"),
    "pointers deep": (write(POINTERS, b"[" * 100_000), "nested"),
    "pointer missing": (write(POINTERS, b"{}"), "encoder is None"),
    "pointer a number": (put(POINTERS, "language_model", 5), "language_model is 5"),
    "pointer nowhere": (put(POINTERS, "language_model", "../nowhere"), "which is no folder"),
    "pointer to a name": (put(POINTERS, "encoder", "no/such"), "cannot be loaded"),
    "pointers exchanged": (put(POINTERS, "encoder", "../llm"), "of type spatial_ast"),
    "language model an encoder": (put(POINTERS, "language_model", "../encoder"), "cannot be loaded"),
    "fingerprints a list": (put(POINTERS, "fingerprints", [1]), "fingerprints"),
    "fingerprint a number": (put(POINTERS, "fingerprints", {"encoder": 5}), "fingerprints"),
    "fingerprint of another": (put(POINTERS, "encoder", "0" * 64, "fingerprints"), "trained on another encoder"),
    "pointers a pipe": (lambda f: ((f / POINTERS).unlink(), os.mkfifo(f / POINTERS)), "no regular file"),
    "config cut": (write(CONFIG, b"{"), "config.json is not JSON"),
    "config missing": (lambda folder: (folder / CONFIG).unlink(), "config"),
    "generation cut": (write("generation_config.json", b"{"), "generation_config.json is not JSON"),
    "rank 3": (put(CONFIG, "rank", 3, "lora"), "lora.rank is 3"),
    "another alpha": (put(CONFIG, "alpha", 1, "lora"), "seal.json"),
    "targets text": (put(CONFIG, "target_modules", "q_proj", "lora"), "target_modules"),
    "target of no layer": (put(CONFIG, "target_modules", ["fc9"], "lora"), "fc9"),
    "no LoRA in the config": (put(CONFIG, "lora", None), "unexpected"),
    "weights cut": (lambda folder: os.truncate(folder / WEIGHTS, 100), "cannot be read"),
    "weights empty": (lambda folder: os.truncate(folder / WEIGHTS, 0), "empty"),
    "weights missing": (lambda folder: (folder / WEIGHTS).unlink(), "no such file"),
    "bool": (tensors(lambda state: state.update({MATRIX: state[MATRIX] > 0})), MATRIX),
    "complex64": (tensors(lambda state: state.update({MATRIX: state[MATRIX].to(torch.complex64)})), MATRIX),
    "deviation of zero": (tensors(lambda state: state["projector.input_std"].zero_()), "negative: projector.input_std"),
    "half of LoRA": (tensors(lambda state: [state.pop(key) for key in list(state) if UP in key]), "missing"),
    "base cut": (lambda folder: os.truncate(folder.parent / "llm" / "model.safetensors", 1000), "cannot be read"),
    "base config cut": (lambda folder: (folder.parent / "llm" / CONFIG).write_text("{"), "cannot be loaded"),
    "encoder cut": (lambda folder: os.truncate(folder.parent / "encoder" / "model.safetensors", 1000), "cannot be read"),
}
CASES = QUICK | SLOW


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def test_damaged_trained_parts(name, made, tmp_path):
    shutil.copytree(made, tmp_path / "all")
    folder = tmp_path / "all" / "trained"
    damage, words = CASES[name]
    damage(folder)
    with pytest.raises(SpatialLLMError) as error:
        SpatialLLMForConditionalGeneration.from_pretrained(folder)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_pointers_may_be_set_anew(made, tmp_path):
    """Fingerprints bind what they lead to, not the seal."""
    shutil.copytree(made, tmp_path / "all")
    (tmp_path / "all" / "llm").rename(tmp_path / "all" / "moved")
    put(POINTERS, "language_model", "../moved")(tmp_path / "all" / "trained")
    SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "all" / "trained")
