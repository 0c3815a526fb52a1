"""Both saved forms and copies of composites with a fusion answer as before."""

import copy
import json

import pytest
import torch
from transformers import AutoModelForMultimodalLM

from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLMForConditionalGeneration, add_lora
from spatial_llm.model.fingerprint import fingerprint
from tests.fusion.conftest import composite, prompts
from tests.fusion.test_generation import FUSIONS


@pytest.fixture(params=FUSIONS.values(), ids=FUSIONS)
def model(request):
    return composite(request.param)


def logits(model):
    with torch.no_grad():
        return model(**prompts(model, "tAtt", "Att", audio="input_features")).logits


def test_save_load_save_is_identical(model, tmp_path):
    model.save_pretrained(tmp_path / "first")
    loaded = AutoModelForMultimodalLM.from_pretrained(tmp_path / "first")
    # Not bit for bit: the same numbers at another place in memory may be summed in another order.
    torch.testing.assert_close(logits(loaded), logits(model), atol=2e-5, rtol=1e-5)
    loaded.save_pretrained(tmp_path / "second")
    AutoModelForMultimodalLM.from_pretrained(tmp_path / "second").save_pretrained(tmp_path / "third")
    weights, config = (
        [(tmp_path / folder / name).read_bytes() for folder in ("first", "second", "third")]
        for name in ("model.safetensors", "config.json")
    )
    assert weights[0] == weights[1] == weights[2]
    assert config[1] == config[2]  # the first one names no dtype: its model was not loaded from anywhere


def test_the_trained_part_alone(model, tmp_path):
    for name in ("encoder", "language_model"):
        part = getattr(composite(None, encoder=model.config.encoder_config.model_type, lora=None), name)
        part.save_pretrained(tmp_path / name)
        setattr(model, name, type(part).from_pretrained(tmp_path / name))
    lora = model.config.lora
    joined = SpatialLLMForConditionalGeneration.from_parts(
        model.encoder, model.language_model, model.projector, model.config.audio_token_id, fusion=model.config.fusion
    )
    add_lora(joined, **lora)
    joined.eval()
    before = fingerprint(joined.language_model)
    for part in joined.trained_parts().values():
        for parameter in part.parameters():
            parameter.data.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    assert fingerprint(joined.language_model) == before
    joined.save_pretrained(tmp_path / "trained", trained_only=True)
    assert {path.name for path in (tmp_path / "trained").iterdir()} >= {"trained.safetensors", "config.json"}
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "trained")
    torch.testing.assert_close(logits(loaded), logits(joined), atol=2e-5, rtol=1e-5)


def test_copies_and_other_attention_still_hear(model):
    expected = logits(model)
    torch.testing.assert_close(logits(copy.deepcopy(model)), expected, atol=2e-5, rtol=1e-5)
    model.set_attn_implementation({"text_config": "eager"})
    torch.testing.assert_close(logits(model)[:, -1], expected[:, -1], atol=2e-4, rtol=1e-4)


def test_fresh_parts_start_where_they_should(tmp_path):
    """Norms as copies of their layer's, gates closed, whichever way the composite is made."""
    lal = composite({"type": "lal", "width": 24, "layers": [1]}, lora=None)
    layer = lal.language_model.get_decoder().layers[1]
    for parameter in layer.input_layernorm.parameters():
        parameter.data.uniform_(0.5, 2.0)
    joined = SpatialLLMForConditionalGeneration.from_parts(
        lal.encoder, composite(None, lora=None).language_model, fusion={"type": "lal", "width": 24, "layers": [1]}
    )
    layer = joined.language_model.get_decoder().layers[1]
    assert torch.equal(layer.self_attn.audio_fusion.norm.weight, layer.input_layernorm.weight)
    assert layer.self_attn.audio_fusion.norm.weight is not layer.input_layernorm.weight
    assert layer.self_attn.audio_fusion.projection.weight.std().item() == pytest.approx(0.02, rel=0.2)
    gated = SpatialLLMForConditionalGeneration.from_parts(
        lal.encoder, composite(None, lora=None).language_model, fusion={"type": "gated_cross_attention", "width": 24}
    )
    gates = [parameter for name, parameter in gated.named_parameters() if name.endswith("_gate")]
    assert len(gates) == 2 * 4
    assert not torch.cat(gates).any()


def test_a_misspelt_field_in_a_saved_folder_is_named(model, tmp_path):
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["fusion"]["layer"] = [1]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(SpatialLLMError, match=r"fusion\.layer is no field of"):
        SpatialLLMForConditionalGeneration.from_pretrained(tmp_path)


def test_a_folder_is_not_loaded_with_another_fusion(tmp_path):
    """Prefix and delayed have the same tensors."""
    delayed = composite({"type": "delayed", "start_layer": 1})
    delayed.save_pretrained(tmp_path)
    for asked in ({"fusion": {"type": "prefix"}}, {"fusion": None}, {"config": composite(None).config}):
        with pytest.raises(SpatialLLMError, match="was saved with fusion"):
            SpatialLLMForConditionalGeneration.from_pretrained(tmp_path, **asked)
    same = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path, fusion={"type": "delayed", "start_layer": 1})
    torch.testing.assert_close(logits(same), logits(delayed), atol=2e-5, rtol=1e-5)
