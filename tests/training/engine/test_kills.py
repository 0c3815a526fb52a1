"""kill -9 at any moment, half of the times while a checkpoint is being written: the same command ends with the same bits and
has lost no more than the steps since the last save. The gentler signals and two signals at once are tested too.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spatial_llm.errors import CheckpointError
from tests.training.engine.kill_harness import HERE, RunStarter, started_at
from tests.training.engine.toy_run import everything, toy_run

SAVE_EVERY = 4
RUN = {"steps": 30, "save_every": SAVE_EVERY, "log_every": 1, "pause_s": 0.004}


def wait_for(path: Path, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not come"
        time.sleep(0.001)


def steps_logged(folder: Path) -> int:
    """The last step of which a whole line stands in metrics.jsonl."""
    metrics = folder / "metrics.jsonl"
    lines = metrics.read_text().splitlines(keepends=True) if metrics.is_file() else []
    return max([json.loads(line)["step"] for line in lines if line.endswith("\n")], default=0)


def kill_and_resume(starter: RunStarter, folder: Path, count: int, seed: int, **options: object) -> tuple[int, int]:
    """Kills `count` runs, resumes each, and compares it with one that was left alone.

    Returns how many kills fell into a save, and the most steps that one of them cost.
    """
    rng, options = random.Random(seed), {**RUN, **options}
    reference = starter.run(folder / "reference", **options)
    whole = everything(folder / "reference")
    inside, most_lost = 0, 0
    for number in range(count):
        run = folder / f"run-{number}"
        process = starter.start(run, **options)
        wait_for(run / "metrics.jsonl")
        if number % 2:
            save = rng.randrange(SAVE_EVERY, RUN["steps"] + 1, SAVE_EVERY)
            wait_for(run / "checkpoints" / f".step-{save:08d}.new")
            time.sleep(rng.uniform(0.0, 0.006))
        else:
            time.sleep(rng.uniform(0.0, 0.5))
        os.kill(process, signal.SIGKILL)
        assert starter.wait(process) in (-signal.SIGKILL, 0)
        inside += any((run / "checkpoints").glob(".step-*"))
        done = steps_logged(run)
        assert starter.run(run, **options) == reference, f"kill {number} of seed {seed}"
        assert everything(run) == whole
        lost = done - started_at(run)[-1]
        most_lost = max(most_lost, lost)
        assert lost <= SAVE_EVERY
        assert not list(run.rglob(".*"))
    return inside, most_lost


def test_kills(starter: RunStarter, tmp_path: Path) -> None:
    kill_and_resume(starter, tmp_path, 6, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"lora": True}, {"lora": True, "accumulation": 3}, {"loader_workers": 2}], ids=str)
def test_kills_with_lora_accumulation_and_workers(starter: RunStarter, tmp_path: Path, options: dict) -> None:
    kill_and_resume(starter, tmp_path, 6, seed=3, **options)


@pytest.mark.slow
def test_a_hundred_kills(starter: RunStarter, tmp_path: Path) -> None:
    inside, most_lost = kill_and_resume(starter, tmp_path, 100, seed=2)
    print(f"100 kills, {inside} inside a save, at most {most_lost} steps lost")
    assert inside >= 25, "half are aimed at a save; too few met one"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_exits(starter: RunStarter, tmp_path: Path, number: signal.Signals) -> None:
    reference = starter.run(tmp_path / "whole", **RUN)
    process = starter.start(tmp_path / "run", **RUN)
    wait_for(tmp_path / "run" / "checkpoints" / "step-00000004")
    time.sleep(0.02)
    began = time.monotonic()
    os.kill(process, number)
    assert starter.wait(process) == 75
    assert time.monotonic() - began < 30
    done = steps_logged(tmp_path / "run")
    assert starter.run(tmp_path / "run", **RUN) == reference
    assert started_at(tmp_path / "run") == [0, done], "not a step was lost"
    assert everything(tmp_path / "run") == everything(tmp_path / "whole")


def test_a_second_signal_ends_it_at_once(starter: RunStarter, tmp_path: Path) -> None:
    process = starter.start(tmp_path / "run", steps=5, log_every=1, pause_s=4.0)
    wait_for(tmp_path / "run" / "metrics.jsonl")
    log = tmp_path / "run.log"
    time.sleep(1.0)
    os.kill(process, signal.SIGTERM)
    while "finishing this step" not in log.read_text():
        time.sleep(0.01)
    began = time.monotonic()
    os.kill(process, signal.SIGTERM)
    assert starter.wait(process) == -signal.SIGTERM
    assert time.monotonic() - began < 3, "in the middle of a step of four seconds"


@pytest.mark.slow
def test_two_processes_stop_together_and_resume(tmp_path: Path) -> None:
    def run(folder: Path, **options: object) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(HERE)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[3])}
        command += [str(folder), json.dumps(options)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    done = run(whole)
    assert done.returncode == 0, done.stderr
    done = run(stopped, stop_at=6)
    assert "stopped at step 6 with a checkpoint" in done.stdout and done.returncode != 0, done.stderr
    done = run(stopped)
    assert done.returncode == 0 and "step 6 of 20" in done.stdout, done.stderr
    kept = everything(stopped)
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= set(kept) and kept == everything(whole)
    with pytest.raises(CheckpointError, match=r"number of processes \(was 2, is 1\)"):
        toy_run(stopped)


def test_the_second_run_on_a_folder_is_refused_and_a_dead_ones_lock_is_not(starter: RunStarter, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    first = starter.start(folder, **{**RUN, "pause_s": 0.1})
    wait_for(folder / "checkpoints")
    began = time.monotonic()
    second = starter.start(folder, **RUN)
    assert starter.wait(second) == 1
    assert time.monotonic() - began < 5
    said = f"{folder} is in use by process {first} on {socket.gethostname()}: wait for it"
    assert said in folder.with_suffix(".log").read_text()
    os.kill(first, signal.SIGKILL)
    starter.wait(first)
    assert json.loads((folder / "lock.json").read_text())["process"] == first, "it is left behind"
    starter.run(folder, **{**RUN, "pause_s": 0.1})
