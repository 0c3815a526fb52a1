"""Generation with every fusion: with and without a cache, in batches and alone, greedy and with beams."""

import copy

import pytest
import torch
from transformers import DynamicCache

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.cache_name import CACHE
from tests.fusion.conftest import composite, prompts

GATED = {"type": "gated_cross_attention", "width": 24, "heads": 2, "head_dim": 8}
MLP = {"model_type": "spatial_mlp_projector", "hidden_size": 37, "columns_per_token": 2}
QFORMER = {"num_query_tokens": 3, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
           "intermediate_size": 21, "cross_attention_frequency": 1}  # fmt: skip
FUSIONS = {
    "delayed": {"type": "delayed"},
    "delayed from the first layer": {"type": "delayed", "start_layer": 0},
    "lal": {"type": "lal", "width": 24},
    "lal in some layers": {"type": "lal", "width": 24, "layers": [0, 2], "norm": "llm"},
    "lal without positions": {"type": "lal", "width": 24, "positions": "none"},
    "lal with a projector a layer": {"type": "lal", "width": 24, "share": False, "norm": "none"},
    "hybrid": {"type": "hybrid", "width": 24, "summary_tokens": 2},
    "hybrid, summary last": {"type": "hybrid", "width": 24, "summary_tokens": 3, "summary_position": "last",
                             "summary_origin": "query", "share": False},
    "per encoder": {"type": "per_encoder", "width": 24, "prefix_slices": [0, 2], "prefix_projector": MLP},
    "per encoder with a projector a layer": {"type": "per_encoder", "width": 24, "layers": [0, 2, 3], "share": False,
                                             "norm": "none", "positions": "none", "prefix_slices": [1],
                                             "prefix_projector": QFORMER},
    "gated": GATED,
    "gated in some layers": {**GATED, "layers": {"start": 1, "every": 2}, "qk_norm": True},
}  # fmt: skip


@pytest.fixture(params=FUSIONS.values(), ids=FUSIONS)
def model(request):
    return composite(request.param)


def banned(model, options):
    return {**options, "suppress_tokens": [model.config.audio_token_id]}


@pytest.mark.parametrize("beams", [1, 4])
def test_cached_equals_uncached_equals_static(model, options, beams):
    inputs, options = prompts(model, "tAttt", "Att"), {**banned(model, options), "num_beams": beams}
    cached = model.generate(**inputs, **options)
    assert torch.equal(cached, model.generate(**inputs, **options, use_cache=False))
    static = model.generate(**inputs, **options, cache_implementation="static", disable_compile=True)
    assert torch.equal(cached, static)


def test_a_padded_batch_equals_its_members_and_one_prompt_needs_no_mask(model, options):
    inputs, options = prompts(model, "ttAtAtt", "Att", "ttttt"), banned(model, options)
    batch = model.generate(**inputs, **options)[:, inputs["input_ids"].shape[1] :]
    clips = [slice(0, 2), slice(2, 3), slice(0, 0)]
    for row, own in enumerate(clips):
        there = inputs["attention_mask"][row].bool()
        alone = {"input_ids": inputs["input_ids"][row : row + 1, there]}
        if own.stop:
            alone["audio_embeds"] = inputs["audio_embeds"][own]
        for mask in ({}, {"attention_mask": torch.ones_like(alone["input_ids"])}):
            found = model.generate(**alone, **mask, **options)[:, alone["input_ids"].shape[1] :]
            assert torch.equal(found[0], batch[row])


def test_logits_step_by_step_equal_those_of_the_whole(model):
    inputs = prompts(model, "tAttttt", "ttAttt")
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    whole = model(**inputs, use_cache=False).logits
    first = {"input_ids": ids[:, :-3], "attention_mask": mask[:, :-3], "audio_embeds": inputs["audio_embeds"]}
    out = model(**first, **{CACHE: DynamicCache(config=model.config.text_config)})
    steps = [out.logits[:, -1]]
    for column in range(ids.shape[1] - 3, ids.shape[1] - 1):
        out = model(input_ids=ids[:, column : column + 1], attention_mask=mask[:, : column + 1], **{CACHE: out.get(CACHE)})
        steps.append(out.logits[:, -1])
    torch.testing.assert_close(torch.stack(steps, 1), whole[:, -4:-1], atol=2e-4, rtol=1e-4)


def test_a_cache_made_inside_keeps_the_audio(model):
    """`use_cache` left out is True inside the language model, which makes a cache of its own."""
    inputs = prompts(model, "tAttt")
    whole = model(**inputs, use_cache=False).logits[:, -1]
    first = {name: each if name == "audio_embeds" else each[:, :-1] for name, each in inputs.items()}
    out = model(**first)
    later = model(input_ids=inputs["input_ids"][:, -1:], **{CACHE: out.get(CACHE)}).logits[:, -1]
    torch.testing.assert_close(later, whole, atol=2e-4, rtol=1e-4)


def test_audio_embeds_once_for_many_questions(model, options):
    inputs, options = prompts(model, "Attt", "Att", audio="input_features"), banned(model, options)
    embeds = model.get_audio_features(inputs["input_features"]).pooler_output
    assert embeds.shape[1] == model.config.num_audio_tokens
    given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    expected = model.generate(**inputs, **options, num_beams=2)
    assert torch.equal(model.generate(**given, audio_embeds=embeds, **options, num_beams=2), expected)
    with pytest.raises(SpatialLLMError, match="one form"):
        model(**inputs, audio_embeds=embeds)


def test_a_recording_that_comes_later_is_refused(model):
    inputs = prompts(model, "tAtt")
    out = model(**inputs)
    with pytest.raises(SpatialLLMError, match="whole conversation"):
        model(**inputs, **{CACHE: out.get(CACHE)})


