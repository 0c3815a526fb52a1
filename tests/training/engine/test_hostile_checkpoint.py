"""A checkpoint that somebody has put together, hashes and all: refused in a sentence that names the file, and nothing of it
runs."""

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from spatial_llm.errors import CheckpointError
from spatial_llm.training.engine.checkpointing import MARKER, finish
from tests.training.engine.toy_run import Crash, crash, toy_run

STEP = "step-00000005"
pytestmark = pytest.mark.filterwarnings("ignore:Validating sparse tensor")


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that ended without a word after step 8, with one checkpoint, of step 5."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(Crash):
        toy_run(folder, at_batch=(9, crash))
    return folder


def sealed(folder: Path, change: Callable[[Path], None], record: Any = None) -> None:
    """Changes the checkpoint in the run folder and makes its hashes right."""
    checkpoint = folder / "checkpoints" / STEP
    marker = json.loads((checkpoint / MARKER).read_text())
    temporary = checkpoint.with_name(".step-00000005.new")
    checkpoint.rename(temporary)
    (temporary / MARKER).unlink()
    change(temporary)
    finish(temporary, 5, marker["record"] if record is None else record)


class Payload:
    def __init__(self, canary: Path) -> None:
        self.canary = str(canary)

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.canary,)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_part_is_run(stopped: Path, tmp_path: Path, name: str, zipped: bool) -> None:
    canary, folder = tmp_path / "canary", tmp_path / "run"
    shutil.copytree(stopped, folder)

    def evil(checkpoint: Path) -> None:
        if zipped:
            torch.save({"state": Payload(canary)}, checkpoint / name)
        else:
            (checkpoint / name).write_bytes(pickle.dumps(Payload(canary), protocol=2))

    sealed(folder, evil)
    with pytest.raises(CheckpointError, match=f"{STEP}/{name} is no part of a checkpoint.*nothing in it was run") as refused:
        toy_run(folder)
    assert "can still be loaded" not in str(refused.value), "no advice to run it after all"
    assert not canary.exists() and not (folder / "model").exists()


def tensors(change: Callable[[dict], None], name: str) -> Callable[[Path], None]:
    def changed(checkpoint: Path) -> None:
        content = torch.load(checkpoint / name, weights_only=True)
        change(content)
        torch.save(content, checkpoint / name)

    return changed


def fields(name: str, **values: Any) -> Callable[[Path], None]:
    def changed(checkpoint: Path) -> None:
        content = json.loads((checkpoint / name).read_text())
        (checkpoint / name).write_text(json.dumps({**content, **values}))

    return changed


def weights(change: Callable[[dict], None]) -> Callable[[Path], None]:
    def changed(checkpoint: Path) -> None:
        content = load_file(checkpoint / "model.safetensors")
        change(content)
        save_file(content, checkpoint / "model.safetensors")

    return changed


def first(state: dict) -> dict:
    return next(iter(state["state"].values()))


CHANGES = {
    "optimizer.pt of another model": tensors(lambda state: first(state).update(exp_avg=torch.zeros(3, 3)), "optimizer.pt"),
    "optimizer.pt with NaN": tensors(lambda state: first(state)["exp_avg"].fill_(float("nan")), "optimizer.pt"),
    "optimizer.pt sparse": tensors(
        lambda state: first(state).update(exp_avg=first(state)["exp_avg"].to_sparse()), "optimizer.pt"
    ),
    "optimizer.pt with other settings": tensors(
        lambda state: state["param_groups"][0].update(weight_decay=1e6), "optimizer.pt"
    ),
    "optimizer.pt without groups": tensors(lambda state: state.pop("param_groups"), "optimizer.pt"),
    "optimizer.pt as text": lambda checkpoint: (checkpoint / "optimizer.pt").write_text("no zip"),
    "scheduler.pt of another step": tensors(lambda state: state.update(last_epoch=3), "scheduler.pt"),
    "scheduler.pt with a rate of its own": tensors(lambda state: state.update(_last_lr=[1e9, 1e9]), "scheduler.pt"),
    "scheduler.pt with a NaN": tensors(lambda state: state.update(base_lrs=[float("nan")] * 2), "scheduler.pt"),
    "rng_state.pth without Python's": lambda checkpoint: torch.save({"cpu": torch.zeros(3)}, checkpoint / "rng_state.pth"),
    "trainer_state.json of another step": fields("trainer_state.json", global_step=9),
    "trainer_state.json with a field of its own": fields("trainer_state.json", evil=1),
    "trainer_state.json cut": lambda checkpoint: (checkpoint / "trainer_state.json").write_text("{"),
    "progress-0.json with text": fields("progress-0.json", since="many"),
    "progress-0.json with NaN": fields("progress-0.json", before=float("nan")),
    "progress-0.json with counts below 0": fields(
        "progress-0.json", nonfinite={"skipped": -1, "in_a_row": 0, "since_log": 0}
    ),
    "model.safetensors cut": lambda checkpoint: (checkpoint / "model.safetensors").write_bytes(b"12"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_does_not_fit_is_refused_by_name(
    stopped: Path, tmp_path: Path, change: Callable, request: pytest.FixtureRequest
) -> None:
    shutil.copytree(stopped, tmp_path / "run")
    sealed(tmp_path / "run", change)
    name = request.node.callspec.id.split()[0]
    with pytest.raises(CheckpointError, match=f"{STEP}/{name} is no part of a checkpoint of this run") as refused:
        toy_run(tmp_path / "run")
    assert "schedule.resume=never" in str(refused.value) and not (tmp_path / "run" / "model").exists()
    assert ("resume_without" in str(refused.value)) == (name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"))


def test_weights_of_another_type_do_not_fit(stopped: Path, tmp_path: Path) -> None:
    shutil.copytree(stopped, tmp_path / "run")
    sealed(tmp_path / "run", weights(lambda content: content.update({"head.bias": content["head.bias"].half()})))
    with pytest.raises(CheckpointError, match=f"{STEP} does not fit the model: head.bias"):
        toy_run(tmp_path / "run")


@pytest.mark.parametrize("record", [{}, [], {"made_from": {}, "frozen": {}, "began": {}, "metrics_bytes": "1"}])
def test_a_marker_that_says_too_little_is_refused(stopped: Path, tmp_path: Path, record: Any) -> None:
    shutil.copytree(stopped, tmp_path / "run")
    sealed(tmp_path / "run", lambda checkpoint: None, record)
    with pytest.raises(CheckpointError, match=f"{STEP}/{MARKER} is no part .*it lacks"):
        toy_run(tmp_path / "run")


def test_sealed_without_a_change_goes_on_as_ever(stopped: Path, tmp_path: Path) -> None:
    shutil.copytree(stopped, tmp_path / "run")
    sealed(tmp_path / "run", lambda checkpoint: None)
    assert toy_run(tmp_path / "run") == toy_run(tmp_path / "whole")
