"""One fusion for each encoder: what enters as prefix, what LAL hears, and that the two are kept apart."""

import json

import numpy as np
import pytest
import torch

from spatial_llm.encoders import ParallelEncoderConfig, TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion import read_fusion
from spatial_llm.model import SpatialLLM, SpatialLLMConfig, SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.projectors.base import AudioTokens
from spatial_llm.projectors.kinds import PROJECTORS
from spatial_llm.testing import TINY_FUSIONS, TINY_PROJECTORS, tiny_config, tiny_processor
from tests.fusion.conftest import composite, enliven, prompts
from tests.fusion.test_generation import MLP, QFORMER

# DSpAST's branches have 16 channels each: the second is the prefix, two tokens.
FUSION = {"type": "per_encoder", "width": 24, "layers": [1, 3], "prefix_slices": [1], "prefix_projector": MLP}
PREFIX, OTHERS = slice(16, 32), (slice(0, 16), slice(32, 48))


def encoded(model, seed=0, clips=1):
    layout = model.config.encoder_config.token_layout
    random = torch.Generator().manual_seed(seed)
    return torch.randn(clips, layout.num_tokens, layout.width, generator=random)


def ids_of(model, row="tAtt"):
    return {name: prompts(model, row)[name] for name in ("input_ids", "attention_mask")}


