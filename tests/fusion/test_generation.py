"""Generation with every fusion: with and without a cache, in batches and alone, greedy and with beams."""

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
