"""A composite that hears with several encoders: it is asked, saved, joined and planned as one that hears with one."""

import copy

import numpy as np
import pytest
import torch
from transformers import ASTFeatureExtractor, ClapAudioConfig, ClapAudioModel, ClapFeatureExtractor

from spatial_llm.encoders import ParallelEncoder, ParallelEncoderConfig, ParallelFeatureExtractor
from spatial_llm.errors import CheckpointError
from spatial_llm.model import SpatialLLM, SpatialLLMConfig, SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.profiling.memory import step_bytes
from spatial_llm.testing import TINY_PROJECTORS, tiny_config, tiny_processor

QUESTION = "Where is the bell?"
CLAP = ClapAudioConfig(
    window_size=2, num_mel_bins=16, spec_size=64, depths=(1, 1), num_attention_heads=(2, 2), hidden_size=16,
    patch_embeds_hidden_size=8, enable_fusion=True, aff_block_r=2,
)  # fmt: skip
CLAP_EXTRACTOR = ClapFeatureExtractor(feature_size=16, max_length_s=1)


def _bat(projector="spatial_qformer_projector", fusion="prefix"):
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(tiny_config("spatial_llm", "parallel", projector, fusion))
    for parameter in model.language_model.parameters():
        parameter.data.mul_(5)
    return SpatialLLM(model, tiny_processor("parallel", projector, fusion))


def _clip(seed=0):
    return np.random.default_rng(seed).standard_normal((2, 9920)).astype(np.float32) * 0.1


@pytest.mark.parametrize(
    "fusion", ["prefix", *(pytest.param(one, marks=pytest.mark.slow) for one in ("hybrid", "per_encoder"))]
)
@pytest.mark.parametrize("projector", sorted(TINY_PROJECTORS))
def test_it_answers_and_answers_the_same_after_saving(projector, fusion, tmp_path):
    bat = _bat(projector, fusion)
    answer = bat.ask(_clip(), QUESTION, sampling_rate=32_000, max_new_tokens=5)
    bat.save_pretrained(tmp_path)
    loaded = SpatialLLM.from_pretrained(tmp_path)
    assert isinstance(loaded.processor.feature_extractor, ParallelFeatureExtractor)
    assert loaded.processor.feature_extractor.to_dict() == bat.processor.feature_extractor.to_dict()
    assert loaded.ask(_clip(), QUESTION, sampling_rate=32_000, max_new_tokens=5) == answer
    batch = bat.processor(audio=_clip(), text=QUESTION, sampling_rate=32_000, return_tensors="pt")
    heard = [model.encoder(batch["input_features"]).last_hidden_state for model in (bat.model, loaded.model)]
    weights = [model.encoder.state_dict() for model in (bat.model, loaded.model)]
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())
    # Not bit for bit: kernels round by the address of a tensor in the file, which every tensor before it moves.
    torch.testing.assert_close(*heard, atol=1e-6, rtol=1e-6)
    torch.testing.assert_close(loaded.model(**batch).logits, bat.model(**batch).logits, atol=1e-4, rtol=1e-4)


# Slots of each slice of channels are what "slices" is for.
@pytest.mark.parametrize("projector", sorted(set(TINY_PROJECTORS) - {"spatial_slices_projector"}))
def test_the_number_of_audio_tokens_does_not_grow_with_that_of_encoders(projector):
    one, two = (tiny_config("spatial_llm", encoder, projector) for encoder in ("dspast", "parallel"))
    assert two.encoder_config.hidden_size > one.encoder_config.hidden_size
    assert two.num_audio_tokens == one.num_audio_tokens


def test_every_encoder_is_heard():
    bat = _bat()
    batch = bat.processor(audio=_clip(), text=QUESTION, sampling_rate=32_000, return_tensors="pt")
    logits = bat.model(**batch).logits
    for index in range(2):
        changed = batch["input_features"].clone()
        start = sum(bat.model.config.encoder_config.input_sizes[:index])
        changed[:, start : start + 1000] += 1
        other = bat.model(**{**batch, "input_features": changed}).logits
        assert (other - logits).abs().max() > 1e-5


