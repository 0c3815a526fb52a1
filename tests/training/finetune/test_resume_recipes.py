"""The recipes themselves, stopped by a signal: the same arguments again give the model of an undisturbed run."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatial_llm.data.records import read_manifest, write_manifest
from spatial_llm.files import sha256_of
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.run import train_encoder
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatArguments, LoraArguments
from spatial_llm.training.finetune.run import finetune_bat
from spatial_llm.training.tiny.arguments import TextArguments
from spatial_llm.training.tiny.pretrain_language_model import pretrain_text
from tests.training.encoder.test_run import SIZES

SCHEDULE = Schedule(steps=9, batch_size=4, learning_rate=1e-3, log_every=1, save_every=3)


@pytest.fixture(scope="module")
def manifest(data: Path) -> str:
    """A handful of recordings, with one source each."""
    records = [record for record in read_manifest(data / "train.jsonl") if record.type in ("A", "B")]
    write_manifest(data / "resumed.jsonl", records[:12])
    return str(data / "resumed.jsonl")


@pytest.fixture(scope="module")
def run_of(manifest: str, text_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Callable[[Path], Any]]:
    encoder = tmp_path_factory.mktemp("encoder")
    common = {"schedule": SCHEDULE, "cpu_threads": 1}

    def train_an_encoder(folder: Path) -> None:
        train_encoder(
            EncoderArguments(
                run_folder=str(folder),
                train_manifest=manifest,
                eval_manifest=None,
                model_type="dspast",
                model=SIZES,
                **common,
            )
        )

    def pretrain(folder: Path) -> None:
        sizes = {"vocab_size": 600, "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
        pretrain_text(
            TextArguments(run_folder=str(folder), manifest=manifest, examples=20, eval_examples=2, **sizes, **common)
        )

    def finetune(folder: Path) -> None:
        if not (encoder / "model").exists():
            train_an_encoder(encoder)
        projector = {
            "num_query_tokens": 4, "num_hidden_layers": 1, "cross_attention_frequency": 1, "num_attention_heads": 2,
            "hidden_size": 24, "intermediate_size": 96, "standardize_inputs": True,
        }  # fmt: skip
        finetune_bat(
            BatArguments(
                run_folder=str(folder),
                train_manifest=manifest,
                encoder=str(encoder / "model"),
                language_model=str(text_run / "model"),
                projector=projector,
                lora=LoraArguments(rank=2),
                **common,
            )
        )

    return {"encoder": train_an_encoder, "text": pretrain, "bat": finetune}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["encoder", "text", "bat"])
def test_a_recipe_goes_on_where_it_was_stopped(
    run_of: dict[str, Callable[[Path], Any]], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of[name]
    run(tmp_path / "whole")
    log = RunFolder.log

    def log_and_signal(self: RunFolder, row: dict[str, Any]) -> None:
        log(self, row)
        if row.get("step") == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "log", log_and_signal)
        with pytest.raises(SystemExit) as stopped:
            run(tmp_path / "run")
    assert stopped.value.code == 75 and not (tmp_path / "run" / "model").exists()
    assert (tmp_path / "run" / "checkpoints" / "step-00000005").is_dir()
    run(tmp_path / "run")
    for part in ("model/model.safetensors", "metrics.jsonl"):
        assert sha256_of(tmp_path / "run" / part) == sha256_of(tmp_path / "whole" / part), part
