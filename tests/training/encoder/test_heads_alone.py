"""Heads trained alone: nothing of the encoder moves, and they learn; they travel with the model that the encoder joins."""

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from spatial_llm.data.records import read_manifest
from spatial_llm.encoders import SpatialASTForLocalization, SpatialASTModel
from spatial_llm.errors import SpatialLLMError
from spatial_llm.training.encoder.arguments import EncoderStage
from spatial_llm.training.encoder.run import train_encoder
from spatial_llm.training.encoder.stages import train_stages
from spatial_llm.training.engine.schedule import Schedule
from tests.training.encoder.test_run import SIZES, arguments


def test_heads_learn_on_an_encoder_that_had_none_and_that_stays_as_it_was(data: Path, tmp_path: Path) -> None:
    whole = {"model_type": "spatial_ast", "model": SIZES, "direction_smoothing_deg": 10.0}
    records = [record for split in ("train", "eval") for record in read_manifest(data / f"{split}.jsonl")]
    labels = sorted({source.label for record in records for source in record.scene.sources})
    lines = ["index,mid,display_name", *(f"{number},/m/{number},{label}" for number, label in enumerate(labels))]
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    whole["label_csv"] = str(tmp_path / "labels.csv")
    train_encoder(arguments(data, tmp_path / "encoder", **whole))
    bare = AutoModel.from_pretrained(tmp_path / "encoder" / "model")
    assert isinstance(bare, SpatialASTModel)
    bare.save_pretrained(tmp_path / "bare")
    given = {**whole, "model": {}, "initial_encoder": str(tmp_path / "bare"), "trains": "heads"}
    schedule = Schedule(steps=60, batch_size=8, learning_rate=1e-2, log_every=1)
    scores = train_encoder(arguments(data, tmp_path / "heads", **given, schedule=schedule))
    assert set(scores) >= {"event_accuracy", "mae_deg", "der"}
    trained = SpatialASTForLocalization.from_pretrained(tmp_path / "heads" / "model")
    assert all(torch.equal(tensor, trained.encoder.state_dict()[name]) for name, tensor in bare.state_dict().items())
    lines = [json.loads(line) for line in (tmp_path / "heads" / "metrics.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_heads_alone_need_an_encoder_and_are_no_stage(data: Path, tmp_path: Path) -> None:
    with pytest.raises(SpatialLLMError, match="give initial_encoder"):
        train_encoder(arguments(data, tmp_path / "a", trains="heads"))
    stage = {"name": "one", "loss_weights": dict.fromkeys(("event", "distance", "azimuth", "elevation"), 1.0)}
    with pytest.raises(SpatialLLMError, match="trains: heads is for the joint run"):
        train_stages(
            arguments(data, tmp_path / "b", trains="heads", precompute=False,
                      stages=[EncoderStage(**stage, epochs=1.0, warmup_epochs=0.0)])
        )  # fmt: skip
