"""The lesson "scenes": the loss finds the cheapest assignment, and a stage learns it without touching the rest."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.data.targets import targets_of
from spatial_llm.errors import CheckpointError, ManifestError, SpatialLLMError
from spatial_llm.projectors import AudioTokens
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatStage, LoraArguments
from spatial_llm.training.finetune.build import build_bat
from spatial_llm.training.finetune.lessons.scenes import (
    SceneAlignmentDataset,
    SceneTokenAlignment,
    collate_scenes,
    scene_tokens_of,
)
from spatial_llm.training.finetune.run import finetune_bat, stage_arguments
from spatial_llm.training.tiny.pretrain_language_model import pretrain_text
from spatial_llm.training.tiny.scene_tokens import NO_SOURCE, PLACE_NUMBERS, SceneTokens, place_numbers
from tests.training.finetune.test_run import arguments, parts  # noqa: F401  (a fixture)
from tests.training.tiny.test_scene_tokens import model, small  # noqa: F401  (a fixture)

QUERIES, WIDTH = 3, 32


class Identity(nn.Module):
    """A projector that returns its input."""

    def forward(self, tokens: torch.Tensor, layout: None) -> SimpleNamespace:
        return AudioTokens(last_hidden_state=tokens)


@pytest.fixture
def alignment(model: SceneTokens) -> SceneTokenAlignment:  # noqa: F811
    return SceneTokenAlignment(Identity(), model, None)


def test_the_assignment_of_tokens_to_sources_is_free(alignment: SceneTokenAlignment) -> None:
    """True tokens in any order cost nothing; otherwise the cheapest of all assignments, by brute force."""
    torch.manual_seed(0)
    classes, places = torch.tensor([[1, 0], [2, NO_SOURCE]]), torch.randn(2, 2, PLACE_NUMBERS)
    with torch.no_grad():
        truth = alignment.told.tokens(classes, places)
        nobody = alignment.told.nobody
        full = torch.cat([truth, nobody.expand(2, 1, -1)], dim=1)
        for order in itertools.permutations(range(QUERIES)):
            assert alignment(full[:, list(order)], classes, places).loss == pytest.approx(0.0, abs=1e-4)
        given = torch.randn(2, QUERIES, WIDTH)
        costs = [
            [(given[row] - full[row, list(order)]).square().sum() for order in itertools.permutations(range(QUERIES))]
            for row in range(2)
        ]
        expected = sum(float(min(each)) for each in costs) / 2 / QUERIES
        assert float(alignment(given, classes, places).loss) == pytest.approx(expected, rel=1e-5)


def test_recordings_come_once_with_their_sources(data: Path, parts: dict[str, Path]) -> None:  # noqa: F811
    dataset = SpatialQADataset(data / "few.jsonl", 32_000, 32_000)
    sources = {record.recording_id: targets_of(record) for record in dataset.records}
    labels = sorted({source.labels[0] for each in sources.values() for source in each})
    dataset.use_encoder_cache({name: torch.full((2, 3), float(number)) for number, name in enumerate(sources)})
    scenes = SceneAlignmentDataset(dataset, labels, most=2)
    assert len(scenes) == len(sources) < len(dataset)
    for index, (name, expected) in enumerate(sources.items()):
        item = scenes[index]
        assert scenes.sample_id(index) == name and item["audio_hidden_states"][0, 0] == index
        assert [labels[label] for label in item["classes"]] == [source.labels[0] for source in expected]
        assert torch.equal(item["places"], torch.tensor([place_numbers(source) for source in expected]))
    batch = collate_scenes([scenes[index] for index in range(len(scenes))])
    assert batch["classes"].shape == (len(scenes), 2) == batch["places"].shape[:2]
    assert ((batch["classes"] == NO_SOURCE).sum(1) + torch.tensor([len(each) for each in sources.values()]) == 2).all()
    with pytest.raises(ManifestError, match=r"2 sources.*at most 1"):
        SceneAlignmentDataset(dataset, labels, most=1)
    with pytest.raises(ManifestError, match=repr(labels[0])):
        SceneAlignmentDataset(dataset, labels[1:], most=2)


@pytest.mark.slow  # a thousand steps, so that what is learned does not hang on the tokenizer
def test_a_stage_learns_scenes_and_the_next_goes_on_from_it(
    data: Path,
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    pretrain_text(small(data, tmp_path / "text", schedule=Schedule(steps=5, batch_size=4, learning_rate=1e-3)))
    folders = {**parts, "text": tmp_path / "text" / "model"}
    stages = [BatStage("scenes", teach="scenes", steps=1000), BatStage("answers")]
    schedule = Schedule(steps=1, batch_size=8, learning_rate=3e-3)
    run = arguments(data, folders, tmp_path / "run", stages=stages, encoder_cache=True, schedule=schedule)
    assert [each.schedule.steps for each in stage_arguments(run)] == [1000, 1]
    finetune_bat(run)
    first = tmp_path / "run" / "1-scenes" / "model"
    saved = load_file(first / "model.safetensors")
    assert all(tensor.abs().max() == 0 for name, tensor in saved.items() if "lora_B" in name), "the projector alone learns"
    for name, tensor in load_file(folders["text"] / "model.safetensors").items():
        (same,) = [key for key in saved if key.replace(".base_layer", "") == f"language_model.{name}"]
        assert torch.equal(saved[same], tensor), name
    assert f"start_from: {first}" in (tmp_path / "run" / "2-answers" / "config.yaml").read_text()

    # Its tokens are nearest to the classes that sound, of all classes.
    again, processor = build_bat(arguments(data, folders, tmp_path, start_from=str(first)))
    scene_tokens = scene_tokens_of(folders["text"], again.language_model, processor.tokenizer)
    dataset = SpatialQADataset(data / "few.jsonl", 32_000, again.config.encoder_config.window_samples)
    cues = {
        name: processor.feature_extractor(dataset[row]["waveform"], sampling_rate=32_000, return_tensors="pt")
        for row, name in enumerate(record.recording_id for record in dataset.records)
    }
    with torch.no_grad():
        for row, record in enumerate(dataset.records):
            hidden = again.encoder(**cues[record.recording_id]).last_hidden_state
            tokens = again.projector.eval()(hidden, layout=again.config.encoder_config.token_layout).last_hidden_state[0]
            for source in targets_of(record):
                place = torch.tensor(place_numbers(source)).expand(1, len(scene_tokens.labels), -1)
                every = scene_tokens.tokens(torch.arange(len(scene_tokens.labels))[None], place)[0]
                nearest = torch.cdist(tokens, every).min(0).values.argmin()
                assert scene_tokens.labels[nearest] == source.labels[0], (row, record.id)


def test_a_language_model_trained_on_words_has_no_scene_tokens(parts: dict[str, Path], model: SceneTokens) -> None:  # noqa: F811
    with pytest.raises(CheckpointError, match=r"no scene_tokens.safetensors"):
        scene_tokens_of(parts["text"], model.language_model, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teach": "scenes"}, "encoder_cache False"),
        ({"stages": [BatStage("a", teach="scenes")]}, "encoder_cache False"),
        ({"teach": "scenes", "stages": [BatStage("a")], "encoder_cache": True}, "teach and stages are both given"),
        (
            {
                "teach": "scenes",
                "encoder_cache": True,
                "encoder": None,
                "language_model": None,
                "start_from": "tiny",
                "projector": {},
                "lora": LoraArguments(),
            },
            "language_model None",
        ),
    ],
)
def test_arguments_that_the_lesson_cannot_use_are_named(
    data: Path,
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
    changes: dict,
    message: str,
) -> None:
    with pytest.raises(SpatialLLMError, match=message):
        arguments(data, parts, tmp_path, **changes)
