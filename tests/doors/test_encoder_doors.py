"""recipes/train_encoder.py in stages and eval/encoder.py, as they are called."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from spatial_llm.files import sha256_of
from spatial_llm.settings import read_yaml
from tests.training.conftest import data  # noqa: F401  (a fixture)
from tests.training.encoder.test_run import SIZES


def run(repository: Path, *command: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run([sys.executable, *command], cwd=repository, env=environment, capture_output=True, text=True)


def staged_config(repository: Path, manifests: Path, folder: Path, batch_size: int) -> Path:
    """recipes/configs/dspast.yaml at tiny size, everything on, one epoch a stage."""
    config = read_yaml(repository / "recipes/configs/dspast.yaml").content
    config |= {"run_folder": str(folder / "run"), "train_manifest": str(manifests / "train.jsonl"), "audiomae": None,
               "eval_manifest": str(manifests / "eval.jsonl"), "cpu_threads": 1}  # fmt: skip
    config["model"] |= SIZES | {"spec_augment_mel_bins": 8, "spec_augment_frames": 12}
    config["schedule"] |= {"batch_size": batch_size, "loader_workers": 0}
    config["clips"]["response_s"] = 0.1
    for stage in config["stages"]:
        stage |= {"epochs": 1, "warmup_epochs": 0, "epoch_fraction": 1.0, "train_manifest": None}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


@pytest.fixture(scope="module")
def trained(repository: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:  # noqa: F811
    """The run folder of three stages of DSpAST, everything on, and what was printed."""
    folder = tmp_path_factory.mktemp("stages")
    config = staged_config(repository, data, folder, batch_size=4)
    done = run(repository, "recipes/train_encoder.py", "--config", str(config))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "run", done.stdout


@pytest.mark.slow
def test_the_recipe_of_dspast_runs_its_three_stages(trained: tuple[Path, str]) -> None:
    folder, output = trained
    assert all(f"[{number}/3] stage{number}" in output for number in (1, 2, 3))
    for name in ("stage1", "stage2", "stage3", "."):
        assert {"config.yaml", "provenance.json", "metrics.jsonl", "model"} <= {
            path.name for path in (folder / name).iterdir()
        }


@pytest.mark.slow
def test_an_encoder_is_scored_on_a_frozen_manifest(
    repository: Path,
    data: Path,  # noqa: F811
    trained: tuple[Path, str],
    tmp_path: Path,
) -> None:
    manifest = data / "eval.jsonl"
    command = ["eval/encoder.py", "--model", str(trained[0] / "model"), "--data", str(manifest), "--out", str(tmp_path)]
    done = run(repository, *command, "--resamples", "50", "--manifest_sha256", sha256_of(manifest))
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "encoder.json").read_text())
    signs = {"left_right", "front_behind", "above_below", "eight_way"}
    assert set(report["metrics"]) == {"mAP", "ER20", "MAE_deg", "DER"} | signs and report["recordings"] == 6
    assert all(metric["low"] <= metric["value"] <= metric["high"] for metric in report["metrics"].values())
    assert report["provenance"]["manifest_sha256"] == sha256_of(manifest)
    assert list(report["provenance"]["model_sha256"]) == ["model.safetensors"]
    assert (tmp_path / "encoder.md").read_text() in done.stdout and "DSpAST stage 3" in done.stdout
    attention = json.loads((tmp_path / "attention.json").read_text())
    assert set(attention) == {"distance", "direction", "event"} and len(attention["event"]) == 6
    assert (tmp_path / "attention.png").read_bytes().startswith(b"\x89PNG")
    refused = run(repository, *command, "--manifest_sha256", "0" * 64)
    assert refused.returncode == 1 and "another manifest" in refused.stderr.splitlines()[-1]


@pytest.mark.slow
def test_two_processes_share_the_stages(repository: Path, data: Path, tmp_path: Path) -> None:  # noqa: F811
    config = staged_config(repository, data, tmp_path, batch_size=2)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = run(repository, *launcher, "recipes/train_encoder.py", "--config", str(config))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("12 clips, 12 an epoch; 3 steps") == 3, "two clips a process: three steps of four, said once"
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["stage"] for line in lines] == ["stage1", "stage2", "stage3"]
    again = run(repository, *launcher, "recipes/train_encoder.py", "--config", str(config))
    assert again.returncode == 0 and again.stdout.count("reused") == 3
