"""What a door does with an error: a sentence and a status, in whatever process it was raised; a bug keeps its traceback."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from spatial_llm import door as module
from spatial_llm.door import TRACEBACK, door
from spatial_llm.errors import AudioError, OutputError, SpatialLLMError

ERRORS = {
    "of ours": (SpatialLLMError("m.jsonl:3: no id; give one."), "m.jsonl:3: no id; give one."),
    "of a write": (
        OutputError.at("runs/a", 28, "No space left on device"),
        "runs/a: cannot be written (No space left on device); free some space there, or write to another place.",
    ),
    "of the system": (
        FileNotFoundError(2, "No such file or directory", "a.wav"),
        "a.wav: No such file or directory; give a file or folder that is there and may be used, or room to write it.",
    ),
    "of nobody knows which file": (
        OSError(28, "No space left on device"),
        "[Errno 28] No space left on device: a file cannot be read or written; is there room, and the right to use it?",
    ),
}


@pytest.mark.parametrize("error, said", ERRORS.values(), ids=ERRORS.keys())
def test_what_a_user_can_mend_is_a_sentence(error: Exception, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRACEBACK, raising=False)
    with pytest.raises(SystemExit) as ended, door("score"):
        raise error
    assert ended.value.code == f"score: {said}", "which is written to standard error, and the status is 1"
    monkeypatch.setenv(TRACEBACK, "1")
    with pytest.raises(type(error)), door("score"):
        raise error
    monkeypatch.setenv(TRACEBACK, "0")
    with pytest.raises(SystemExit), door("score"):
        raise error


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyError("a"), SystemExit(75)])
def test_everything_else_passes(error: BaseException) -> None:
    with pytest.raises(type(error)) as raised, door():
        raise error
    assert raised.value is error


@pytest.mark.parametrize(("name", "said"), [("score", "score: stopped.\n"), ("error", "stopped.\n")])
def test_ctrl_c_is_a_sentence(name: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.delenv(TRACEBACK, raising=False)
    with pytest.raises(SystemExit) as ended, door(name):
        raise KeyboardInterrupt
    assert ended.value.code == 130 and capsys.readouterr().err == said
    monkeypatch.setenv(TRACEBACK, "1")
    with pytest.raises(KeyboardInterrupt), door(name):
        raise KeyboardInterrupt


def test_warnings_of_this_library_are_one_sentence() -> None:
    shown = warnings.formatwarning
    with door("ask"):
        assert warnings.formatwarning("cut.", UserWarning, module.__file__, 1) == "ask: warning: cut.\n"
        assert warnings.formatwarning("slow,\nvery", UserWarning, "torch.py", 1) == "torch.py:1: UserWarning: slow, very\n"
    with door():
        assert warnings.formatwarning("cut.", UserWarning, module.__file__, 1) == "warning: cut.\n", "it is no error"
    assert warnings.formatwarning is shown


class Broken(Dataset):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> torch.Tensor:
        if index == 2:
            raise AudioError("r.wav: 2 channels needed, got 1;\nsplit: or join them.")
        return torch.zeros(1)


def test_a_sentence_crosses_the_border_of_a_loader_worker() -> None:
    with pytest.raises(SystemExit) as ended, door():
        list(DataLoader(Broken(), num_workers=1, multiprocessing_context="fork"))
    assert ended.value.code == "error: r.wav: 2 channels needed, got 1;\nsplit: or join them."


SCRIPT = """
from spatial_llm.door import door
with door("x"):
    for number in range(100_000):
        print("a line of some length", number)
"""


@pytest.mark.slow
def test_a_reader_that_goes_away_is_no_error(repository: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = f"{sys.executable} -c '{SCRIPT}' | head -1"
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("a line") and done.stderr == ""


@pytest.mark.slow
def test_standard_output_on_a_full_disk_is_an_error(repository: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    code = "from spatial_llm.door import door\nwith door('x'):\n    print('a')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], env=environment, stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=120, check=False)  # fmt: skip
    assert done.returncode != 0 and "x: [Errno 28] No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_door_goes_through_one(repository: Path) -> None:
    scripts = [path for top in ("data", "eval", "recipes") for path in (repository / top).glob("*.py")]
    assert len(scripts) > 20
    without = [path.name for path in scripts if "with door(" not in path.read_text()]
    assert without == []
