"""Every decision about a checkpoint, without any training: what is whole, which is taken, which is removed."""

import errno
import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from spatial_llm.errors import CheckpointError
from spatial_llm.training.engine.checkpointing import (
    MARKER,
    being_written,
    find_latest_valid,
    finish,
    keep_last,
    problems,
    remove_all,
    remove_leftovers,
)

FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json", "progress-0.json")


def write(folder: Path, step: int) -> Path:
    with being_written(folder, step) as temporary:
        for name in FILES:
            (temporary / name).write_bytes(f"{name} at {step} ".encode() * 20)
        return finish(temporary, step, {"made_from": {"step": step}})


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def removed(path: Path) -> None:
    path.unlink()


def bit_flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def lengthened(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"\0")


def exchanged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1])


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.with_name("nowhere"))


DAMAGES = [cut, emptied, removed, bit_flipped, lengthened, exchanged, made_a_folder, dangling]


def test_a_written_checkpoint_is_found_whole(tmp_path: Path) -> None:
    assert find_latest_valid(tmp_path / "none") is None
    write(tmp_path, 5)
    target = write(tmp_path, 1_000_000_000)  # more digits than the name is padded to
    found = find_latest_valid(tmp_path)
    assert (found.path, found.step, found.record) == (target, 1_000_000_000, {"made_from": {"step": 1_000_000_000}})
    assert problems(target) == []


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("name", [*FILES, MARKER])
def test_damage_is_seen_and_the_one_before_is_taken(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    older, newer = write(tmp_path, 5), write(tmp_path, 10)
    damage(newer / name)
    with pytest.warns(UserWarning, match=rf"(?s)step-00000010.*{name}.*Going on from step-00000005"):
        assert find_latest_valid(tmp_path).path == older
    damage(older / name)
    with pytest.raises(CheckpointError, match=rf"(?s){name}.*resume=never"):
        find_latest_valid(tmp_path)


def test_a_marker_that_states_something_else_is_not_believed(tmp_path: Path) -> None:
    target = write(tmp_path, 5)
    marker = json.loads((target / MARKER).read_text())
    for change in ({"step": 6}, {"files": {}}, {"record": {}}):
        (target / MARKER).write_text(json.dumps(marker | change))
        assert problems(target) == [f"{MARKER} was changed"]
    for text in ("[]", "null", "{}", '{"sha256": 3}'):
        (target / MARKER).write_text(text)
        assert problems(target)
    (target / MARKER).write_text(json.dumps(marker))
    assert problems(target) == []
    shutil.copytree(target, tmp_path / "step-00000009")
    assert problems(tmp_path / "step-00000009"), "a copy under another step's name"
    (target / "more.pt").write_bytes(b"x")
    assert problems(target) == ["more.pt does not belong there"]


def test_unfinished_and_foreign_folders_are_never_taken(tmp_path: Path) -> None:
    write(tmp_path, 5)
    whole = write(tmp_path, 10)
    shutil.copytree(whole, tmp_path / ".step-00000015.new")
    shutil.copytree(whole, tmp_path / ".step-00000015.old")
    shutil.copytree(whole, tmp_path / "step-best")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert find_latest_valid(tmp_path).step == 10
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000005", "step-00000010", "step-best"]


def test_keep_last_counts_only_what_this_run_made(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20):
        write(tmp_path, step)
    keep_last(tmp_path, 2, step=20)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000015", "step-00000020"]
    # Passed over as damaged, the later one is no reason to remove the one the run stands on.
    cut(tmp_path / "step-00000020" / "optimizer.pt")
    write(tmp_path, 18)
    keep_last(tmp_path, 1, step=18)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000018", "step-00000020"]
    write(tmp_path, 20)
    assert problems(tmp_path / "step-00000020") == [], "reached again, it is replaced"
    remove_all(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("[enforce fail at inline_container.cc] write")]
)
def test_a_write_that_fails_leaves_the_one_before(tmp_path: Path, error: Exception) -> None:
    before = write(tmp_path, 5)
    said = r"step 10 could not be written.*MB free there.*step-00000005 is whole"
    with pytest.raises(CheckpointError, match=said), being_written(tmp_path, 10) as temporary:
        (temporary / "model.safetensors").write_bytes(b"half")
        raise error
    assert list(tmp_path.iterdir()) == [before] and problems(before) == []


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_every_step_of_finishing_may_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    before = write(tmp_path, 5)

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(f"spatial_llm.training.engine.checkpointing.os.{call}", refuse)
        with pytest.raises(CheckpointError, match="Input/output error"):
            write(tmp_path, 10)
    assert list(tmp_path.iterdir()) == [before] and problems(before) == []
    write(tmp_path, 10)
