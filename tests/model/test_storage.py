"""Both saved forms come back bit for bit, and no gap in a file goes unnoticed."""

import json
import shutil
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForMultimodalLM, LlamaForCausalLM

from spatial_llm.encoders import DSpASTForLocalization, SpatialASTForLocalization
from spatial_llm.errors import CheckpointError
from spatial_llm.model import SpatialLLMForConditionalGeneration, add_lora, trained_keys
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.projectors import QFormerProjector
from spatial_llm.testing import TINY_PROJECTORS, tiny_config, tiny_inputs


def _train(model):
    """Stands in for training: moves all that trains."""
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return model.eval()


@pytest.fixture
def whole():
    torch.manual_seed(0)
    return _train(SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration")))


@pytest.fixture
def parts(tmp_path):
    """A composite whose encoder and language model were loaded from folders."""
    torch.manual_seed(0)
    config = tiny_config("SpatialLLMForConditionalGeneration")
    SpatialASTForLocalization(config.encoder_config).save_pretrained(tmp_path / "encoder")
    LlamaForCausalLM(config.text_config).save_pretrained(tmp_path / "llm")
    model = SpatialLLMForConditionalGeneration.from_parts(
        SpatialASTForLocalization.from_pretrained(tmp_path / "encoder"),
        LlamaForCausalLM.from_pretrained(tmp_path / "llm"),
        QFormerProjector(config.projector_config),
        audio_token_id=config.audio_token_id,
    )
    add_lora(model, rank=2)
    return _train(model)


def test_everything_in_one_folder(whole, tmp_path):
    inputs = tiny_inputs(whole.config)
    whole.save_pretrained(tmp_path)
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path)
    assert torch.equal(loaded(**inputs).logits, whole(**inputs).logits)
    assert {name for name, p in loaded.named_parameters() if p.requires_grad} == trained_keys(loaded)
    assert not loaded.training


def test_trained_only_form_holds_what_trained_and_no_more(parts, tmp_path):
    folder = tmp_path / "trained"
    parts.save_pretrained(folder, trained_only=True)
    assert set(load_file(folder / "trained.safetensors")) == trained_keys(parts)
    size = sum(p.numel() * 4 for p in parts.parameters() if p.requires_grad)
    # Names and offsets take a few kB, below 1 % at full size.
    assert (folder / "trained.safetensors").stat().st_size <= size * 1.01 + 20_000
    known = json.loads((folder / "trained.json").read_text())
    assert set(known.pop("fingerprints")) == {"encoder", "language_model"}
    assert known == {"encoder": "../encoder", "language_model": "../llm"}


def test_trained_only_form_comes_back(parts, tmp_path):
    inputs = tiny_inputs(parts.config)
    expected = parts(**inputs).logits
    parts.save_pretrained(tmp_path / "trained", trained_only=True)
    for loader in (SpatialLLMForConditionalGeneration, AutoModelForMultimodalLM):
        loaded = loader.from_pretrained(tmp_path / "trained")
        assert torch.equal(loaded(**inputs).logits, expected)
        assert {name for name, p in loaded.named_parameters() if p.requires_grad} == trained_keys(loaded)
    # The whole tree may move.
    shutil.copytree(tmp_path, tmp_path.with_name("moved"))
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path.with_name("moved") / "trained")
    assert torch.equal(loaded(**inputs).logits, expected)
    # And a form may become the other.
    loaded.save_pretrained(tmp_path / "whole")
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "whole")
    assert torch.equal(loaded(**inputs).logits, expected)


@pytest.mark.parametrize("projector", sorted(TINY_PROJECTORS))
@pytest.mark.parametrize("trained_only", [False, True])
def test_every_projector_comes_back_in_both_forms(projector, trained_only, tmp_path):
    torch.manual_seed(0)
    config = tiny_config("SpatialLLMForConditionalGeneration", "dspast", projector)
    DSpASTForLocalization(config.encoder_config).save_pretrained(tmp_path / "encoder")
    LlamaForCausalLM(config.text_config).save_pretrained(tmp_path / "llm")
    model = SpatialLLMForConditionalGeneration.from_parts(
        DSpASTForLocalization.from_pretrained(tmp_path / "encoder"),
        LlamaForCausalLM.from_pretrained(tmp_path / "llm"),
        AutoModel.from_config(config.projector_config),
        audio_token_id=config.audio_token_id,
    )
    add_lora(model, rank=2)
    inputs = tiny_inputs(_train(model).config)
    model.save_pretrained(tmp_path / "saved", trained_only=trained_only)
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "saved")
    assert type(loaded.projector) is type(model.projector)
    assert torch.equal(loaded(**inputs).logits, model(**inputs).logits)


