"""Generation that agrees with itself, and what transformers' suite of generation asks of a model.

That suite (`GenerationTesterMixin`) is in no distribution of transformers; from a git checkout it runs in
tests/common_suites. Here is what it asks, on the composite.
"""

import warnings

import pytest
import torch

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.cache_name import CACHE
from spatial_llm.model import SpatialLLMForConditionalGeneration


@pytest.mark.parametrize("extra", [{}, {"num_beams": 3}, {"use_cache": False}, {"cache_implementation": "static"}])
def test_generation_is_the_same_from_cues_and_from_encoder_output(model, inputs, options, extra):
    # Compiling is left out; it needs a compiler, not another model.
    extra = {**extra, "disable_compile": True} if "cache_implementation" in extra else extra
    expected = model.generate(**inputs, **options, **extra)
    assert expected.shape == (3, inputs["input_ids"].shape[1] + 5)
    hidden = model.encoder(inputs.pop("input_features")).last_hidden_state
    assert torch.equal(model.generate(**inputs, audio_hidden_states=hidden, **options, **extra), expected)
    if "num_beams" not in extra:
        assert torch.equal(model.generate(**inputs, audio_hidden_states=hidden, **options), expected)


def test_audio_is_heard_once_and_dropped_after_the_first_step(model, inputs, options):
    runs = []
    model.projector.register_forward_hook(lambda *_: runs.append("projector"))
    model.encoder.register_forward_hook(lambda *_: runs.append("encoder"))
    model.generate(**inputs, **options)
    assert runs == ["encoder", "projector"]
    hidden = model.encoder(inputs.pop("input_features")).last_hidden_state
    runs.clear()
    model.generate(**inputs, audio_hidden_states=hidden, **options)
    assert runs == ["projector"]


def test_left_padding_changes_nothing(model, inputs, options):
    pad = torch.zeros(3, 6, dtype=torch.long)
    padded = {name: torch.cat([pad, inputs[name]], dim=1) for name in ("input_ids", "attention_mask")}
    expected = model.generate(**inputs, **options)
    assert torch.equal(model.generate(**{**inputs, **padded}, **options)[:, 6:], expected)


def test_generation_goes_on_from_a_cache(model, inputs, options):
    expected = model.generate(**inputs, **{**options, "max_new_tokens": 6})
    first = model.generate(**inputs, **{**options, "max_new_tokens": 3}, return_dict_in_generate=True)
    batch = {**inputs, "input_ids": first.sequences, "attention_mask": torch.ones_like(first.sequences)}
    second = model.generate(**batch, **{**options, "max_new_tokens": 3}, **{CACHE: first[CACHE]})
    assert torch.equal(second, expected)


@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_forward_goes_on_from_a_cache_by_either_name(model, inputs, name):
    """transformers 5.24 renamed it; either name is understood on every release; the older warns from there on."""
    whole = model(**inputs).logits[:, -1]
    start = {key: tensor[:, :-1] if key != "input_features" else tensor for key, tensor in inputs.items()}
    cache = model(**start, use_cache=True).get(CACHE)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        end = model(inputs["input_ids"][:, -1:], attention_mask=inputs["attention_mask"], **{name: cache})
    assert any("`past_key_values` is deprecated" in str(one.message) for one in told) == (CACHE == "cache" != name)
    torch.testing.assert_close(end.logits[:, -1], whole, atol=1e-5, rtol=1e-5)
    body = model.base_model(inputs["input_ids"][:, -1:], attention_mask=inputs["attention_mask"], **{name: end.get(CACHE)})
    assert body.get(CACHE).get_seq_length() == inputs["input_ids"].shape[1] + 1


def test_a_cache_under_both_names_is_refused(model, inputs):
    cache = model(**inputs, use_cache=True).get(CACHE)
    with pytest.raises(SpatialLLMError, match="given twice"):
        model(inputs["input_ids"][:, -1:], cache=cache, past_key_values=cache)


def test_generation_from_inputs_embeds(model, inputs, options):
    expected = model.generate(**inputs, **options)
    embeds = model.get_input_embeddings()(inputs["input_ids"])
    batch = {name: inputs[name] for name in ("attention_mask", "input_features")}
    length = inputs["input_ids"].shape[1]
    assert torch.equal(model.generate(inputs_embeds=embeds, **batch, **options), expected[:, length:])


def test_beams_keep_the_clips_of_a_prompt_together(model, inputs, options):
    """Two clips in the first prompt, one in the second: each prompt answers as it does alone."""
    slots, text = inputs["input_ids"][:1, :4], inputs["input_ids"][:, 4:]
    first = torch.cat([slots, text[:1], slots], dim=1)
    second = torch.cat([torch.zeros_like(slots), slots, text[1:2]], dim=1)
    mask = torch.ones(2, first.shape[1], dtype=torch.long)
    mask[1, :4] = 0
    clips = inputs["input_features"]
    both = model.generate(torch.cat([first, second]), attention_mask=mask, input_features=clips, num_beams=3, **options)
    alone = [
        model.generate(first, attention_mask=mask[:1], input_features=clips[:2], num_beams=3, **options),
        model.generate(second, attention_mask=mask[1:], input_features=clips[2:], num_beams=3, **options),
    ]
    assert torch.equal(both, torch.cat(alone))


