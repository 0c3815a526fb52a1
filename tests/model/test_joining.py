"""A model and another model's processor are not joined; longest questions; values of configs that cannot be."""

import json

import pytest
import torch

from spatial_llm.data.encoder_cache import without_default_format
from spatial_llm.encoders import DSpASTConfig, SpatialASTConfig
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.model import SpatialLLM, SpatialLLMConfig, SpatialLLMForConditionalGeneration
from spatial_llm.projectors import QFormerProjectorConfig
from spatial_llm.testing import tiny_config, tiny_processor


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return SpatialLLMForConditionalGeneration(tiny_config("spatial_llm")).eval()


@pytest.mark.parametrize(
    ("field", "value"),
    [("n_fft", 512), ("hop_length", 321), ("sampling_rate", 16_000), ("feature_size", 64), ("f_min", 0.0), ("f_max", 8e3)],
)
def test_another_front_end_is_named_with_both_values(model, field, value):
    processor = tiny_processor()
    right = getattr(processor.feature_extractor, field)
    setattr(processor.feature_extractor, field, value)
    with pytest.raises(CheckpointError, match=rf"feature_extractor\.{field} is {value}, but .* is {right}:"):
        SpatialLLM(model, processor)


def test_cues_and_their_order(model):
    processor = tiny_processor()
    processor.feature_extractor.cues = processor.feature_extractor.cues[::-1]
    with pytest.raises(CheckpointError, match=r"feature_extractor\.cues is \['sin_ipd'"):
        SpatialLLM(model, processor)


def test_another_audio_format_is_named(model):
    processor = tiny_processor()
    processor.feature_extractor.audio_format = "foa"
    with pytest.raises(CheckpointError, match=r"feature_extractor\.audio_format is foa, but .*audio_format is binaural"):
        SpatialLLM(model, processor)


def test_cues_of_two_ears_are_for_two_ears():
    """The cues compare two ears: a config or an extractor of another format is refused, not fed with something else."""
    for make in (SpatialASTConfig, DSpASTConfig, SpatialFeatureExtractor):
        assert make().audio_format == "binaural"
        with pytest.raises(SpatialLLMError, match=r"audio_format is 'foa', the cues .* are for 'binaural'"):
            make(audio_format="foa")
        with pytest.raises(SpatialLLMError, match="format 'stereo' is not known"):
            make(audio_format="stereo")


@pytest.mark.parametrize(
    ("made", "name"), [(SpatialASTConfig, "config.json"), (SpatialFeatureExtractor, "preprocessor_config.json")]
)
def test_what_was_saved_before_there_was_an_audio_format_loads(made, name, tmp_path):
    made().save_pretrained(tmp_path)
    file = tmp_path / name
    settings = json.loads(file.read_text())
    assert settings.pop("audio_format") == "binaural"
    (tmp_path / "before").mkdir()
    (tmp_path / "before" / name).write_text(json.dumps(settings))
    before, now = (made.from_pretrained(folder).to_dict() for folder in (tmp_path / "before", tmp_path))
    assert before == now and before["audio_format"] == "binaural"
    assert "audio_format" not in without_default_format(now), "caches keep their names"


def test_placeholders_and_tokens(model):
    processor = tiny_processor()
    processor.num_audio_tokens = 5
    with pytest.raises(CheckpointError, match=r"num_audio_tokens is 5, but .*audio tokens a clip is 4"):
        SpatialLLM(model, processor)
    processor = tiny_processor()
    processor.audio_token_id = 9
    with pytest.raises(CheckpointError, match="audio_token_id is 9"):
        SpatialLLM(model, processor)
    processor = tiny_processor()
    processor.tokenizer.add_tokens(["more"])
    with pytest.raises(CheckpointError, match=r"1 \(such as \['more'\]\) lie beyond"):
        SpatialLLM(model, processor)
    processor = tiny_processor()
    processor.tokenizer.add_special_tokens({"additional_special_tokens": ["<never>"]})
    SpatialLLM(model, processor)  # a special token that no text holds and no row is for
    processor.tokenizer.pad_token = "<never>"
    with pytest.raises(CheckpointError, match="lie beyond"):
        SpatialLLM(model, processor)
    processor = tiny_processor()
    processor.tokenizer.eos_token = "<pad>"
    with pytest.raises(CheckpointError, match="ends answers at token"):
        SpatialLLM(model, processor)