def test_pointers_that_lead_nowhere(parts, whole, tmp_path):
    with pytest.raises(CheckpointError, match="encoder was not loaded from a folder"):
        whole.save_pretrained(tmp_path / "lost", trained_only=True)
    parts.save_pretrained(tmp_path / "trained", trained_only=True)
    (tmp_path / "llm").rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=r"language_model at \.\./llm"):
        SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "trained")
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(
        tmp_path / "trained", language_model=str(tmp_path / "elsewhere")
    )
    inputs = tiny_inputs(parts.config)
    assert torch.equal(loaded(**inputs).logits, parts(**inputs).logits)


@pytest.mark.parametrize("part", ["encoder", "language_model"])
def test_trained_part_is_not_put_on_another_base(parts, tmp_path, part):
    """A base model of the same shape, with one weight of one tensor moved, is refused."""
    parts.save_pretrained(tmp_path / "trained", trained_only=True)
    loader = {"encoder": SpatialASTForLocalization, "language_model": LlamaForCausalLM}[part]
    other = loader.from_pretrained(tmp_path / {"encoder": "encoder", "language_model": "llm"}[part])
    weights = next(other.base_model.parameters())
    with torch.no_grad():
        weights[(0,) * weights.dim()] += 1.0
    with pytest.raises(CheckpointError, match=f"trained on another {part}: its fingerprint is"):
        SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "trained", **{part: other})
    other.save_pretrained(tmp_path / "other")
    with pytest.raises(CheckpointError, match=f"trained on another {part}"):
        SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "trained", **{part: str(tmp_path / "other")})


def test_base_is_known_in_bfloat16_and_questioned_in_float16(parts, tmp_path):
    parts.save_pretrained(tmp_path / "trained", trained_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "trained", dtype=torch.bfloat16)
    with pytest.warns(UserWarning, match="language_model is the one it was trained on could not be checked"):
        SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "trained", dtype=torch.float16)
    # A folder of an earlier version has no fingerprints.
    known = json.loads((tmp_path / "trained" / "trained.json").read_text())
    del known["fingerprints"]
    (tmp_path / "trained" / "trained.json").write_text(json.dumps(known))
    with pytest.warns(UserWarning, match="could not be checked"):
        SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "trained")


def test_adapters_do_not_change_the_fingerprint_of_their_base(parts):
    before = fingerprint(parts.language_model)
    assert before == fingerprint(LlamaForCausalLM.from_pretrained(parts.language_model.name_or_path))
    assert before != fingerprint(LlamaForCausalLM(parts.config.text_config))


def test_forms_do_not_mix_in_one_folder(parts, tmp_path):
    parts.save_pretrained(tmp_path / "trained", trained_only=True)
    parts.save_pretrained(tmp_path / "trained")
    assert not (tmp_path / "trained" / "trained.json").exists()
    with pytest.raises(CheckpointError, match="holds a whole model"):
        parts.save_pretrained(tmp_path / "trained", trained_only=True)


def test_save_that_drops_the_projector_is_noticed(whole, tmp_path):
    lora_only = {key: value for key, value in whole.state_dict().items() if not key.startswith("projector.")}
    with pytest.raises(CheckpointError, match=r"missing: .*projector\."):
        whole.save_pretrained(tmp_path, state_dict=lora_only)


def _damage(tensors, kind):
    key = "projector.linear.weight"
    if kind == "missing":
        tensors.pop(key)
    elif kind == "unexpected":
        tensors["projector.renamed"] = tensors.pop(key)
    elif kind == "not finite":
        tensors[key][0, 0] = float("nan")
    else:
        tensors[key] = tensors[key][:-1]


@pytest.mark.parametrize("kind", ["missing", "unexpected", "not finite", "mismatched"])
@pytest.mark.parametrize("form", ["whole", "trained"])
def test_damaged_file_is_refused_and_the_tensor_named(parts, tmp_path, form, kind):
    parts.save_pretrained(tmp_path / form, trained_only=form == "trained")
    path = tmp_path / form / ("trained.safetensors" if form == "trained" else "model.safetensors")
    tensors = {key: value.clone() for key, value in load_file(path).items()}
    _damage(tensors, kind)
    save_file(tensors, path, metadata={"format": "pt"})
    name = "projector.renamed" if kind == "unexpected" else "projector.linear.weight"
    with pytest.raises(CheckpointError, match=rf"{kind}: .*{name}"):
        SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / form)


def test_file_that_is_cut_is_refused(parts, tmp_path):
    parts.save_pretrained(tmp_path / "trained", trained_only=True)
    path = tmp_path / "trained" / "trained.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"trained\.safetensors cannot be read"):
        SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "trained")
