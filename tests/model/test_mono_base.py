"""A base that hears by itself, with the plug-in off and on: SPUR's form (arXiv 2511.06606)."""

import copy

import pytest
import torch
from transformers import VoxtralConfig, VoxtralForConditionalGeneration

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.cache_name import CACHE
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.model.mono_inputs import MonoInputs
from spatial_llm.model.trained_parts import base_state
from spatial_llm.testing import TINY_FUSIONS, tiny_config
from spatial_llm.training.engine.trainable import state_hash
from tests.mono_bases import AUDIO_ID, BASES, encoder_and_projector, recordings, tiny_base, tiny_plugged

pytestmark = pytest.mark.slow  # a real simulation or model in every test

QUESTIONS = ["Where is the sound?", "What do you hear?", "How far is it?"]


@pytest.fixture(params=["granite_speech", pytest.param("qwen2_audio", marks=pytest.mark.slow)])
def model(request):
    return tiny_plugged(request.param)


def batch_of(model, count=3, **options):
    return model.processor(recordings(count), QUESTIONS[:count], sampling_rate=32_000, return_tensors="pt", **options)


def alone(model, inputs, row):
    """The row of a batch as its own batch, without padding."""
    there = inputs["attention_mask"][row].bool()
    one = {name: tensor[row : row + 1] for name, tensor in inputs.items()}
    return one | {name: inputs[name][row : row + 1, there] for name in ("input_ids", "attention_mask")}


@pytest.mark.parametrize("name", BASES)
@pytest.mark.parametrize("attention", ["sdpa", pytest.param("eager", marks=pytest.mark.slow)])
def test_with_the_plug_in_off_logits_and_answers_are_the_bits_of_the_base(name, attention):
    base, processor = tiny_base(name)
    base.set_attn_implementation(attention)
    prompts = [f"{question} <|audio|> Answer:" for question in QUESTIONS]
    mono = [each.numpy() for each in recordings(3)[:, 0, ::2]]  # any audio, at 16 kHz
    rate = {} if name == "granite_speech" else {"sampling_rate": 16_000}
    inputs = processor(text=prompts, audio=mono, return_tensors="pt", padding=True, padding_side="left", **rate)
    options = {"max_new_tokens": 6, "do_sample": False}
    expected = [base(**inputs).logits, base.generate(**inputs, **options), base.generate(**inputs, **options, num_beams=3)]
    sample = base.generate(**inputs, max_new_tokens=6, do_sample=False, use_cache=False)
    encoder, projector = encoder_and_projector()
    net = SpatialLLMForConditionalGeneration.from_parts(encoder, base, projector, lora={"rank": 2}).eval()
    for parameter_name, parameter in net.named_parameters():
        if ".lora_" in parameter_name:
            parameter.data.normal_()
    ours = MonoInputs.named(inputs)
    found = [net(**ours).logits, net.generate(**ours, **options), net.generate(**ours, **options, num_beams=3)]
    assert all(torch.equal(*both) for both in zip(found, expected, strict=True))
    assert torch.equal(net.generate(**ours, **options, use_cache=False), sample)
    assert len({tuple(row) for row in expected[1][:, -6:].tolist()}) > 1  # it hears, and says different things


def test_the_plug_in_changes_answers_by_both_of_its_parts(model):
    inputs = batch_of(model)
    on = model.model(**inputs).logits[:, -1]
    for spoilt in ("input_features", "mono_features"):
        assert not torch.allclose(model.model(**{**inputs, spoilt: inputs[spoilt].flip(0)}).logits[:, -1], on), spoilt
    plain = copy.deepcopy(model.model)
    for name, parameter in plain.named_parameters():
        if ".lora_B" in name:
            parameter.data.zero_()
    assert not torch.allclose(plain(**inputs).logits[:, -1], on)


def test_lora_lies_on_the_text_model_alone_and_only_our_parts_train(model):
    parts = model.model.trained_parts()
    assert {name.split(".")[0] for name in parts} == {"projector", "language_model"}
    assert all(name.startswith("language_model.model.language_model.layers.") for name in parts if name != "projector")
    trained = {name for name, parameter in model.model.named_parameters() if parameter.requires_grad}
    assert trained == {name for name, _ in model.model.named_parameters() if name.startswith(tuple(parts))}
    without = tiny_plugged(model.model.config.text_config.model_type, lora=None).model
    assert not any(parameter.requires_grad for parameter in without.language_model.parameters())


