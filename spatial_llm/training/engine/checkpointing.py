"""Checkpoints that are complete or absent, in whatever way the run ends.

checkpoints/step-00000500/   one checkpoint
    model.safetensors        what trains, by name
    optimizer.pt, scheduler.pt, rng_state*.pth, trainer_state.json, progress-*.json
    checkpoint.json          the marker, written last: step, size and SHA-256 of every file, and the arguments of the run
checkpoints/.step-*          a checkpoint that is being written or removed; never read

A checkpoint is written to a folder of another name, every file is synced to the disk, the marker is written last, and one
rename makes the folder a checkpoint. Before it is read, name, size and hash of every file are compared.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal

from safetensors import SafetensorError

from spatial_llm.errors import CheckpointError
from spatial_llm.files import sha256_of

MARKER = "checkpoint.json"
_NAME = re.compile(r"step-(\d{8,})")
# The parts that a run can resume without if `schedule.resume_without` names them, and their files.
CheckpointPart = Literal["optimizer", "scheduler", "rng"]
PARTS: dict[CheckpointPart, str] = {"optimizer": "optimizer.pt", "scheduler": "scheduler.pt", "rng": "rng_state*.pth"}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that is complete, but for parts that it may lack.

    Attributes:
        path: its folder.
        step: optimiser steps done.
        record: the JSON values that the run passed to `finish`.
        fresh: parts that are missing or damaged and have to start fresh.
    """

    path: Path
    step: int
    record: dict[str, Any]
    fresh: tuple[CheckpointPart, ...] = ()


