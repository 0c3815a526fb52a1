"""Where a saved model may lie, which options are taken, and that what feeds it agrees with `ask`."""

import json
import shutil
import warnings

import numpy as np
import pytest
import torch

from spatial_llm.encoders import DSpASTModel
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.errors import AudioError, CheckpointError, SpatialLLMError
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration, SpatialLLMProcessor
from spatial_llm.testing import tiny_config, tiny_inputs, tiny_processor

RATE, WINDOW = 32_000, 9920


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder whose subfolder holds model and processor."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("saved")
    model = SpatialLLMForConditionalGeneration(tiny_config("spatial_llm", "dspast"))
    SpatialLLM(model, tiny_processor("dspast")).save_pretrained(folder / "inner" / "model")
    return folder


@pytest.fixture(scope="module")
def bat(saved):
    return SpatialLLM.from_pretrained(saved, subfolder="inner/model")


def _clip(samples, seed=0):
    return np.random.default_rng(seed).standard_normal((2, samples)).astype(np.float32) * 0.1


def _same_weights(one, other):
    expected = other.state_dict()
    return all(torch.equal(tensor, expected[name]) for name, tensor in one.state_dict().items())


def test_a_subfolder_is_found_on_the_disk_and_in_the_hubs_cache(saved, tmp_path):
    expected = SpatialLLM.from_pretrained(saved / "inner" / "model")
    local = SpatialLLM.from_pretrained(saved, subfolder="inner/model")
    repository = tmp_path / "models--someone--ears"
    commit = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(saved, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "v1").write_text(commit)
    options = {"subfolder": "inner/model", "revision": "v1", "cache_dir": str(tmp_path)}
    hub = SpatialLLM.from_pretrained("someone/ears", **options)
    for loaded in (local, hub):
        assert _same_weights(loaded.model, expected.model)
        assert loaded.processor.window_samples == WINDOW
    bare = SpatialLLMForConditionalGeneration.from_pretrained(saved, subfolder="inner/model")
    assert _same_weights(bare, expected.model)
    with pytest.raises(CheckpointError, match="no model in this folder"):
        SpatialLLM.from_pretrained(saved, subfolder="inner")
    with pytest.raises(CheckpointError, match="someone/ears/inner/model: no such folder"):
        SpatialLLM.from_pretrained("someone/ears", **options | {"revision": "v2"})


def test_the_trained_part_alone_may_lie_in_a_subfolder(saved, tmp_path):
    whole = SpatialLLM.from_pretrained(saved / "inner" / "model").model
    whole.encoder.save_pretrained(tmp_path / "encoder")
    base = SpatialLLMForConditionalGeneration.from_pretrained(saved / "inner" / "model").merge_and_unload().language_model
    base.save_pretrained(tmp_path / "llm")
    joined = SpatialLLMForConditionalGeneration.from_parts(
        DSpASTModel.from_pretrained(tmp_path / "encoder"),
        type(base).from_pretrained(tmp_path / "llm"),
        whole.projector,
        whole.config.audio_token_id,
    )
    joined.save_pretrained(tmp_path / "trained", trained_only=True)
    loaded = SpatialLLMForConditionalGeneration.from_pretrained(tmp_path, subfolder="trained")
    assert _same_weights(loaded, joined)


def test_unknown_options_are_named(saved):
    with pytest.raises(SpatialLLMError, match=r"unknown option 'speed'"):
        SpatialLLM.from_pretrained(saved / "inner" / "model", speed=3)
    with pytest.raises(SpatialLLMError, match=r"unknown option 'encoder'.*trained part alone"):
        SpatialLLM.from_pretrained(saved / "inner" / "model", encoder="elsewhere")