def test_a_step_of_training_changes_our_parts_and_no_bit_of_the_base(model):
    net = model.model.train()
    text, before = net.language_model.get_decoder(), hash_of(base_state(net.language_model))
    assert text.training and not any(m.training for n, m in net.language_model.named_modules() if "language_model" not in n)
    ours = {name: state_hash(part) for name, part in net.trained_parts().items()}
    inputs = batch_of(model, answers=["left", "right", "behind"])
    optimizer = torch.optim.SGD([one for one in net.parameters() if one.requires_grad], lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        net(**inputs).loss.backward()
        optimizer.step()
    assert hash_of(base_state(net.language_model)) == before
    changed = {name for name, part in net.trained_parts().items() if state_hash(part) != ours[name]}
    assert {"projector"} < changed and all(name in changed for name in ours if "lora_A" in name or "lora_B" in name)


def hash_of(tensors):
    return {name: tensor.clone().numpy().tobytes() for name, tensor in tensors.items()}


@pytest.mark.parametrize("options", [{}, pytest.param({"num_beams": 2}, marks=pytest.mark.slow)])
def test_a_batch_equals_its_members_and_cached_equals_uncached(model, options):
    inputs, options = batch_of(model), {"max_new_tokens": 5, "do_sample": False, "suppress_tokens": [AUDIO_ID]} | options
    found = model.model.generate(**inputs, **options)
    assert torch.equal(model.model.generate(**inputs, **options, use_cache=False), found)
    for row in range(3):
        one = model.model.generate(**alone(model, inputs, row), **options)
        assert torch.equal(one[0, -5:], found[row, -5:])
    logits = model.model(**inputs).logits[:, -1]
    for row in range(3):
        assert torch.allclose(model.model(**alone(model, inputs, row)).logits[0, -1], logits[row], atol=1e-3)


def test_the_text_after_a_heard_prompt_is_answered_with_lora_and_a_fresh_one_without(model):
    net, inputs = model.model, batch_of(model)
    first = net.generate(**inputs, max_new_tokens=3, do_sample=False, return_dict_in_generate=True)
    longer = {**inputs, "input_ids": first.sequences, "attention_mask": torch.ones_like(first.sequences)}
    longer["attention_mask"][:, : inputs["attention_mask"].shape[1]] = inputs["attention_mask"]
    second = net.generate(**longer, max_new_tokens=3, do_sample=False, **{CACHE: first[CACHE]})
    assert torch.equal(second, net.generate(**inputs, max_new_tokens=6, do_sample=False))
    words = {"input_ids": inputs["input_ids"][:, -5:], "attention_mask": torch.ones(3, 5, dtype=torch.long)}
    expected = tiny_base(net.config.text_config.model_type)[0](**words).logits
    assert torch.equal(net(**words).logits, expected)


@pytest.mark.parametrize("trained_only", [False, True])
def test_both_saved_forms_come_back_with_the_same_bits(model, trained_only, tmp_path):
    name = model.model.config.text_config.model_type
    model.model.encoder.save_pretrained(tmp_path / "encoder")
    base, processor = tiny_base(name)
    base.save_pretrained(tmp_path / "base")
    processor.save_pretrained(tmp_path / "base")
    places = {"encoder": str(tmp_path / "encoder"), "language_model": str(tmp_path / "base")} if trained_only else {}
    model.save_pretrained(tmp_path / "one", **({"trained_only": True} if trained_only else {}), **places)
    again = SpatialLLM.from_pretrained(tmp_path / "one")
    again.save_pretrained(tmp_path / "two", **({"trained_only": True} if trained_only else {}), **places)
    file = "trained.safetensors" if trained_only else "model.safetensors"
    assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    inputs = batch_of(model)
    theirs = again.processor(recordings(3), QUESTIONS, sampling_rate=32_000, return_tensors="pt")
    assert set(inputs) == set(theirs) and all(torch.equal(inputs[key], theirs[key]) for key in inputs)
    with torch.no_grad():
        assert torch.equal(again.model.eval()(**theirs).logits, model.model(**inputs).logits)
    assert again.model.config.mono == "mean"


@pytest.mark.slow
@pytest.mark.parametrize("fusion", [name for name in TINY_FUSIONS if name != "prefix"])
@pytest.mark.parametrize("name", BASES)
def test_every_fusion_works_beside_the_mono_audio_and_is_off_without_spatial_tokens(name, fusion):
    model = tiny_plugged(name, fusion)
    inputs, options = batch_of(model), {"max_new_tokens": 4, "do_sample": False}
    assert torch.isfinite(model.model(**inputs, labels=inputs["input_ids"].clamp(max=300)).loss)
    found = model.model.generate(**inputs, **options)
    for row in range(3):
        assert torch.equal(model.model.generate(**alone(model, inputs, row), **options)[0, -4:], found[row, -4:])
    assert torch.equal(model.model.generate(**inputs, **options, use_cache=False), found)
    spoilt = {**inputs, "input_features": inputs["input_features"].flip(0)}
    assert fusion == "gated_cross_attention" or not torch.allclose(
        model.model(**spoilt).logits[:, -1], model.model(**inputs).logits[:, -1]
    )  # whose gates start at zero
    words = {"input_ids": inputs["input_ids"][:, -5:], "attention_mask": torch.ones(3, 5, dtype=torch.long)}
    assert torch.equal(model.model(**words).logits, tiny_base(name)[0](**words).logits)


def test_ask_hears_both_and_talks_on(model):
    heard = model.listen(recordings(1)[0], 32_000)
    assert set(heard.audio) == {"audio_embeds", "mono_features", "mono_mask"}
    answer = heard.ask("Where is it?", max_new_tokens=4)
    assert answer == model.ask(recordings(1)[0], "Where is it?", sampling_rate=32_000, max_new_tokens=4)
    talks = [heard.talk(use_cache=use_cache) for use_cache in (True, False)]
    for question in ("Where is it?", "And now?"):
        one, other = (talk.ask(question, max_new_tokens=4) for talk in talks)
        assert one == other


REFUSED = {
    "mono_features": "hears the recording by itself too",
    "input_features": "no spatial audio was given",
}


@pytest.mark.parametrize("missing", REFUSED)
def test_a_missing_input_is_refused_in_words(model, missing):
    inputs = batch_of(model)
    inputs.pop(missing)
    for call in (model.model, model.model.base_model):
        with pytest.raises(SpatialLLMError, match=REFUSED[missing]):
            call(**inputs)


def test_prompts_that_do_not_hold_both_are_refused_in_words(model):
    inputs, words = batch_of(model), torch.full((1,), 60)
    ids = inputs["input_ids"].clone()
    ids[1][ids[1] == AUDIO_ID] = words
    with pytest.raises(SpatialLLMError, match="prompt 1 holds spatial tokens but no audio placeholder of"):
        model.model(**{**inputs, "input_ids": ids})
    ids = inputs["input_ids"].clone()
    ids[1][(ids[1] == AUDIO_ID).nonzero()[0]] = words
    with pytest.raises(SpatialLLMError, match="another number of its audio placeholders"):
        model.model(**{**inputs, "input_ids": ids})
    ids = inputs["input_ids"].clone()
    ids[1][ids[1] == model.model.config.audio_token_id] = words
    fewer = {name: inputs[name][[0, 2]] for name in ("input_features",)}
    with pytest.raises(SpatialLLMError, match="mono_features are of 3 recordings, the spatial audio of 2"):
        model.model(**{**inputs, **fewer, "input_ids": ids})
    ids[1][ids[1] == AUDIO_ID] = words
    fewer = {name: inputs[name][[0, 2]] for name in ("input_features", "mono_features", "mono_mask")}
    with pytest.raises(SpatialLLMError, match="prompt 1 of the batch has no spatial tokens and others have"):
        model.model(**{**inputs, **fewer, "input_ids": ids})


def test_classes_that_cannot_take_it_are_named(model):
    voxtral = VoxtralConfig(
        text_config={"model_type": "llama", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1,
                     "num_attention_heads": 2, "vocab_size": 50},
        audio_config={"hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
                      "num_mel_bins": 8, "max_source_positions": 8, "vocab_size": 9},
    )  # fmt: skip
    other, (encoder, projector) = VoxtralForConditionalGeneration(voxtral), encoder_and_projector()
    with pytest.raises(SpatialLLMError, match=r"VoxtralForConditionalGeneration \(voxtral\) cannot be the language model"):
        SpatialLLMForConditionalGeneration.from_parts(encoder, other)
    base, _ = tiny_base(model.model.config.text_config.model_type)
    with pytest.raises(SpatialLLMError, match="audio_token_id is 3, the placeholder of"):
        SpatialLLMForConditionalGeneration.from_parts(encoder, base, projector, audio_token_id=AUDIO_ID)
    base._hf_peft_config_loaded = True
    with pytest.raises(SpatialLLMError, match="loaded with adapters of its own"):
        SpatialLLMForConditionalGeneration.from_parts(encoder, base, projector)
    plain = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration"))
    with pytest.raises(SpatialLLMError, match="mono_features given, but LlamaForCausalLM hears nothing by itself"):
        plain(input_ids=torch.ones(1, 3, dtype=torch.long), mono_features=torch.zeros(1, 2))


def test_without_the_plug_in_nothing_is_answered_while_lora_is_merged(model):
    words = {"input_ids": torch.arange(5, 10)[None]}
    with model.lora_merged(), pytest.raises(SpatialLLMError, match="LoRA is merged into the weights"):
        model.model(**words)
    inputs = batch_of(model)
    expected = model.model(**inputs).logits[:, -1]
    with model.lora_merged():
        assert torch.allclose(model.model(**inputs).logits[:, -1], expected, atol=1e-2)
    model.model(**words)


def learned(name, questions, steps):
    """Teaches a tiny composite one answer to each of so many recordings, which differ in what the spatial encoder heard and
    not in their mono input, so that the base alone cannot tell them apart.

    Returns whether every bit of the base stayed and all our parts changed, the answers generated and the true ones.
    """
    linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    model = tiny_plugged(name, lora={"rank": 16, "alpha": 32, "dropout": 0.0, "target_modules": linear})
    net = model.model
    same = recordings(1).expand(questions, -1, -1)
    texts = {"text": ["Where is the sound?"] * questions, "sampling_rate": 32_000, "return_tensors": "pt"}
    inputs = dict(model.processor(same, **texts))
    torch.manual_seed(0)
    layout = net.config.encoder_config.token_layout
    del inputs["input_features"]
    inputs["audio_hidden_states"] = torch.randn(questions, layout.num_tokens, layout.width)
    answers = torch.randint(10, 300, (questions, 3))
    ids, prompt = torch.cat([inputs["input_ids"], answers], dim=1), inputs["input_ids"].shape[1]
    whole = inputs | {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    labels = ids.masked_fill(torch.arange(ids.shape[1]) < prompt, -100)
    parts = {name: part for name, part in net.trained_parts().items() if [*part.parameters()]}
    before, ours = hash_of(base_state(net.language_model)), {name: state_hash(part) for name, part in parts.items()}
    trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-3, weight_decay=0.0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 - step / steps)
        output = net(**whole, labels=labels)
        if torch.equal(output.logits[:, prompt - 1 : -1].argmax(-1), answers):
            break
        optimizer.zero_grad()
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
    found = net.generate(**inputs, max_new_tokens=3, min_new_tokens=3, do_sample=False)[:, prompt:]
    changed = all(state_hash(part) != ours[name] for name, part in parts.items())
    return before == hash_of(base_state(net.language_model)) and changed, found, answers


def test_two_questions_are_learned_with_the_base_frozen():
    kept, found, answers = learned("granite_speech", questions=2, steps=60)
    assert kept and torch.equal(found, answers)


@pytest.mark.slow
@pytest.mark.parametrize("name", BASES)
def test_sixteen_questions_are_learned_to_exact_answers_with_the_base_frozen(name):
    kept, found, answers = learned(name, questions=16, steps=1200)
    assert kept and torch.equal(found, answers)
