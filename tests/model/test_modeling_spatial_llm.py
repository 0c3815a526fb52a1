"""The composite: where audio goes, what is frozen, and generation that agrees with itself."""

import warnings

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaForCausalLM

from spatial_llm.encoders import SpatialASTForLocalization, SpatialASTModel
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_config


def test_placeholders_take_the_audio_embeddings_in_order(model, inputs):
    seen = []
    model.language_model.register_forward_pre_hook(lambda _, a, k: seen.append(k["inputs_embeds"]), with_kwargs=True)
    output = model(**inputs)
    expected = model.get_audio_features(inputs["input_features"]).pooler_output
    assert torch.equal(output.audio_embeds, expected)
    assert torch.equal(seen[0][:, :4], expected)
    assert torch.equal(seen[0][:, 4:], model.get_input_embeddings()(inputs["input_ids"][:, 4:]))


def test_another_recording_gives_another_answer(model, inputs):
    other = {**inputs, "input_features": inputs["input_features"].flip(1)}
    assert not torch.allclose(model(**inputs).logits, model(**other).logits, atol=1e-3)


def test_encoder_output_may_come_precomputed(model, inputs):
    features = model.get_audio_features(inputs["input_features"])
    assert features.last_hidden_state.shape == (3, model.config.encoder_config.token_layout.num_tokens, 48)
    assert features.pooler_output.shape == (3, 4, 32)
    hidden = model.encoder(inputs["input_features"]).last_hidden_state
    text = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    assert torch.equal(model(**text, audio_hidden_states=hidden).logits, model(**inputs).logits)


def test_placeholder_may_lie_outside_the_vocabulary(model, inputs):
    expected = model(**inputs).logits
    ids = inputs["input_ids"].clone()
    model.config.audio_token_id = 40_000
    ids[ids == 3] = 40_000
    assert torch.equal(model(**{**inputs, "input_ids": ids}).logits, expected)
    embeds = model.get_input_embeddings()(inputs["input_ids"])
    with pytest.raises(SpatialLLMError, match="outside the vocabulary"):
        model(inputs_embeds=embeds, input_features=inputs["input_features"])


def test_numbers_of_placeholders_and_embeddings_must_agree(model, inputs):
    with pytest.raises(ValueError, match="12 audio placeholders, but 2 clips make 8"):
        model(**{**inputs, "input_features": inputs["input_features"][:2]})
    twice = torch.cat([inputs["input_ids"]] * 2, dim=1)
    with pytest.raises(ValueError, match="24 audio placeholders"):
        model(input_ids=twice, input_features=inputs["input_features"])


def test_audio_left_out_is_said_aloud(model, inputs):
    with pytest.warns(UserWarning, match="hears nothing"):
        model(input_ids=inputs["input_ids"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(input_ids=inputs["input_ids"][:, 4:])


def test_exactly_one_form_of_text_and_of_audio(model, inputs):
    embeds = model.get_input_embeddings()(inputs["input_ids"])
    with pytest.raises(SpatialLLMError, match="input_ids and inputs_embeds"):
        model(inputs_embeds=embeds, **inputs)
    with pytest.raises(SpatialLLMError, match="exactly one of input_features"):
        model(**inputs, audio_hidden_states=torch.zeros(3, 7, 48))


def test_several_clips_in_one_prompt(model, inputs):
    slots, text = inputs["input_ids"][:1, :4], inputs["input_ids"][:1, 4:]
    ids = torch.cat([slots, text, slots], dim=1)
    clips = inputs["input_features"][:2]
    logits = model(input_ids=ids, input_features=clips).logits
    assert not torch.allclose(logits, model(input_ids=ids, input_features=clips.flip(0)).logits, atol=1e-3)


def test_inputs_embeds_in_place_of_ids(model, inputs):
    embeds = model.get_input_embeddings()(inputs["input_ids"])
    output = model(inputs_embeds=embeds, input_features=inputs["input_features"])
    assert torch.equal(output.logits, model(**inputs).logits)


def test_logits_are_kept_where_the_language_model_cannot_keep_some(model, inputs, monkeypatch):
    full, forward = model(**inputs).logits, model.language_model.forward
    monkeypatch.setattr(model.language_model, "forward", lambda **given: forward(**given))  # names no logits_to_keep
    torch.testing.assert_close(model(**inputs, logits_to_keep=2).logits, full[:, -2:])
    torch.testing.assert_close(model(**inputs, logits_to_keep=torch.tensor([0, 3])).logits, full[:, [0, 3]])
    torch.testing.assert_close(model(**inputs).logits, full)


def test_logits_to_keep_and_ignored_labels(model, inputs):
    full = model(**inputs).logits
    torch.testing.assert_close(model(**inputs, logits_to_keep=2).logits, full[:, -2:])
    labels = inputs["input_ids"].clone()
    labels[:, :-3] = -100
    expected = torch.nn.functional.cross_entropy(full[:, -4:-1].flatten(0, 1), labels[:, -3:].flatten())
    torch.testing.assert_close(model(**inputs, labels=labels).loss, expected)


def test_eager_and_sdpa_agree(model, inputs):
    # In float64, where only the softmax of eager attention, which is computed in float32, differs on some processors.
    model.double()
    inputs = {name: value.double() if value.is_floating_point() else value for name, value in inputs.items()}
    expected = model(**inputs).logits
    model.set_attn_implementation("eager")
    assert model.projector.qformer.config._attn_implementation == "eager"
    assert model.encoder.config._attn_implementation == "eager"
    assert (model(**inputs).logits - expected).abs().max() < 1e-5 * expected.abs().max()


def test_encoder_stays_in_eval_mode_without_gradients(model, inputs):
    before = {name: value.clone() for name, value in model.encoder.state_dict().items()}
    model.train()
    assert model.projector.training
    assert not any(module.training for module in model.encoder.modules())
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.encoder.state_dict().items())


def test_encoder_trains_where_the_config_says_so(inputs):
    config = tiny_config("SpatialLLMForConditionalGeneration")
    config.freeze_encoder = False
    model = SpatialLLMForConditionalGeneration(config).train()
    assert model.encoder.training
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    assert all(p.grad is not None for p in model.encoder.layers.parameters())


def test_from_parts_uses_the_parts_themselves(inputs):
    config = tiny_config("SpatialLLMForConditionalGeneration")
    encoder = SpatialASTForLocalization(config.encoder_config)
    language_model = LlamaForCausalLM(config.text_config).eval()
    language_model.set_attn_implementation("eager")
    model = SpatialLLMForConditionalGeneration.from_parts(encoder, language_model)
    assert model.encoder is encoder.encoder
    assert model.language_model is language_model
    assert not any(parameter.is_meta for parameter in model.parameters())
    assert model.config.text_config._attn_implementation == "eager"
    assert model.config.audio_token_id == config.text_config.vocab_size
    assert model.config.num_audio_tokens == 64


def test_any_causal_language_model_will_do(inputs):
    config = tiny_config("SpatialASTModel")
    language_model = GPT2LMHeadModel(
        GPT2Config(vocab_size=50, n_embd=16, n_layer=1, n_head=2, bos_token_id=1, eos_token_id=2)
    )
    model = SpatialLLMForConditionalGeneration.from_parts(SpatialASTModel(config), language_model).eval()
    ids = torch.cat([torch.full((1, 64), 50), torch.tensor([[1, 7, 8]])], dim=1)
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "input_features": inputs["input_features"][:1]}
    assert model(**batch).logits.shape == (1, 67, 50)
    assert model.generate(**batch, max_new_tokens=3, min_new_tokens=3, pad_token_id=0).shape == (1, 70)