@torch.no_grad()
def test_it_is_lal_over_the_other_slices_with_the_prefix_as_words():
    model, lal = composite(FUSION), composite({"type": "lal", "width": 24, "layers": [1, 3]}, encoder="dspast")
    lal.language_model.load_state_dict(model.language_model.state_dict())
    hidden = encoded(model)
    layout = TokenLayout(3, (2, 2), ((0, 16), (16, 32)), 0.155)
    others = torch.cat([hidden[..., part] for part in OTHERS], dim=-1)
    heard = model.projector(others, layout=layout).last_hidden_state
    prefix = model.fusion_modules.prefix
    words = prefix.projector(hidden[..., PREFIX], layout=TokenLayout(3, (2, 2), ((0, 16),), 0.155)).last_hidden_state[0]
    words = torch.nn.functional.layer_norm(words @ prefix.linear.weight.T + prefix.linear.bias, (32,))
    # The vocabulary of the other model gets the rows of the prefix as its last words.
    lal.get_input_embeddings().weight[-2:] = words
    given = ids_of(model)
    ids, last = given["input_ids"][0].tolist(), lal.config.text_config.vocab_size
    ids[1:3] = [last - 2, last - 1]
    expected = lal(input_ids=torch.tensor([ids]), audio_embeds=heard).logits
    assert expected.abs().max() > 1
    torch.testing.assert_close(model(**given, audio_hidden_states=hidden).logits, expected, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("fields", [{}, {"share": False, "norm": "none"}], ids=["shared", "a projector a layer"])
@torch.no_grad()
def test_each_half_hears_its_own_channels_alone(fields):
    model = composite({**FUSION, **fields})
    hidden, count = encoded(model), model.fusion_modules.prefix.count
    first = model.get_audio_features(audio_hidden_states=hidden).pooler_output
    for changed, mine, other in (
        ([PREFIX], slice(count), slice(count, None)),
        (OTHERS, slice(count, None), slice(count)),
    ):
        for part in changed:
            moved = hidden.clone()
            moved[..., part] += torch.randn(moved[..., part].shape, generator=torch.Generator().manual_seed(1))
            second = model.get_audio_features(audio_hidden_states=moved).pooler_output
            assert torch.equal(second[:, other], first[:, other])
            assert (second[:, mine] - first[:, mine]).abs().amax() > 1e-3
    assert count == 2 and first.shape[1] == model.config.num_audio_tokens == 2 + 4


def test_gradients_reach_both_projectors_and_every_slice():
    model = composite(FUSION)
    hidden = encoded(model).requires_grad_()
    model(**ids_of(model), audio_hidden_states=hidden).logits[0, -1].square().sum().backward()
    for projector in (model.projector, model.fusion_modules.prefix.projector):
        gradients = {name: part.grad for name, part in projector.named_parameters()}
        silent = [name for name, each in gradients.items() if each is None or not each.any()]
        assert all(name.endswith("key.bias") for name in silent), silent
    assert all(hidden.grad[..., part].any() for part in (PREFIX, *OTHERS))


@torch.no_grad()
def test_a_prefix_that_a_clip_lacks_in_part_takes_no_place(monkeypatch):
    model = composite(FUSION)
    projector, hidden = model.fusion_modules.prefix.projector, encoded(model, clips=2)
    whole = projector.forward

    def with_mask(states, **kwargs):
        made = whole(states, **kwargs).last_hidden_state
        return AudioTokens(last_hidden_state=made, mask=torch.tensor([[True, False], [True, True]]))

    given = prompts(model, "tAtt", "tAtt")
    ids = given["input_ids"].clone()
    ids[0, 1] = ids[0, 0]  # a word in place of the token that the first clip lacks
    alone = model(input_ids=ids[1:], audio_hidden_states=hidden[1:]).logits
    monkeypatch.setattr(projector, "forward", with_mask)
    both = model(input_ids=ids, audio_hidden_states=hidden)
    torch.testing.assert_close(both.logits[1:], alone, atol=1e-4, rtol=1e-4)
    assert model.get_audio_features(audio_hidden_states=hidden).audio_mask.sum(1).tolist() == [5, 6]


@torch.no_grad()
def test_each_projector_starts_from_its_own_channels():
    model = composite({**FUSION, "prefix_projector": {**QFORMER, "standardize_inputs": True}})
    model.config.projector_config.standardize_inputs = True
    model = SpatialLLMForConditionalGeneration(model.config)
    sample = encoded(model, clips=7) * torch.arange(1, 49) + 5
    model.start_projectors(lambda: sample)
    mean, prefix = sample.flatten(0, 1).mean(0), model.fusion_modules.prefix
    torch.testing.assert_close(prefix.projector.input_mean, mean[PREFIX])
    torch.testing.assert_close(model.projector.input_mean, torch.cat([mean[part] for part in OTHERS]))
    scale = model.get_input_embeddings().weight.std()
    torch.testing.assert_close(prefix.norm.weight, scale.expand(32))
    torch.testing.assert_close(prefix.projector.norm.weight, torch.ones(24))


# Several encoders: a DSpAST of three slices, and an AST that runs on each ear, of two.
CASES = {"AST as prefix": [3, 4], "DSpAST as prefix": [0, 1, 2]}


@pytest.fixture(params=CASES.values(), ids=CASES)
def parallel(request):
    given = tiny_config("SpatialLLMConfig", "parallel").to_dict()
    for width in ("text_hidden_size", "encoder_hidden_size"):
        given["projector_config"].pop(width)
    fusion = {**FUSION, "layers": [1], "prefix_slices": request.param, "prefix_projector": QFORMER}
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(SpatialLLMConfig(**{**given, "fusion": fusion})).eval()
    enliven(model)
    processor = SpatialLLMProcessor.for_model(model, tiny_processor("parallel").tokenizer)
    return SpatialLLM(model, processor)


def batch(answerer):
    clips = [np.random.default_rng(seed).standard_normal((2, 9920)).astype(np.float32) * 0.1 for seed in range(2)]
    return answerer.processor(audio=clips, text=["Where?", "Where is the bell?"], sampling_rate=32_000, return_tensors="pt")


@torch.no_grad()
def test_of_several_encoders_one_is_the_prefix_and_one_is_heard(parallel, options):
    model, inputs = parallel.model, batch(parallel)
    assert isinstance(model.config.encoder_config, ParallelEncoderConfig)
    count = model.fusion_modules.prefix.count
    assert (count, model.config.num_audio_tokens) == (3, 3 + 4)
    first = model.get_audio_features(inputs["input_features"]).pooler_output
    sizes = model.config.encoder_config.input_sizes
    dspast_is_prefix = 0 in model.fusion.prefix_slices
    for index, changed in enumerate(inputs["input_features"].split(sizes, dim=1)):
        parts = list(inputs["input_features"].split(sizes, dim=1))
        parts[index] = changed + torch.linspace(-3, 3, changed.shape[1])
        second = model.get_audio_features(torch.cat(parts, dim=1)).pooler_output
        differs = [not torch.equal(second[:, each], first[:, each]) for each in (slice(count), slice(count, None))]
        assert differs == ([True, False] if (index == 0) == dspast_is_prefix else [False, True])
    options["suppress_tokens"] = [model.config.audio_token_id]
    cached = model.generate(**inputs, **options)
    assert torch.equal(cached, model.generate(**inputs, **options, use_cache=False))


@torch.no_grad()
def test_with_several_encoders_both_saved_forms_answer_the_same(parallel, tmp_path):
    model, inputs = parallel.model, batch(parallel)
    parallel.save_pretrained(tmp_path / "whole")
    loaded = SpatialLLM.from_pretrained(tmp_path / "whole", attn_implementation="eager")
    attentions = [module for module in loaded.model.fusion_modules.modules() if type(module).__name__.endswith("Attention")]
    assert {module.config._attn_implementation for module in attentions if hasattr(module, "config")} == {"eager"}
    loaded = SpatialLLM.from_pretrained(tmp_path / "whole")
    torch.testing.assert_close(loaded.model(**inputs).logits, model(**inputs).logits, atol=2e-5, rtol=1e-5)
    language_model = composite(None, encoder="parallel", lora=None).language_model
    joined = SpatialLLMForConditionalGeneration.from_parts(
        model.encoder, language_model, model.projector, model.config.audio_token_id, fusion=model.config.fusion
    ).eval()
    joined.fusion_modules.load_state_dict(model.fusion_modules.state_dict())
    parts = {name: str(tmp_path / name) for name in ("encoder", "language_model")}
    model.encoder.save_pretrained(parts["encoder"])
    composite(None, encoder="parallel", lora=None).language_model.save_pretrained(parts["language_model"])
    joined.save_pretrained(tmp_path / "trained", trained_only=True, **parts)
    again = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "trained")
    torch.testing.assert_close(again(**inputs).logits, joined(**inputs).logits, atol=2e-5, rtol=1e-5)
    rows = [one.get_audio_features(inputs["input_features"]).pooler_output for one in (model, again)]
    torch.testing.assert_close(*rows)


