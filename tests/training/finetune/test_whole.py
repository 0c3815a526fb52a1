"""Going on from one folder that holds all parts, as the shipped model does: as from parts, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import spatial_llm.shipped
from spatial_llm import SpatialLLM
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.profiling.memory import build_on_meta
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.run import train_encoder
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.engine.trainable import what_trains
from spatial_llm.training.finetune.arguments import BatArguments, LoraArguments
from spatial_llm.training.finetune.build import build_bat
from spatial_llm.training.finetune.run import finetune_bat
from tests.training.encoder.test_run import SIZES
from tests.training.made_once import made_once

STEP = Schedule(steps=2, batch_size=4, learning_rate=1e-3)
SIZE = {"projector": {"num_query_tokens": 2, "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 24,
                      "intermediate_size": 96, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
                      "standardize_inputs": True},
        "lora": LoraArguments(rank=2, alpha=4, dropout=0.0)}  # fmt: skip


@pytest.fixture(scope="module")
def parts(data: Path, text_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    def encoder() -> Path:
        folder, manifest = tmp_path_factory.mktemp("encoder"), str(data / "train.jsonl")
        train_encoder(EncoderArguments(str(folder), manifest, None, "spatial_ast", STEP, SIZES, cpu_threads=1))
        return folder

    folder = made_once("encoder of two steps", encoder)
    return {"encoder": str(folder / "model"), "language_model": str(text_run / "model")}


@pytest.fixture(scope="module")
def whole(data: Path, parts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A first run's model, all parts in one folder."""
    return made_once("whole", lambda: finetune_bat(arguments(data, tmp_path_factory.mktemp("first"), **parts, **SIZE)))


def arguments(data: Path, run_folder: Path, **changes: object) -> BatArguments:
    given = {"run_folder": str(run_folder), "train_manifest": str(data / "train.jsonl"), "schedule": STEP, "cpu_threads": 1}
    return BatArguments(**given | {"encoder_cache": True} | changes)


def test_the_same_run_as_from_parts(data: Path, parts: dict[str, str], whole: Path, tmp_path: Path) -> None:
    """So nothing is lost on the way: projector, LoRA, frozen parts, tokenizer, order of the samples."""
    from_whole = finetune_bat(arguments(data, tmp_path / "whole", start_from=str(whole)))
    from_parts = finetune_bat(arguments(data, tmp_path / "parts", start_from=str(whole), **parts, **SIZE))
    one, two = (load_file(folder / "model.safetensors") for folder in (from_whole, from_parts))
    before = load_file(whole / "model.safetensors")
    assert one.keys() == two.keys() == before.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    moved = {name for name in one if not torch.equal(one[name], before[name])}
    assert moved and all(name.startswith("projector.") or ".lora_" in name for name in moved)
    # The Trainer sets use_cache to false while it trains. Saved so, an answer would read its prompt anew for every token.
    for folder in (from_whole, from_parts, Path(parts["language_model"])):
        settings = [json.loads((folder / name).read_text()) for name in ("config.json", "generation_config.json")]
        assert all(setting.get("use_cache", True) for setting in [*settings, settings[0].get("text_config", {})]), folder


def test_a_shipped_model_in_float16_goes_on_in_float32(
    data: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = SpatialLLM.from_pretrained(whole)
    stored.model.to(torch.float16)
    stored.save_pretrained(tmp_path / "package" / "toy")
    monkeypatch.setattr(spatial_llm.shipped, "_HERE", tmp_path / "package")
    run = arguments(data, tmp_path / "run", start_from="toy")
    model, _ = build_bat(run)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert {part for part, state, *_ in what_trains(model) if state == "trains"} == {"projector", "language_model LoRA"}
    on_meta = build_on_meta(run)
    assert {name: tuple(p.shape) for name, p in on_meta.named_parameters()} == {
        name: tuple(p.shape) for name, p in model.named_parameters()
    }
    half, _ = build_bat(replace(run, schedule=replace(STEP, precision="bf16")))
    kinds = {name.split(".")[0] if ".lora_" not in name else "lora": p.dtype for name, p in half.named_parameters()}
    assert kinds == {
        "encoder": torch.float32, "projector": torch.float32, "language_model": torch.bfloat16, "lora": torch.float32,
    }  # fmt: skip
    assert SpatialLLM.from_pretrained(finetune_bat(run)).model.dtype == torch.float32


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "encoder is None, language_model None, start_from None; give both parts"),
        ({"start_from": "x", "encoder": "y"}, "encoder is y, language_model None"),
        ({"start_from": "x", "lora": None}, "projector, fusion, LoRA and time tokens are those of start_from"),
        (
            {"start_from": "x", "projector": {"num_query_tokens": 3}},
            "projector, fusion, LoRA and time tokens are those of start_from",
        ),
        ({"start_from": "x", "save": "trained"}, "saved whole"),
    ],
)
def test_what_cannot_be_asked_for(data: Path, tmp_path: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(SpatialLLMError, match=words):
        arguments(data, tmp_path, **changes)


def test_a_start_that_is_no_model(data: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere: no such folder"):
        finetune_bat(arguments(data, tmp_path / "run", start_from=str(tmp_path / "nowhere")))
    assert not (tmp_path / "run").exists()
