"""The composite without its head: the same tensors, up to the last hidden states."""

import pytest
import torch
from transformers import LlamaForCausalLM

from spatial_llm.encoders import SpatialASTModel
from spatial_llm.model import SpatialLLMForConditionalGeneration, SpatialLLMModel
from spatial_llm.projectors import QFormerProjector
from spatial_llm.testing import tiny_config


def test_base_model_is_the_same_model_without_its_head(model, inputs):
    body = model.base_model
    assert type(body) is SpatialLLMModel
    assert all(own is other for own, other in zip(body.parameters(), model.parameters(), strict=True))
    output = body(**inputs)
    whole = model(**inputs)
    assert output.last_hidden_state.shape == (*inputs["input_ids"].shape, 32)
    assert torch.equal(output.audio_embeds, whole.audio_embeds)
    torch.testing.assert_close(model.get_output_embeddings()(output.last_hidden_state), whole.logits)
    assert body.get_output_embeddings() is None
    assert not body.can_generate()


def test_a_part_put_in_place_is_seen_from_both_sides(model):
    body = model.base_model
    model.projector = type(model.projector)(model.config.projector_config)
    assert body.projector is model.projector


def test_encoder_is_found_by_what_it_hears(model):
    assert model.get_encoder() is model.get_encoder("audio") is model.base_model.get_encoder("audio") is model.encoder


@pytest.mark.parametrize("saved_by", [SpatialLLMModel, SpatialLLMForConditionalGeneration])
@pytest.mark.parametrize("loaded_by", [SpatialLLMModel, SpatialLLMForConditionalGeneration])
def test_each_loads_what_the_other_saved(model, inputs, tmp_path, saved_by, loaded_by):
    saved = model if saved_by is type(model) else model.base_model
    saved.save_pretrained(tmp_path)
    loaded = loaded_by.from_pretrained(tmp_path)
    assert type(loaded) is loaded_by
    expected = model.state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in loaded.state_dict().items())
    assert not any(parameter.requires_grad for parameter in loaded.encoder.parameters())


def test_trained_only_form_of_the_body(inputs, tmp_path):
    config = tiny_config("SpatialLLMModel")
    SpatialASTModel(config.encoder_config).save_pretrained(tmp_path / "encoder")
    LlamaForCausalLM(config.text_config).save_pretrained(tmp_path / "llm")
    body = SpatialLLMModel.from_parts(
        SpatialASTModel.from_pretrained(tmp_path / "encoder"),
        LlamaForCausalLM.from_pretrained(tmp_path / "llm"),
        QFormerProjector(config.projector_config).eval(),
        config.audio_token_id,
    )
    expected = body(**inputs).last_hidden_state
    body.save_pretrained(tmp_path / "trained", trained_only=True)
    assert torch.equal(SpatialLLMModel.from_pretrained(tmp_path / "trained")(**inputs).last_hidden_state, expected)
    whole = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "trained")
    assert torch.equal(whole.base_model(**inputs).last_hidden_state, expected)
