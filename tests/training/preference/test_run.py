"""Runs of preference training: what moves, what must not, stops and goes on, loads and answers."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from spatial_llm import SpatialLLM
from spatial_llm.commands import load
from spatial_llm.data.preference.make import PairSettings, make_pairs
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.files import sha256_of
from spatial_llm.settings import to_yaml
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.preference.held_out import HELD_OUT
from spatial_llm.training.preference.run import train_preference
from spatial_llm.training.preference.settings import DpoSettings, GrpoSettings
from tests.mono_bases import tiny_plugged

SHORT = GrpoSettings(samples=3, max_new_tokens=6)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_only_projector_and_lora_move_and_the_model_answers(arguments, toy, pairs, tmp_path):
    """Through the command; the first line is from before the first step: margins exactly 0, the loss log 2."""
    (tmp_path / "dpo.yaml").write_text(to_yaml(arguments(tmp_path / "run", eval_pairs=pairs["eval"])))
    load("train-preference").main(["--config", str(tmp_path / "dpo.yaml")])
    before, after = weights(toy), weights(tmp_path / "run" / "model")
    assert before.keys() == after.keys()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and all(name.startswith("projector.") or ".lora_" in name for name in moved)
    first, *_, last = [line for line in lines(tmp_path / "run") if "loss" in line]
    assert first["margin"] == 0.0 and first["preferred"] == 0.0 and first["loss"] == pytest.approx(np.log(2), abs=1e-6)
    assert last["step"] == 4 and last["margin"] != 0.0 and last["chosen_log_prob"] < 0
    told = json.loads((tmp_path / "run" / HELD_OUT).read_text())
    assert told["all"]["pairs"] == sum(one["pairs"] for kind, one in told.items() if kind != "all") > 0
    assert told["all"]["margin_low"] <= told["all"]["margin"] <= told["all"]["margin_high"]
    loaded = SpatialLLM.from_pretrained(tmp_path / "run" / "model")
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, 9_000))
    assert isinstance(loaded.ask(noise, "Where is the bell?", sampling_rate=32_000, max_new_tokens=4), str)
    assert (tmp_path / "run" / "losses.png").is_file() and (tmp_path / "run" / "reference").is_dir()


def test_with_beta_0_nothing_moves(arguments, toy, tmp_path):
    train_preference(arguments(tmp_path / "run", dpo=DpoSettings(beta=0.0), learning_rate=1e-1))
    before, after = weights(toy), weights(tmp_path / "run" / "model")
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_margins_are_0_until_something_has_moved(arguments, tmp_path, precision):
    """Two batches a step, and a first step at rate 0: all pairs of two steps are as in the reference, bit for bit."""
    train_preference(
        arguments(tmp_path / "run", steps=2, gradient_accumulation=2, batch_size=3, precision=precision, encoder_cache=False)
    )
    first, second = [line for line in lines(tmp_path / "run") if "loss" in line]
    assert first["margin"] == second["margin"] == first["preferred"] == second["preferred"] == 0.0


@pytest.mark.parametrize(
    ("objective", "changes"),
    [("dpo", {}), ("grpo", {"grpo": GrpoSettings(samples=2, max_new_tokens=5, inner_epochs=2, clip=0.1)})],
)
@pytest.mark.slow
def test_a_run_that_was_stopped_ends_with_the_same_weights(arguments, tmp_path, monkeypatch, objective, changes):
    """Stopped after an odd number of steps: in the middle of the steps on the same answers."""
    schedule = {"steps": 6, "save_every": 3, "batch_size": 2}
    train_preference(arguments(tmp_path / "whole", objective, **schedule, **changes))
    log = RunFolder.log

    def log_and_signal(self: RunFolder, row: dict[str, Any]) -> None:
        log(self, row)
        if row.get("step") == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "log", log_and_signal)
        with pytest.raises(SystemExit) as stopped:
            train_preference(arguments(tmp_path / "run", objective, **schedule, **changes))
    assert stopped.value.code == 75 and not (tmp_path / "run" / "model").exists()
    assert (tmp_path / "run" / "checkpoints" / "step-00000003").is_dir()
    train_preference(arguments(tmp_path / "run", objective, **schedule, **changes))
    for part in ("model/model.safetensors", "metrics.jsonl"):
        assert sha256_of(tmp_path / "run" / part) == sha256_of(tmp_path / "whole" / part), part


@pytest.mark.slow
def test_held_out_margins_rise(arguments, data, whole, tmp_path):
    """Of pairs about other rooms and sounds; answers to what was not asked are known by their words alone, which the tiniest
    model learns."""
    files = {split: str(data / f"{split}_other.jsonl") for split in ("train", "eval")}
    for split, file in files.items():
        make_pairs(data / f"{split}.jsonl", file, PairSettings(["other_question"]))
    train_preference(
        arguments(
            tmp_path / "run", start_from=str(whole), pairs=files["train"], eval_pairs=files["eval"], steps=40, batch_size=8,
            learning_rate=3e-3, log_every=10,
        )
    )  # fmt: skip
    told = json.loads((tmp_path / "run" / HELD_OUT).read_text())
    assert told["other_question"]["margin_low"] > 0.5
    assert told["other_question"]["after"] >= told["other_question"]["before"]
    margins = [line["margin"] for line in lines(tmp_path / "run") if "margin" in line]
    assert margins[-1] > 1.0


def test_grpo_writes_what_it_rewards_and_the_model_loads(arguments, toy, tmp_path):
    train_preference(arguments(tmp_path / "run", "grpo", grpo=SHORT, steps=2, batch_size=2))
    before, after = weights(toy), weights(tmp_path / "run" / "model")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved <= {name for name in before if name.startswith("projector.") or ".lora_" in name}
    first = lines(tmp_path / "run")[0]
    assert {"reward", "right", "unparsed", "refused", "reward_spread", "kl", "clipped"} <= first.keys()
    assert first["kl"] == 0.0 and first["clipped"] == 0.0 and -0.5 <= first["reward"] <= 1.1
    assert SpatialLLM.from_pretrained(tmp_path / "run" / "model")


@pytest.mark.slow
def test_in_bfloat16_lora_learns_and_the_start_is_what_it_was(arguments, whole, tmp_path):
    """Autocast keeps casts of weights: those of the sampling have no gradient, and those of the start are other weights."""
    settings = GrpoSettings(samples=6, max_new_tokens=8, kl=0.1)
    train_preference(
        arguments(
            tmp_path / "run", "grpo", start_from=str(whole), grpo=settings, precision="bf16", batch_size=4, steps=6,
            learning_rate=5e-3,
        )
    )  # fmt: skip
    before, after = weights(whole), weights(tmp_path / "run" / "model")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert {name for name in before if ".lora_B" in name} <= moved and any(name.startswith("projector.") for name in moved)
    divergence = [line["kl"] for line in lines(tmp_path / "run") if "kl" in line]
    assert divergence[0] == divergence[1] == 0.0 and divergence[-1] > 1e-4


@pytest.mark.slow
def test_grpo_raises_the_reward(arguments, whole, tmp_path):
    """A model of a few seconds of training writes much that cannot be read, which is punished."""
    settings = GrpoSettings(samples=8, max_new_tokens=12, kl=0.0)
    train_preference(
        arguments(
            tmp_path / "run", "grpo", start_from=str(whole), grpo=settings, steps=30, batch_size=4, learning_rate=5e-3,
        )
    )  # fmt: skip
    rewards = [line["reward"] for line in lines(tmp_path / "run") if "reward" in line]
    assert np.mean(rewards[-8:]) > np.mean(rewards[:8]) + 0.05


@pytest.mark.parametrize(
    ("objective", "changes", "words"),
    [
        ("dpo", {"pairs": None}, "objective is dpo without pairs: give pairs, and leave out questions, types, grpo"),
        ("dpo", {"types": ["A"]}, "objective is dpo and has types, which are those of the other objective"),
        ("dpo", {"grpo": SHORT}, "objective is dpo and has grpo"),
        ("grpo", {"eval_pairs": "x"}, "objective is grpo and has eval_pairs"),
        ("grpo", {"dpo": DpoSettings(beta=1.0)}, "objective is grpo and has dpo"),
    ],
)
def test_settings_of_the_other_objective_are_refused(arguments, tmp_path, objective, changes, words):
    with pytest.raises(SpatialLLMError, match=words):
        arguments(tmp_path, objective, **changes)


def test_what_cannot_be_trained(arguments, tmp_path, monkeypatch):
    with pytest.raises(ManifestError, match=r"none\.jsonl: no such file; spatial-llm pairs"):
        train_preference(arguments(tmp_path / "run", pairs=str(tmp_path / "none.jsonl")))
    monkeypatch.setenv("ACCELERATE_USE_DEEPSPEED", "true")
    with pytest.raises(SpatialLLMError, match=r"DeepSpeed and FSDP gather weights: launch with recipes/launch/ddp\.yaml"):
        train_preference(arguments(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_model_that_hears_by_itself_is_refused(arguments, tmp_path):
    tiny_plugged("granite_speech").save_pretrained(tmp_path / "plugged")
    run = arguments(tmp_path / "run")
    run.start_from = str(tmp_path / "plugged")
    with pytest.raises(SpatialLLMError, match=r"granite_speech\) hears the recordings by itself"):
        train_preference(run)
    assert not (tmp_path / "run").exists()


def test_a_run_on_other_pairs_does_not_go_on(arguments, pairs, tmp_path):
    train_preference(arguments(tmp_path / "run"))
    with pytest.raises(SpatialLLMError, match=r"made with other arguments: .*content of the manifest"):
        train_preference(arguments(tmp_path / "run", pairs=pairs["eval"]))