def test_a_processor_that_feeds_another_ear_is_refused():
    bat = _bat()
    first, second = tiny_config("parallel").encoders
    other = ParallelEncoderConfig(encoders=[first, second | {"channels": "left"}])
    bat.processor.feature_extractor = other.feature_extractor()
    with pytest.raises(CheckpointError, match=r"feature_extractor\.members is .*'left'.* but .*encoder_config\.front_ends"):
        SpatialLLM(bat.model, bat.processor)


def test_parts_are_joined_and_saved_without_the_encoders(tmp_path):
    bat = _bat()
    bat.model.merge_and_unload()
    parallel = ParallelEncoder.from_encoders([
        bat.model.encoder.encoders[0],
        {"encoder": bat.model.encoder.encoders[1], "feature_extractor": ASTFeatureExtractor(num_mel_bins=32, max_length=32),
         "channels": "each", "rows": 1},
    ])  # fmt: skip
    parallel.save_pretrained(tmp_path / "encoder")
    bat.model.language_model.save_pretrained(tmp_path / "text")
    joined = SpatialLLMForConditionalGeneration.from_parts(
        ParallelEncoder.from_pretrained(tmp_path / "encoder"), bat.model.language_model, bat.model.projector,
        audio_token_id=bat.model.config.audio_token_id,
    ).eval()  # fmt: skip
    processor = SpatialLLMProcessor.for_model(joined, bat.processor.tokenizer)
    batch = processor(audio=_clip(), text=QUESTION, sampling_rate=32_000, return_tensors="pt")
    logits = joined(**batch).logits
    assert torch.equal(logits, bat.model(**batch).logits)
    joined.save_pretrained(tmp_path / "trained", trained_only=True, language_model=str(tmp_path / "text"))
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path / "trained")
    assert torch.equal(loaded(**batch).logits, logits)


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_attention_is_chosen_for_all_encoders_that_leave_a_choice(attention, tmp_path):
    bat = _bat()
    bat.model.merge_and_unload()
    ast, clap = bat.model.encoder.encoders[1], ClapAudioModel(copy.deepcopy(CLAP))
    fed = {"channels": "left", "rows": 2}
    parallel = ParallelEncoder.from_encoders([
        bat.model.encoder.encoders[0],
        {"encoder": ast, "feature_extractor": ASTFeatureExtractor(num_mel_bins=32, max_length=32)} | fed,
        {"encoder": clap, "feature_extractor": CLAP_EXTRACTOR} | fed,
    ])  # fmt: skip
    joined = SpatialLLMForConditionalGeneration.from_parts(parallel, bat.model.language_model).eval()
    joined.save_pretrained(tmp_path)
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path, attn_implementation=attention)
    assert {part.config._attn_implementation for part in loaded.encoder.encoders[:2]} == {attention}
    features = loaded.config.encoder_config.feature_extractor()(_clip(), sampling_rate=32_000, return_tensors="pt")
    expected = parallel(**features).last_hidden_state
    torch.testing.assert_close(loaded.encoder(**features).last_hidden_state, expected, atol=1e-5, rtol=1e-5)


def test_encoders_stay_as_they_are_while_the_rest_trains():
    bat = _bat()
    model = bat.model.train()
    before = {name: tensor.clone() for name, tensor in model.encoder.state_dict().items()}
    batch = bat.processor(audio=[_clip(), _clip(1)], text=[QUESTION] * 2, answers=["left", "front"], sampling_rate=32_000,
                          return_tensors="pt")  # fmt: skip
    optimizer = torch.optim.SGD([parameter for parameter in model.parameters() if parameter.requires_grad], lr=1e-3)
    losses = []
    for _ in range(2):
        optimizer.zero_grad()
        loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.encoder.state_dict().items())
    assert all(parameter.grad is None for parameter in model.encoder.parameters())


def test_the_memory_plan_counts_the_encoders():
    config = tiny_config("spatial_llm", encoder="parallel")
    clap = {"encoder": CLAP, "feature_extractor": CLAP_EXTRACTOR, "channels": "left", "rows": 2}
    fields = {name: getattr(config, name) for name in ("text_config", "audio_token_id")}
    encoder_config = ParallelEncoderConfig(encoders=[*config.encoder_config.encoders, clap])
    with torch.device("meta"):
        model = SpatialLLMForConditionalGeneration(SpatialLLMConfig(encoder_config=encoder_config, **fields))
    model.to("meta")
    assert step_bytes(model, 2, 8, encode=True) >= step_bytes(model, 2, 8, encode=False) > 0