@pytest.mark.parametrize(
    ("samples", "form"),
    [
        *((samples, "array") for samples in (1000, WINDOW - 1, WINDOW, WINDOW + 200, 30_000)),
        *((4000, form) for form in ("array", "tensor", "batch", "list", "by ear")),
    ],
)
@pytest.mark.filterwarnings("ignore:.*the loudest window")
def test_the_processor_and_ask_make_the_same_of_a_clip(bat, samples, form):
    clip = _clip(samples)
    seen = []
    hook = bat.model.encoder.register_forward_pre_hook(
        lambda _, args, kwargs: seen.append(kwargs["input_features"]), with_kwargs=True
    )
    bat.ask(clip, "Where?", sampling_rate=RATE, max_new_tokens=1)
    hook.remove()
    given = {
        "array": clip,
        "tensor": torch.from_numpy(clip),
        "batch": clip[None],
        "list": [clip],
        "by ear": [clip[0].tolist(), clip[1].tolist()],
    }
    batch = bat.processor(audio=given[form], text="Where?", sampling_rate=RATE, return_tensors="pt")
    assert torch.equal(batch["input_features"], seen[0])


def test_clips_of_several_lengths_make_one_batch():
    processor = tiny_processor()
    clips = [_clip(4000), _clip(WINDOW, seed=1)]
    batch = processor(audio=clips, text=["Where?", "What?"], sampling_rate=RATE, return_tensors="pt")["input_features"]
    for row, clip in zip(batch, clips, strict=True):
        alone = processor(audio=clip, text="Where?", sampling_rate=RATE, return_tensors="pt")["input_features"]
        assert torch.equal(row, alone[0])
    with pytest.raises(AudioError, match="transpose"):
        processor(audio=_clip(500).T, text="Where?", sampling_rate=RATE)


def test_a_folder_of_before_takes_the_window_of_the_model_beside_it(saved, tmp_path):
    shutil.copytree(saved / "inner" / "model", tmp_path / "old")
    path = tmp_path / "old" / "processor_config.json"
    settings = json.loads(path.read_text())
    del settings["window_samples"]
    path.write_text(json.dumps(settings))
    (tmp_path / "old" / "seal.json").unlink(missing_ok=True)
    assert SpatialLLMProcessor.from_pretrained(tmp_path / "old").window_samples == WINDOW
    (tmp_path / "alone").mkdir()
    for name in ("processor_config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tmp_path / "old" / name, tmp_path / "alone")
    assert SpatialLLMProcessor.from_pretrained(tmp_path / "alone").window_samples is None


def test_the_encoder_warns_of_a_clip_that_it_would_stretch():
    config = tiny_config("DSpASTModel")
    model = DSpASTModel(config).eval()
    extractor = SpatialFeatureExtractor.for_encoder(config)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model(**extractor(_clip(WINDOW), sampling_rate=RATE, return_tensors="pt"))
    with pytest.warns(UserWarning, match="13 frames, a window has 32: the encoder stretches them in time"):
        model(**extractor(_clip(4000), sampling_rate=RATE, return_tensors="pt"))


def test_a_placeholder_does_not_fall_into_a_larger_vocabulary():
    config = tiny_config("spatial_llm")
    slot = size = config.text_config.vocab_size
    config.audio_token_id = slot
    model = SpatialLLMForConditionalGeneration(config).eval()
    inputs = tiny_inputs(config)
    expected = model(**inputs).logits
    for arguments in ((size + 3,), (None, 64), (size, 64)):
        with pytest.raises(SpatialLLMError, match=rf"placeholder {slot} lies outside the vocabulary of {size}"):
            model.resize_token_embeddings(*arguments)
    assert model.get_input_embeddings().num_embeddings == size
    model.resize_token_embeddings(size + 3, audio_token_id=size + 3)
    assert model.config.audio_token_id == size + 3
    inputs["input_ids"][inputs["input_ids"] == slot] = size + 3
    torch.testing.assert_close(model(**inputs).logits[..., :size], expected)
    model.resize_token_embeddings(size + 5, audio_token_id=size + 3)  # the token becomes the placeholder's own
    assert model.config.audio_token_id == size + 3