def test_a_placeholder_that_is_a_word(model):
    config = tiny_config("spatial_llm")
    config.audio_token_id = 20
    processor = tiny_processor()
    processor.audio_token_id = 20
    other = SpatialLLMForConditionalGeneration(config)
    with pytest.raises(CheckpointError, match=r"audio_token_id 20 is the token .* text could hold it"):
        SpatialLLM(other, processor)


def test_longest_question(model):
    bat = SpatialLLM(model, tiny_processor())
    clip = torch.randn(2, 9920, generator=torch.Generator().manual_seed(0)).numpy() * 0.1
    with pytest.raises(SpatialLLMError, match=r"text\[0\] has 100,000 characters, expected at most 8,000"):
        bat.ask(clip, "a" * 100_000, sampling_rate=32_000)
    with pytest.raises(SpatialLLMError, match="has 11 characters, expected at most 10"):
        bat.ask(clip, "a" * 11, sampling_rate=32_000, max_question_characters=10)
    with pytest.raises(SpatialLLMError, match=r"tokens, more than the 512 that the language model has positions for"):
        bat.ask(clip, "zq" * 400, sampling_rate=32_000)
    assert isinstance(bat.ask(clip, "a" * 10, sampling_rate=32_000, max_question_characters=10, max_new_tokens=2), str)
    processor = tiny_processor()
    with pytest.raises(SpatialLLMError, match=r"answers\[1\] has 9,000"):
        processor(text=["a", "b"], answers=["c", "d" * 9000])
    assert processor(text="a" * 9000, max_characters=9000)["input_ids"]
    with pytest.raises(SpatialLLMError, match="half a surrogate pair"):
        processor(text="a\udc80")
    for wrong in (0, -1, 2.5, True, "many"):
        with pytest.raises(SpatialLLMError, match="max_question_characters is"):
            processor(text="a", max_characters=wrong)


def test_a_folder_below_another(model, tmp_path):
    SpatialLLM(model, tiny_processor()).save_pretrained(tmp_path / "run" / "model")
    assert SpatialLLM.from_pretrained(tmp_path / "run", subfolder="model").processor.num_audio_tokens == 4


def test_the_limit_is_saved(tmp_path):
    processor = tiny_processor()
    processor.max_question_characters = 12
    processor.save_pretrained(tmp_path)
    assert type(processor).from_pretrained(tmp_path).max_question_characters == 12


@pytest.mark.parametrize(
    ("build", "field"),
    [
        (lambda: SpatialASTConfig(hop_length=0), "hop_length"),
        (lambda: SpatialASTConfig(n_fft=2**40), "n_fft"),
        (lambda: SpatialASTConfig(f_min=9000, f_max=8000), "f_min"),
        (lambda: SpatialASTConfig(f_max=float("nan")), "f_max"),
        (lambda: SpatialASTConfig(duration_s=1e12), "duration_s"),
        (lambda: SpatialASTConfig(patch_size=[0, 16]), "patch_size"),
        (lambda: SpatialASTConfig(num_attention_heads=0), "num_attention_heads"),
        (lambda: QFormerProjectorConfig(num_query_tokens=0), "num_query_tokens"),
        (lambda: QFormerProjectorConfig(num_attention_heads=7), "num_attention_heads"),
        (lambda: SpatialLLMConfig(audio_token_id=-1), "audio_token_id"),
        (lambda: SpatialLLMConfig(lora={"rank": 0}), "lora.rank"),
        (lambda: SpatialLLMConfig(lora={"alpha": float("inf")}), "lora.alpha"),
        (lambda: SpatialLLMConfig(lora={"dropout": 1}), "lora.dropout"),
        (lambda: SpatialLLMConfig(lora={"target_modules": "q_proj"}), "lora.target_modules"),
    ],
)
def test_values_that_cannot_be_are_named(build, field):
    with pytest.raises(SpatialLLMError, match=field):
        build()