def test_a_mask_of_another_length_is_refused(model):
    inputs = prompts(model, "tAtt")
    with pytest.raises(SpatialLLMError, match="placeholders included"):
        model(**{**inputs, "attention_mask": inputs["attention_mask"][:, 1:]})


def test_text_alone_is_the_language_model(model):
    inputs = prompts(model, "tttt", "tt")
    expected = model.language_model(**inputs).logits
    assert torch.equal(model(**inputs).logits, expected)


@pytest.mark.parametrize("masked", [True, False])
def test_a_conversation_goes_on_from_its_cache_as_without(model, options, masked):
    inputs, options = prompts(model, "ttAtAtt", "Att") if masked else prompts(model, "tAtt"), banned(model, options)
    ids, cache, random = inputs["input_ids"], None, torch.Generator().manual_seed(0)
    for _ in range(3):
        added = torch.ones(len(ids), ids.shape[1] - inputs["input_ids"].shape[1], dtype=torch.long)
        mask = {"attention_mask": torch.cat([inputs["attention_mask"], added], dim=1)} if masked else {}
        fresh = model.generate(input_ids=ids, audio_embeds=inputs["audio_embeds"], **mask, **options)
        # The cache has the audio, whether it is given again or not.
        given = {"audio_embeds": inputs["audio_embeds"]} if cache is None or masked else {}
        out = model.generate(input_ids=ids, **given, **mask, **options, **{CACHE: cache}, return_dict_in_generate=True)
        assert torch.equal(out.sequences, fresh)
        cache = out.get(CACHE)
        ids = torch.cat([fresh, torch.randint(10, 300, (len(ids), 3), generator=random)], dim=1)
    with pytest.raises(SpatialLLMError, match="at least one new token"):
        model.generate(input_ids=out.sequences[:, :-1], **{CACHE: cache}, **options)


def test_the_assistant_of_a_generation_may_be_the_model_itself(model, options):
    inputs, options = prompts(model, "ttAtAtt"), banned(model, options)
    assert torch.equal(model.generate(**inputs, **options, assistant_model=model), model.generate(**inputs, **options))


@pytest.mark.parametrize("copied", [False, True])
def test_the_audio_follows_the_prompts_of_a_cache(model, copied):
    inputs = prompts(model, "ttAttt", "Attt")
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    whole = model(**inputs, use_cache=False).logits[:, -2:]
    first = {"input_ids": ids[:, :-2], "attention_mask": mask[:, :-2], "audio_embeds": inputs["audio_embeds"]}
    for method, given, rows in (
        ("reorder_cache", torch.tensor([1, 0]), [1, 0]),
        ("batch_select_indices", torch.tensor([1]), [1]),
        ("batch_repeat_interleave", 2, [0, 0, 1, 1]),
    ):
        with torch.no_grad():
            cache = model(**first, **{CACHE: DynamicCache(config=model.config.text_config)}).get(CACHE)
        cache = copy.deepcopy(cache) if copied else cache
        getattr(cache, method)(given)
        found = model(input_ids=ids[rows, -2:], attention_mask=mask[rows], **{CACHE: cache}).logits
        torch.testing.assert_close(found, whole[rows], atol=2e-4, rtol=1e-4)


def test_a_cache_cut_into_its_prompt_takes_the_rest_of_it(model):
    inputs = prompts(model, "tAtttt")
    whole = model(**inputs, use_cache=False).logits[:, -3:]
    cache = model(**inputs, **{CACHE: DynamicCache(config=model.config.text_config)}).get(CACHE)
    cache.crop(-3)
    with pytest.raises(SpatialLLMError, match="rest of the prompt"):
        model(input_ids=inputs["input_ids"][:, -1:], **{CACHE: cache})
    found = model(input_ids=inputs["input_ids"][:, -3:], **{CACHE: cache}).logits
    torch.testing.assert_close(found, whole, atol=2e-4, rtol=1e-4)


def test_logits_are_kept_by_their_row_of_text(model):
    inputs = prompts(model, "ttAtAtt", "Att")
    whole = model(**inputs).logits
    for kept in ([0, 2], [-1]):
        found = model(**inputs, logits_to_keep=torch.tensor(kept)).logits
        torch.testing.assert_close(found, whole[:, kept], atol=2e-4, rtol=1e-4)


def test_a_recording_that_no_text_hears_is_refused(model, options):
    for inputs in (prompts(model, "A"), prompts(model, "A", "tAtt")):
        if model.fusion_modules is None or model.fusion_modules.row_maker is None:
            with pytest.raises(SpatialLLMError, match="holds no text"):
                model(**inputs)
    if getattr(model.fusion_modules, "rows_first", True):
        with pytest.raises(SpatialLLMError, match="ends with a recording"):
            model.generate(**prompts(model, "tA", "Att"), **options)


def test_positions_and_audio_of_another_shape_are_refused(model):
    inputs = prompts(model, "tAtt", "Att")
    length = inputs["input_ids"].shape[1]
    for positions in (torch.arange(length), torch.arange(length + 5)[None], torch.arange(length - 1)[None]):
        with pytest.raises(SpatialLLMError, match=rf"expected \(2, {length}\)"):
            model(**inputs, position_ids=positions)
    for audio in (
        torch.cat([inputs["audio_embeds"]] * 2, dim=-1),
        inputs["audio_embeds"][..., 1:],
        inputs["audio_embeds"][0],
    ):
        with pytest.raises(SpatialLLMError, match="audio_embeds are of shape"):
            model(**{**inputs, "audio_embeds": audio})
