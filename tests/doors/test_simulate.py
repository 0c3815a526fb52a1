"""The doors data/simulate_scenes.py and data/write_questions.py: their YAML files parse to typed values, an unknown key
stops them, they run, and a run killed at any point ends in the same bytes when it is started again."""

import hashlib
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from spatial_llm.commands import questions, simulate
from spatial_llm.data.records import read_manifest
from spatial_llm.settings import parse_arguments

DATA = Path(__file__).resolve().parents[2] / "data"
SIMULATIONS = sorted((DATA / "configs").glob("*.yaml"))
SIMULATIONS, WRITINGS = (
    [path for path in SIMULATIONS if path.read_text().split("\n", 1)[1].find(f"{key}:") >= 0]
    for key in ("simulation", "writing")
)
TINY = {
    "train.rooms": 2,
    "train.clips_one_source": 2,
    "train.clips_two_sources": 2,
    "eval.rooms": 1,
    "eval.clips_one_source": 1,
    "eval.clips_two_sources": 1,
    "room.max_order": 2,
    "room.duration_s": 0.15,
    "room.positions_per_room": 3,
}


def test_configs_are_there():
    assert {"demo_train.yaml", "dry_index.yaml"} <= {path.name for path in SIMULATIONS}
    assert {"demo_train_questions.yaml", "all_families.yaml"} <= {path.name for path in WRITINGS}


@pytest.mark.parametrize("config", SIMULATIONS, ids=lambda path: path.name)
def test_every_simulation_parses(config):
    arguments = parse_arguments(simulate.SimulateArguments, ["--config", str(config), "--output", "x"])
    assert arguments.simulation.train.counts


@pytest.mark.parametrize("config", WRITINGS, ids=lambda path: path.name)
def test_every_writing_parses(config):
    arguments = parse_arguments(questions.QuestionsArguments, ["--config", str(config), "--data", "x"])
    arguments.writing.questions.check_asked()


def test_unknown_keys_stop(capsys):
    with pytest.raises(SystemExit):
        parse_arguments(simulate.SimulateArguments, ["--output", "x", "--simulation.room.absorbtion", "[0.1, 0.2]"])
    assert "absorbtion" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        parse_arguments(questions.QuestionsArguments, ["--data", "x", "--writing.questions.locations", "2"])
    assert "locations" in capsys.readouterr().err


def test_both_run(repository, tmp_path, monkeypatch, capsys):
    def door(name, *options):
        monkeypatch.setattr(sys, "argv", [name, *options, "--progress", "false"])
        runpy.run_path(str(repository / "data" / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    tiny = [item for key, value in TINY.items() for item in (f"--simulation.{key}", str(value))]
    out = tmp_path / "out"
    command = ["simulate_scenes", "--config", str(DATA / "configs" / "demo_train.yaml"), "--output", str(out), *tiny]
    assert "train: 4 scenes in" in door(*command)
    write = ["write_questions", "--config", "demo_train_questions", "--data", str(out)]
    printed = door(*write)
    assert "train: 4 scenes" in printed and "DOA" in printed
    assert {record.type for record in read_manifest(out / "eval.jsonl")} <= set("ABCDE")
    with pytest.raises(SystemExit, match="simulate_scenes: distance_m is"):
        door(*command, "--simulation.room.distance_m", "[9, 2]")
    with pytest.raises(SystemExit, match="write_questions: shard is '3/2'"):
        door(*write, "--shard", "3/2")


def digest(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_killed_at_any_point_and_started_again_ends_in_identical_bytes(repository, tmp_path):
    """Ten runs, each killed (SIGKILL, with its workers) at random times until it gets through, against one left alone."""
    config = ["--config", str(repository / "tests/doors/configs/data.yaml"), "--simulation.train.rooms", "24"]
    questions = ["--config", str(DATA / "configs" / "all_families.yaml")]

    def start(folder: Path) -> subprocess.Popen:
        simulated = [sys.executable, "data/simulate_scenes.py", *config, "--output", str(folder), "--workers", "2"]
        written = [sys.executable, "data/write_questions.py", *questions, "--data", str(folder)]
        line = " && ".join(" ".join([*command, "--progress", "false"]) for command in (simulated, written))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen(["bash", "-c", line], cwd=repository, start_new_session=True, text=True, **quiet)

    begun = time.monotonic()
    with start(tmp_path / "alone") as process:
        assert process.wait() == 0, process.stderr.read()
    took_s = time.monotonic() - begun
    expected = digest(tmp_path / "alone")
    assert "train.jsonl" in expected and "questions.json" in expected
    rng, kills = np.random.default_rng(0), 0
    for run in range(5):
        folder = tmp_path / f"run{run}"
        for _ in range(2):
            with start(folder) as process:
                try:
                    process.wait(timeout=rng.uniform(0.3, 1.0) * took_s)
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    kills += 1
                    process.wait()
        with start(folder) as process:
            assert process.wait() == 0, process.stderr.read()
        assert digest(folder) == expected
        left = [path.name for path in tmp_path.iterdir() if path.name.startswith((f".run{run}", f"run{run}."))]
        assert left == [], "parts and temporaries are cleared away"
    assert kills >= 5
