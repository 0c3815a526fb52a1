"""Steps that are not finite, left out: nothing of them stays, they are counted, and a resumed run counts the same."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from spatial_llm.errors import SpatialLLMError
from spatial_llm.training.engine.batches import shuffled
from spatial_llm.training.engine.checkpointing import find_latest_valid
from spatial_llm.training.engine.nonfinite import NonFiniteSteps
from tests.training.engine.kill_harness import HERE
from tests.training.engine.test_nonfinite_trace import Breaks
from tests.training.engine.toy_run import (
    SAMPLES,
    Crash,
    SimpleOutput,
    Toy,
    crash,
    everything,
    terminate,
    toy_run,
    toy_schedule,
)

BAD = 7  # in every epoch of seven batches once


def bad_steps(processes: int = 1) -> list[int]:
    """The steps of the run whose batch holds the bad sample. Several processes fill up the last batches of an epoch."""
    found, batch = [], 4 * processes
    for epoch in range(5):
        order = shuffled(SAMPLES, epoch)
        order += order[: -SAMPLES % batch] if processes > 1 else []
        a_step = -(-SAMPLES // batch)
        found += sorted({epoch * a_step + place // batch + 1 for place, index in enumerate(order) if index == BAD})
    return [step for step in found if step <= 20]


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def parts(folder: Path, step: int) -> tuple[dict[str, torch.Tensor], dict[int, dict[str, torch.Tensor]], float]:
    """Weights with buffers, the optimiser's state, and the rate, at a checkpoint."""
    where = folder / "checkpoints" / f"step-{step:08d}"
    optimizer = torch.load(where / "optimizer.pt", weights_only=True)
    return load_file(where / "model.safetensors"), optimizer["state"], optimizer["param_groups"][0]["lr"]


def equal(before: Any, after: Any) -> bool:
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(equal(before[key], after[key]) for key in before)
    return torch.equal(before, after)


