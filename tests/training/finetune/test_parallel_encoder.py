"""Fine-tuning with several frozen encoders in one folder: the same losses from the cache and from the recordings."""

import dataclasses
from pathlib import Path

import pytest
import torch
from transformers import ASTConfig, ASTFeatureExtractor, ASTModel, AutoModel

from spatial_llm.encoders import ParallelEncoder, ParallelEncoderConfig
from spatial_llm.model import SpatialLLM
from spatial_llm.profiling.memory import build_on_meta, plan
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.build import build_bat
from spatial_llm.training.finetune.run import finetune_bat, open_cache
from tests.training.finetune.test_run import arguments, losses_of, parts  # noqa: F401


@pytest.fixture(scope="module")
def several(parts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:  # noqa: F811
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    # 100 frames a second, of which the window has 100: 5 rows x 2 columns, averaged to 2 rows.
    config = ASTConfig(**sizes, patch_size=16, frequency_stride=16, time_stride=16, max_length=112, num_mel_bins=32)
    ast = {
        "encoder": ASTModel(config), "feature_extractor": ASTFeatureExtractor(num_mel_bins=32, max_length=112),
        "channels": "each", "rows": 2,
    }  # fmt: skip
    folder = tmp_path_factory.mktemp("several")
    parallel = ParallelEncoder.from_encoders([parts["encoder"], ast])
    parallel.save_pretrained(folder)
    return parts | {"encoder": folder}


@pytest.mark.slow
def test_cache_and_recordings_give_one_loss_and_one_model(data: Path, several: dict[str, Path], tmp_path: Path) -> None:
    folders, losses = {}, {}
    for cache in (True, False):
        given = arguments(data, several, tmp_path / str(cache), encoder_cache=cache, cache_dtype="float32",
                          schedule=Schedule(steps=3, batch_size=8, learning_rate=1e-3, log_every=1))  # fmt: skip
        folders[cache], losses[cache] = finetune_bat(given), losses_of(tmp_path / str(cache))
    assert len(losses[True]) == 3 and losses[True][2] < losses[True][0]
    assert losses[True] == pytest.approx(losses[False], abs=1e-4)
    answerer, frozen = SpatialLLM.from_pretrained(folders[True]), AutoModel.from_pretrained(several["encoder"]).state_dict()
    kept = answerer.model.encoder.state_dict()
    assert set(kept) == set(frozen) and any("running_mean" in name for name in kept)
    assert all(torch.equal(kept[name], tensor) for name, tensor in frozen.items())
    recording = torch.randn(2, 32_000, generator=torch.Generator().manual_seed(0)).numpy() * 0.1
    assert isinstance(answerer.ask(recording, "Where is the sound?", sampling_rate=32_000), str)


def test_it_is_planned_and_another_way_of_feeding_is_another_cache(
    data: Path, several: dict[str, Path], tmp_path: Path
) -> None:
    given = arguments(data, several, tmp_path)
    model, processor = build_bat(given)
    planned = build_on_meta(given)
    assert {n: p.shape for n, p in planned.named_parameters()} == {n: p.shape for n, p in model.named_parameters()}
    assert all(mode.total > 0 for mode in plan(given, text_tokens=20))
    first = open_cache(given, model.encoder, processor, tokens=5).folder
    assert open_cache(dataclasses.replace(given), model.encoder, processor, tokens=5).folder == first
    spatial, ast = model.config.encoder_config.encoders
    model.encoder.config = ParallelEncoderConfig(encoders=[spatial, ast | {"channels": "mean"}])
    processor.feature_extractor = model.encoder.config.feature_extractor()
    assert open_cache(given, model.encoder, processor, tokens=5).folder != first
