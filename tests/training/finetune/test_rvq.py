"""Fine-tuning with codes: what the metrics say of them, a stop that changes nothing, an encoder that may not train."""

import json
import os
import runpy
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.codes import format_use, measure_codes
from spatial_llm.files import sha256_of
from spatial_llm.model import SpatialLLM
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.build import build_bat
from spatial_llm.training.finetune.run import finetune_bat
from tests.training.conftest import data, text_run  # noqa: F401  (fixtures)
from tests.training.finetune.test_run import arguments, parts  # noqa: F401  (a fixture)

RVQ = {"model_type": "spatial_rvq_projector", "hidden_size": 8, "num_levels": 2, "codebook_size": 8, "columns": "keep"}
MEASURES = {"codebook_perplexity", "codebook_used", "reconstruction_error"}


@pytest.mark.slow
def test_a_run_reports_its_codes_and_goes_on_where_it_was_stopped(
    data: Path,  # noqa: F811
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    schedule = Schedule(steps=6, batch_size=4, learning_rate=1e-3, log_every=1, save_every=3)
    run = {name: arguments(data, parts, tmp_path / name, projector=RVQ, schedule=schedule) for name in ("whole", "run")}
    finetune_bat(run["whole"])
    lines = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert len(steps) == 6 and all(set(line) >= MEASURES for line in steps)
    assert all(1 <= line["codebook_perplexity"] <= 8 and 0 < line["codebook_used"] <= 1 for line in steps)
    assert all(0 < line["reconstruction_error"] < 1 for line in steps)
    log = RunFolder.log

    def log_and_signal(self: RunFolder, row: dict[str, Any]) -> None:
        log(self, row)
        if row.get("step") == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "log", log_and_signal)
        with pytest.raises(SystemExit):
            finetune_bat(run["run"])
    finetune_bat(run["run"])
    for part in ("model/model.safetensors", "metrics.jsonl"):
        assert sha256_of(tmp_path / "run" / part) == sha256_of(tmp_path / "whole" / part), part


def test_the_loss_of_a_step_is_that_of_answers_and_of_codes(
    data: Path,  # noqa: F811
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    model, processor = build_bat(arguments(data, parts, tmp_path, projector=RVQ, lora=None))
    dataset = SpatialQADataset(data / "few.jsonl", 32_000, model.config.encoder_config.window_samples)
    batch = SpatialQACollator(processor)([dataset[index] for index in range(4)])
    model.projector.quantizer.dead_share = 0.0
    alone = model.eval()(**batch).loss
    trained = model.train()(**batch)
    torch.testing.assert_close(trained.loss, alone + trained.audio_loss)
    # A part of a step has the share of its labels in both.
    labels = int((batch["labels"] != -100).sum())
    part = model(**batch, num_items_in_batch=torch.tensor(4 * labels))
    answers = torch.nn.functional.cross_entropy(
        part.logits[:, :-1].flatten(0, 1), batch["labels"][:, 1:].flatten(), reduction="sum"
    )
    torch.testing.assert_close(part.loss, (answers / labels + part.audio_loss) / 4)


def test_an_encoder_that_would_learn_nothing_of_the_answers_is_refused(
    data: Path,  # noqa: F811
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    with pytest.raises(SpatialLLMError, match="codes let no gradient of the answers through"):
        build_bat(arguments(data, parts, tmp_path, projector=RVQ, trains="all"))


def test_what_was_heard_has_its_codes(
    data: Path,  # noqa: F811
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answerer = SpatialLLM.from_pretrained(finetune_bat(arguments(data, parts, tmp_path, projector=RVQ)))
    heard = answerer.listen(torch.randn(2, 32_000).numpy() * 0.1, 32_000)
    codes = heard.codes
    assert codes.shape == (4, 2) and codes.dtype == torch.int64
    assert torch.equal(answerer.model.projector.from_codes(codes[None]), heard.audio["audio_embeds"])
    use = measure_codes(answerer, data / "few.jsonl", 5, progress=False)
    assert len(use.perplexity) == len(use.errors) == 2 and use.errors[1] <= use.errors[0]
    assert format_use(use, 8).count("\n") == 3
    out = tmp_path / "codes.json"
    argv = ["codes", f"--model={tmp_path / 'model'}", f"--data={data / 'few.jsonl'}", "--recordings=5", f"--out={out}"]
    monkeypatch.setattr(sys, "argv", argv)
    runpy.run_path(str(Path(__file__).parents[3] / "eval" / "codes.py"), run_name="__main__")
    assert json.loads(out.read_text())["errors"] == list(use.errors)
    with pytest.raises(SpatialLLMError, match="no codes"):
        measure_codes(SpatialLLM.from_pretrained("tiny"), data / "few.jsonl", 5)
    with pytest.raises(SpatialLLMError, match="no codes"):
        SpatialLLM.from_pretrained("tiny").listen(torch.randn(2, 32_000).numpy() * 0.1, 32_000).codes  # noqa: B018