@pytest.mark.parametrize("name", PROJECTORS)
def test_fields_of_the_prefix_projector_are_filled_in_and_read_back(name):
    fusion = read_fusion({"type": "per_encoder", "prefix_slices": [0], "prefix_projector": {"model_type": name}})
    saved = json.loads(json.dumps(fusion.to_dict()))
    assert read_fusion(saved) == fusion
    assert saved["prefix_projector"]["model_type"] == name
    expected = set(TINY_PROJECTORS[name]().to_diff_dict()) - {
        "encoder_hidden_size",
        "text_hidden_size",
        "transformers_version",
    }
    assert set(saved["prefix_projector"]) >= expected


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"prefix_slices": [3]}, r"prefix_slices is \[3\], but the encoder has the channel slices 0 to 2"),
        ({"prefix_slices": [-1]}, r"prefix_slices\[0\] is -1"),
        ({"prefix_slices": [1, 1]}, "each slice that enters as prefix once"),
        ({"prefix_slices": [True]}, "prefix_slices"),
        ({"prefix_slices": []}, "fusion lal has no prefix"),
        ({"prefix_slices": [0, 1, 2]}, "fusion prefix takes all of them"),
        ({"prefix_projector": {"queries": 4}}, r"fusion\.prefix_projector\.queries is no field.*num_query_tokens"),
        ({"prefix_projector": {"model_type": "mlp"}}, r"fusion\.prefix_projector\.model_type is 'mlp'; expected one of"),
        ({"prefix_projector": {"num_query_tokens": 0}}, r"fusion\.prefix_projector: num_query_tokens is 0"),
        ({"prefix_projector": {"text_hidden_size": 24}}, r"prefix_projector\.text_hidden_size is given; leave it out"),
        ({"prefix_projector": {**MLP, "columns_per_token": 3}}, r"fusion\.prefix_projector: .*columns_per_token"),
        ({"prefix_projector": {"model_type": "spatial_slices_projector"}}, r"fusion\.prefix_projector: .*single channel"),
        ({"prefix_slice": [0]}, "did you mean prefix_slices"),
    ],
)
def test_refusals(fields, words):
    with pytest.raises(SpatialLLMError, match=words):
        composite({**FUSION, **fields})


def test_an_encoder_of_one_slice_is_refused_in_words():
    with pytest.raises(SpatialLLMError, match=r"the encoder has one channel slice.*parallel or dspast"):
        tiny_config("SpatialLLMConfig", fusion="per_encoder")


def test_a_projector_as_wide_as_the_whole_encoder_is_refused():
    given = tiny_config("SpatialLLMConfig", "dspast", fusion="per_encoder").to_dict()
    assert given["projector_config"]["encoder_hidden_size"] == 32
    given["projector_config"]["encoder_hidden_size"] = 48
    with pytest.raises(SpatialLLMError, match="expected 32, the width of the encoder's slices"):
        SpatialLLMConfig(**given)
    assert TINY_FUSIONS["per_encoder"]["prefix_slices"] == [2]