def test_each_prompt_answers_in_a_batch_as_it_does_alone(model, inputs, options):
    """Three prompts of other lengths, padded on the left."""
    shortest = inputs["input_ids"].shape[1] - 2
    for row in range(2):
        cut = 2 - row
        inputs["input_ids"][row] = inputs["input_ids"][row].roll(cut)
        inputs["input_ids"][row, :cut] = model.config.text_config.pad_token_id
        inputs["attention_mask"][row, :cut] = 0
        # The words that were rolled to the front are lost; the placeholders stand behind the padding.
        assert (inputs["input_ids"][row] == model.config.audio_token_id).sum() == model.config.num_audio_tokens
    together = model.generate(**inputs, **options)[:, -5:]
    for row in range(3):
        length = shortest + row
        single = {name: tensor[row : row + 1] for name, tensor in inputs.items()}
        single = {name: tensor[:, -length:] if name != "input_features" else tensor for name, tensor in single.items()}
        assert single["attention_mask"].all()
        assert torch.equal(model.generate(**single, **options)[:, -5:], together[row : row + 1])


def test_greedy_answer_is_the_most_likely_token_of_forward(model, inputs, options):
    output = model.generate(**inputs, **options, output_logits=True, return_dict_in_generate=True)
    length = inputs["input_ids"].shape[1]
    ids = output.sequences
    logits = model(ids, inputs["input_features"], attention_mask=torch.ones_like(ids)).logits[:, length - 1 : -1]
    torch.testing.assert_close(torch.stack(output.logits, dim=1), logits, atol=1e-4, rtol=1e-4)
    logits[..., model.config.audio_token_id] = -torch.inf
    assert torch.equal(logits.argmax(-1), ids[:, length:])


@pytest.mark.parametrize("use_cache", [True, False])
@pytest.mark.parametrize(
    "strategy",
    [
        {"do_sample": False},
        {"do_sample": True, "num_return_sequences": 2},
        {"do_sample": False, "num_beams": 2, "num_return_sequences": 2},
        {"do_sample": True, "num_beams": 2},
    ],
    ids=["greedy", "sample", "beams", "sampled-beams"],
)
def test_generate_reports_scores_attentions_and_hidden_states(model, inputs, options, strategy, use_cache):
    model.set_attn_implementation("eager")
    torch.manual_seed(0)
    report = dict.fromkeys(("output_scores", "output_logits", "output_attentions", "output_hidden_states"), True)
    output = model.generate(**inputs, **{**options, **strategy}, **report, return_dict_in_generate=True, use_cache=use_cache)
    rows = 3 * strategy.get("num_return_sequences", 1)
    searched = 3 * max(strategy.get("num_beams", 1), strategy.get("num_return_sequences", 1))
    length, sizes = inputs["input_ids"].shape[1], model.config.text_config
    assert output.sequences.shape == (rows, length + 5)
    for step, (scores, logits, hidden, attention) in enumerate(
        zip(output.scores, output.logits, output.hidden_states, output.attentions, strict=True)
    ):
        assert scores.shape == logits.shape == (searched, sizes.vocab_size)
        assert len(attention) + 1 == len(hidden) == sizes.num_hidden_layers + 1
        seen = length + step
        new = 1 if use_cache and step else seen
        assert all(layer.shape == (searched, new, sizes.hidden_size) for layer in hidden)
        assert all(layer.shape == (searched, sizes.num_attention_heads, new, seen) for layer in attention)
    cache = output.get(CACHE)
    assert cache is None if not use_cache else cache.get_seq_length() == length + 4


# transformers hands the helper words only: it guesses without having heard, and is corrected.
@pytest.mark.filterwarnings("ignore:the prompts hold audio placeholders")
@pytest.mark.parametrize("helper", ["itself", "another model", "the prompt"])
def test_assisted_decoding_is_greedy_search(model, inputs, options, helper):
    inputs = {name: tensor[:1] for name, tensor in inputs.items()}
    expected = model.generate(**inputs, **options)
    if helper == "the prompt":
        extra = {"prompt_lookup_num_tokens": 2}
    else:
        torch.manual_seed(1)
        assistant = model if helper == "itself" else SpatialLLMForConditionalGeneration(model.config).eval()
        assistant.generation_config.num_assistant_tokens = 2
        assistant.generation_config.num_assistant_tokens_schedule = "constant"
        extra = {"assistant_model": assistant}
    assert torch.equal(model.generate(**inputs, **options, **extra), expected)


def test_generation_from_nothing_begins_with_bos(model, options):
    output = model.generate(**options)
    assert output.shape == (1, 6)
    assert output[0, 0] == model.config.text_config.bos_token_id


def test_generation_from_embeddings_that_are_no_words(model, options):
    torch.manual_seed(0)
    embeds = torch.randn(2, 6, model.config.text_config.hidden_size)
    first, other = model.generate(inputs_embeds=embeds, **options), model.generate(inputs_embeds=embeds.flip(0), **options)
    assert first.shape == (2, 5)
    assert torch.equal(first, other.flip(0))


def test_logits_to_keep_change_no_answer(model, inputs, options):
    whole = {**options, "logits_to_keep": 0}
    assert torch.equal(model.generate(**inputs, **whole), model.generate(**inputs, **options))


def test_eager_and_sdpa_give_the_same_answer(model, inputs, options):
    answers = []
    for attention in ("eager", "sdpa"):
        model.set_attn_implementation(attention)
        answers.append(model.generate(**inputs, **options))
    assert torch.equal(*answers)