@contextlib.contextmanager
def being_written(folder: Path, step: int) -> Iterator[Path]:
    """Yields a temporary folder for the files of the checkpoint of `step` in `folder`; `finish` makes it a checkpoint.

    Raises:
        CheckpointError: a file cannot be written (disk full, no permission); the temporary folder is removed.
    """
    temporary = folder / f".step-{step:08d}.new"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        yield temporary
    # torch reports a failed write as RuntimeError, safetensors as its own error.
    except (OSError, RuntimeError, SafetensorError) as error:
        kept = latest_name(folder)
        raise CheckpointError(
            f"the checkpoint of step {step} could not be written to {folder} ({_reason(error)}; {_free_mb(folder)} "
            "MB free there). "
            f"{f'{kept} is whole' if kept else 'No checkpoint was there before'}; make room or grant access, and give the "
            "same command again."
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def finish(temporary: Path, step: int, record: dict[str, Any]) -> Path:
    """Syncs the files to the disk, writes the marker and renames the folder; returns the folder of the checkpoint.

    Args:
        temporary: the folder that `being_written` yielded, with all files in it.
        step: optimiser steps done.
        record: JSON values that `find_latest_valid` returns as `Checkpoint.record`.
    """
    files = {}
    for path in sorted(temporary.rglob("*")):
        if path.is_file():
            _sync(path)
            files[path.relative_to(temporary).as_posix()] = {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    marker = {"step": step, "files": files, "record": record}
    marker["sha256"] = _digest(marker)
    (temporary / MARKER).write_text(json.dumps(marker, indent=1), encoding="utf-8")
    _sync(temporary / MARKER)
    for path in [temporary, *(path for path in temporary.rglob("*") if path.is_dir())]:
        _sync(path)
    target = temporary.with_name(f"step-{step:08d}")
    _remove(target)  # a damaged one, or one of a run that has resumed from before it
    os.replace(temporary, target)
    _sync(target.parent)
    return target


def problems(folder: Path) -> list[str]:
    """Returns one sentence for each file that is wrong in the checkpoint in `folder`; empty if it is complete."""
    return list(wrong_files(folder).values())


def wrong_files(folder: Path) -> dict[str, str]:
    """Returns what `problems` does, by file name; only the marker if that is wrong, since it describes the other files."""
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        stated = marker.pop("sha256")
        if stated != _digest(marker) or f"step-{marker['step']:08d}" != folder.name:
            return {MARKER: f"{MARKER} was changed"}
        files = marker["files"]
    except OSError:
        return {MARKER: f"{MARKER} is missing: the save did not finish"}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {MARKER: f"{MARKER} is damaged"}
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MARKER}
    wrong = {name: f"{name} does not belong there" for name in sorted(found - set(files))}
    for name, known in files.items():
        path = folder / name
        if name not in found:
            wrong[name] = f"{name} is missing"
        elif path.stat().st_size != known["bytes"]:
            wrong[name] = f"{name} has {path.stat().st_size} bytes, expected {known['bytes']}"
        elif sha256_of(path) != known["sha256"]:
            wrong[name] = f"{name} was changed: another SHA-256"
    return wrong


def find_latest_valid(folder: Path, without: Sequence[CheckpointPart] = ()) -> Checkpoint | None:
    """Returns the newest complete checkpoint in `folder`, None if there is none; warns of damaged ones that it skips.

    Args:
        folder: the folder of the checkpoints.
        without: parts that may be missing or damaged; the result then names them as `fresh`, and a warning is given.

    Raises:
        CheckpointError: there are checkpoints, but none is complete.
    """
    damaged, nameable = [], set()
    for path in _newest_first(folder):
        wrong = wrong_files(path)
        lost = [next((part for part, files in PARTS.items() if fnmatch(name, files)), None) for name in wrong]
        text = f"checkpoint {path} is not whole: {'; '.join(wrong.values())}"
        if set(lost) <= set(without):
            for earlier in damaged:
                warnings.warn(f"{earlier}. Going on from {path.name}, the newest whole one.", stacklevel=2)
            fresh = tuple(part for part in PARTS if part in lost)
            if fresh:
                warnings.warn(
                    f"{text}. Going on from it with fresh {', '.join(fresh)}, as schedule.resume_without allows: the run "
                    "will not end with the bits of one that never stopped.",
                    stacklevel=2,
                )
            marker = json.loads((path / MARKER).read_text(encoding="utf-8"))
            return Checkpoint(path, marker["step"], marker["record"], fresh)
        damaged.append(text)
        nameable |= set() if None in lost else set(lost)
    if damaged:
        without_it = f", go on without with schedule.resume_without=[{', '.join(sorted(nameable))}]" if nameable else ""
        raise CheckpointError(
            f"{'. '.join(damaged)}. No whole checkpoint is left: put the files back{without_it}, or start anew with "
            f"schedule.resume=never. (Parts that a run can go on without: {', '.join(PARTS)}.)"
        )
    return None


def keep_last(folder: Path, count: int, step: int) -> None:
    """Removes all but the `count` newest checkpoints up to that of `step`, which is complete.

    Later checkpoints do not count: they are damaged, this run skipped them, and it will replace them.
    """
    for path in [path for path in _newest_first(folder) if _step(path) <= step][count:]:
        _remove(path)


def remove_all(folder: Path) -> None:
    """Removes the checkpoints in `folder`, damaged ones included."""
    for path in _newest_first(folder):
        _remove(path)


def remove_leftovers(folder: Path) -> None:
    """Removes temporary folders of a killed run; only the process that holds the lock of the run folder may call it."""
    for path in folder.glob(".step-*"):
        shutil.rmtree(path, ignore_errors=True)


def latest_name(folder: Path) -> str | None:
    """Returns the name of the newest checkpoint without reading it."""
    found = _newest_first(folder)
    return found[0].name if found else None


def _newest_first(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(found, key=_step, reverse=True)


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _remove(path: Path) -> None:
    # Renamed first, so that a kill in the middle leaves no checkpoint with missing files.
    if path.is_dir():
        aside = path.with_name(f".{path.name}.old")
        shutil.rmtree(aside, ignore_errors=True)
        os.replace(path, aside)
        shutil.rmtree(aside, ignore_errors=True)


def _digest(marker: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(marker, sort_keys=True).encode()).hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: BaseException) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first = (text.strip().splitlines() or [type(error).__name__])[0]
    return first if isinstance(error, OSError) else f"a file could not be written: {first}"


def _free_mb(folder: Path) -> str:
    there = next(path for path in (folder, *folder.parents) if path.exists())
    return f"{shutil.disk_usage(there).free // 10**6:,}"