def test_a_step_left_out_moves_nothing(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    toy_run(tmp_path, bad=[BAD], nonfinite="skip", save_every=1, keep_checkpoints=99, log_every=1)
    expected = bad_steps()
    assert len(expected) == 3, "three epochs"
    for step in range(2, 21):
        weights, optimizer, rate = parts(tmp_path, step)
        weights_before, optimizer_before, rate_before = parts(tmp_path, step - 1)
        assert {"projector.1.running_mean", "projector.1.num_batches_tracked", "head.scale"} <= set(weights)
        assert equal(weights, weights_before) == equal(optimizer, optimizer_before) == (step in expected), step
        assert rate != rate_before, "the rate moves on with the steps"
        assert all(torch.isfinite(tensor).all() for tensor in weights.values())
    left_out = [row for row in rows(tmp_path) if "skipped" in row]
    assert [row["step"] for row in left_out] == expected
    assert all(row["skipped"] == "the loss is nan" and row["first"] == "x of the batch itself" for row in left_out)
    assert all(f"record-{BAD}" in row["records"] and len(row["records"]) <= 4 for row in left_out)
    logged = {row["step"]: row for row in rows(tmp_path) if "learning_rate" in row}
    assert [step for step, row in logged.items() if "loss" not in row] == expected
    assert all("grad_norm" not in logged[step] for step in expected) and logged[20]["skipped_steps"] == 3
    said = capsys.readouterr().out
    assert said.count("Left out") == 3 and "3 of this run so far" in said


def test_means_are_those_of_the_steps_that_were_made(tmp_path: Path) -> None:
    _, mean = toy_run(tmp_path / "each", bad=[BAD], nonfinite="skip", log_every=1)
    _, again = toy_run(tmp_path / "three", bad=[BAD], nonfinite="skip", log_every=3)
    losses = {row["step"]: row["loss"] for row in rows(tmp_path / "each") if "loss" in row}
    assert len(losses) == 17 and all(map(math.isfinite, losses.values()))
    assert mean == pytest.approx(sum(losses.values()) / 17, rel=1e-5) and again == pytest.approx(mean, rel=1e-5)
    windows = [row for row in rows(tmp_path / "three") if "loss" in row]
    assert [row["step"] for row in windows] == [3, 6, 9, 12, 15, 18]
    for row in windows:
        made = [losses[step] for step in range(row["step"] - 2, row["step"] + 1) if step in losses]
        assert row["loss"] == pytest.approx(sum(made) / len(made), rel=1e-5)


def test_without_such_steps_nothing_changes(tmp_path: Path) -> None:
    assert toy_run(tmp_path / "skip", nonfinite="skip") == toy_run(tmp_path / "stop")


@pytest.mark.parametrize("accumulation", [1, 2])
def test_stops_leave_no_trace(tmp_path: Path, accumulation: int) -> None:
    options = {"bad": [BAD], "nonfinite": "skip", "accumulation": accumulation, "log_every": 4}
    whole = toy_run(tmp_path / "whole", **options)
    stopped = tmp_path / "stopped"
    at = bad_steps()[0] + 1
    with pytest.raises(SystemExit):
        toy_run(stopped, at_batch=(at * accumulation, terminate), **options)
    with pytest.raises(Crash):
        toy_run(stopped, at_batch=(8 * accumulation, crash), **options)
    assert toy_run(stopped, **options) == whole
    assert everything(stopped) == everything(tmp_path / "whole")


def test_a_run_that_stopped_may_go_on_and_skip(tmp_path: Path) -> None:
    with pytest.raises(SpatialLLMError, match=r"schedule\.nonfinite=skip"):
        toy_run(tmp_path / "run", bad=[BAD], save_every=2)
    went_on = toy_run(tmp_path / "run", bad=[BAD], nonfinite="skip")
    assert went_on[0] == toy_run(tmp_path / "whole", bad=[BAD], nonfinite="skip")[0]


class Later(Toy):
    """Its gradients are infinite in some batches."""

    broken = (5,)

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
        self.count += self.training
        hidden = self.projector(self.encoder(x))
        if self.count in self.broken:
            hidden = Breaks.apply(hidden)
        return SimpleOutput(loss=(self.head(hidden)[:, 0] - y).square().mean())


def test_a_gradient_alone_is_reason_enough(tmp_path: Path) -> None:
    # The batch is repeated to find the place, so the next one has another count.
    toy_run(tmp_path, build=Later, nonfinite="skip", save_every=1, keep_checkpoints=99)
    (row,) = [row for row in rows(tmp_path) if "skipped" in row]
    assert row["step"] == 5 and row["skipped"].startswith("the gradient's length is")
    assert all(map(equal, parts(tmp_path, 5)[:2], parts(tmp_path, 4)[:2]))
    assert not equal(parts(tmp_path, 6)[0], parts(tmp_path, 5)[0])


def test_too_many_in_a_row_stop_the_run_and_keep_the_checkpoint(tmp_path: Path) -> None:
    class Broken(Later):
        broken = range(8, 1000)

    with pytest.raises(SpatialLLMError, match=r"step 11: .* 4 such steps in a row; schedule\.nonfinite_limit allows 3"):
        toy_run(tmp_path, build=Broken, nonfinite="skip", nonfinite_limit=3, save_every=1)
    found = find_latest_valid(tmp_path / "checkpoints")
    assert found.step == 10 and not (tmp_path / "model").exists()
    assert all(torch.isfinite(tensor).all() for tensor in load_file(found.path / "model.safetensors").values())


def test_a_run_of_nothing_but_such_steps_is_an_error_and_leaves_no_model(tmp_path: Path) -> None:
    class Broken(Later):
        broken = range(1, 1000)

    options = {"build": Broken, "nonfinite": "skip", "nonfinite_limit": 100, "save_every": 1, "keep_checkpoints": 99}
    for steps, last in ((1, None), (6, 3)):
        folder = tmp_path / str(steps)
        for _ in range(2):  # the same command again ends in the same way
            with pytest.raises(SpatialLLMError, match=r"steps of the run were left out, more than 50%: that is no training"):
                toy_run(folder, steps=steps, **options)
        found = find_latest_valid(folder / "checkpoints")
        assert (found and found.step) == last and not (folder / "model").exists()


def test_half_of_the_steps_may_be_left_out(tmp_path: Path) -> None:
    class Half(Later):
        broken = (2, 4, 6)  # each is repeated once: of steps 2, 3 and 4

    toy_run(tmp_path, build=Half, nonfinite="skip", steps=6)
    assert len([row for row in rows(tmp_path) if "skipped" in row]) == 3 and (tmp_path / "model").is_dir()


def test_a_limit_of_nothing_and_sharded_weights_are_refused() -> None:
    with pytest.raises(SpatialLLMError, match="nonfinite_limit is 0"):
        toy_schedule(nonfinite="skip", nonfinite_limit=0)
    with pytest.raises(SpatialLLMError, match=r"DeepSpeed or FSDP.*take stop"):
        NonFiniteSteps(SimpleNamespace(sharded=True), toy_schedule(nonfinite="skip"))
    NonFiniteSteps(SimpleNamespace(sharded=True), toy_schedule())


def two_processes(folder: Path, **options: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(HERE)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[3])}
    command += [str(folder), json.dumps(options)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.slow
def test_two_processes_leave_out_the_same_steps(tmp_path: Path) -> None:
    options = {"bad": [BAD], "nonfinite": "skip", "save_every": 1, "keep_checkpoints": 99}
    done = two_processes(tmp_path / "whole", **options)
    assert done.returncode == 0, done.stderr
    expected = bad_steps(processes=2)
    left_out = [row for row in rows(tmp_path / "whole") if "skipped" in row]
    assert [row["step"] for row in left_out] == expected and len(expected) >= 5
    assert all(f"record-{BAD}" in row["records"] for row in left_out), "whichever process had it"
    for step in expected:
        if step > 1:
            assert all(map(equal, parts(tmp_path / "whole", step)[:2], parts(tmp_path / "whole", step - 1)[:2]))
    parameters = {path.read_text() for path in (tmp_path / "whole").glob("parameters-*")}
    assert len(list((tmp_path / "whole").glob("parameters-*"))) == 2 and len(parameters) == 1
    assert done.stdout.count("Left out") == len(expected), "said once"

    done = two_processes(tmp_path / "stopped", stop_at=expected[1] + 1, **options)
    assert "with a checkpoint" in done.stdout and done.returncode != 0, done.stderr
    done = two_processes(tmp_path / "stopped", **options)
    assert done.returncode == 0, done.stderr
    assert everything(tmp_path / "stopped") == everything(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_stop_with_the_record_of_either(tmp_path: Path) -> None:
    done = two_processes(tmp_path / "run", bad=[BAD])
    assert done.returncode != 0
    step = bad_steps(processes=2)[0]
    said = [line for line in done.stderr.splitlines() if f"SpatialLLMError: step {step}: " in line]
    assert len(said) >= 1 and all("x of the batch itself" in line and f"record-{BAD}" in line for line in said)


@pytest.mark.slow
def test_what_one_process_alone_can_see_all_leave_out(tmp_path: Path) -> None:
    """Gradients are averaged, so a NaN in them is everybody's; an infinite loss with finite gradients is not."""
    options = {"nonfinite": "skip", "save_every": 1, "keep_checkpoints": 99, "infinite_at": 6}
    done = two_processes(tmp_path, **options)
    assert done.returncode == 0, done.stderr
    (row,) = [row for row in rows(tmp_path) if "skipped" in row]
    assert row["step"] == 6 and row["skipped"] == "the loss is inf" and "when the batch was repeated" in row["first"]
    assert all(map(equal, parts(tmp_path, 6)[:2], parts(tmp_path, 5)[:2]))
    parameters = [path.read_text() for path in tmp_path.glob("parameters-*")]
    assert len(parameters) == 2 and len(set(parameters)) == 1
