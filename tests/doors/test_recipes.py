"""The recipes end to end on a configuration of seconds: the demonstration's chain, and each door's own error."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGS = "tests/doors/configs"


def run(repository: Path, *command: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, *command], cwd=repository, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="module")
def demo(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], Path, str]:
    """The command, the folder and the output of a first run of the whole demonstration."""
    runs = tmp_path_factory.mktemp("runs")
    command = ["recipes/demo_train.py", "--runs", str(runs), "--configs", CONFIGS, "--data_config", f"{CONFIGS}/data.yaml"]
    done = run(repository, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return command, runs, done.stdout


@pytest.mark.slow
def test_demo_runs_every_stage_and_asks(demo: tuple[list[str], Path, str]) -> None:
    _, runs, output = demo
    for number in range(1, 9):
        assert f"[{number}/8]" in output
    assert output.count("answer: ") == output.count("truth: ") == 3
    assert "B_left_right_acc" in output
    for name in ("encoder", "text", "bat"):
        kept = {path.name for path in (runs / name).iterdir()}
        assert {"config.yaml", "provenance.json", "metrics.jsonl", "model", "stage.json"} <= kept
    assert (runs / "unseen.wav").is_file() and (runs / "scores" / "report" / "index.html").is_file()
    assert not list(runs.rglob(".*.tmp"))


@pytest.mark.slow
def test_train_and_eval_share_neither_room_nor_recording(demo: tuple[list[str], Path, str]) -> None:
    _, runs, _ = demo
    met = {}
    for split in ("train", "eval"):
        lines = [json.loads(line) for line in (runs / "data" / f"{split}.jsonl").read_text().splitlines()]
        scenes = [line["scene"] for line in lines]
        rooms = {scene["room"]["id"].removesuffix("-mirrored") for scene in scenes}
        met[split] = rooms, {source["recording"] for scene in scenes for source in scene["sources"]}
    assert met["train"][0].isdisjoint(met["eval"][0])
    assert met["train"][1].isdisjoint(met["eval"][1])


@pytest.mark.slow
def test_finished_stages_are_reused(repository: Path, demo: tuple[list[str], Path, str]) -> None:
    command, _, first = demo
    again = run(repository, *command, "--until", "scores")
    assert again.returncode == 0 and again.stdout.count("reused") == 7
    table = again.stdout[again.stdout.index("# Scores") :].strip()
    assert all(line in first for line in table.splitlines()), "the table of the first run is shown again"


@pytest.mark.parametrize("recipe", ["train_encoder", "finetune_bat"])
def test_missing_input_is_one_sentence(
    repository: Path, tmp_path: Path, recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = str(repository / CONFIGS / f"{recipe.split('_')[1]}.yaml")
    monkeypatch.setattr(sys, "argv", [recipe, "--config", config, "--run_folder", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(repository / "recipes" / f"{recipe}.py"), run_name="__main__")
    assert str(ended.value.code).startswith("error: ") and "unused" in str(ended.value.code)  # status 1 with this sentence
    assert not (tmp_path / "run").exists(), "nothing written"
