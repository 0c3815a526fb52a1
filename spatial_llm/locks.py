"""Locks of the kernel on a file or folder, so that two processes do not write the same output.

Two processes that write one manifest, or fill one folder of predictions, would each replace what the other has written. The
second one is refused at once, with the name of the first. A lock of the kernel (`fcntl.lockf`) ends with its process, in
whatever way that ends, so a lock file that was left behind blocks nobody. There are two lifetimes:

    with one_writer(path, ...):      while the context is open; the lock file `.<name>.lock` beside `path` is then removed
    lock = lock_folder(folder)       while `lock` lives; everybody in this process shares it; `lock.json` in the folder stays
"""

import contextlib
import fcntl
import json
import os
import socket
import warnings
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from spatial_llm.errors import SpatialLLMError, write_errors_named

FOLDER_LOCK = "lock.json"
_LOCKED: set[tuple[int, Path]] = set()  # (process, lock file) held; a forked process inherits the set, not the locks
# A lock belongs to a process, and closing any descriptor of the file ends it: one object for each folder.
_FOLDERS: "weakref.WeakValueDictionary[Path, FolderLock]" = weakref.WeakValueDictionary()


@contextlib.contextmanager
def one_writer(path: str | Path, what: str, shared: bool = False) -> Iterator[None]:
    """Lets one process at a time write `path`, a file or folder.

    Args:
        what: what this process is doing, for the error of the process that is refused: "questions are being written".
        shared: shares the lock with other processes that share it, such as the shards of one piece of work.

    Raises:
        SpatialLLMError: another process, or this one, holds the lock; the error names it.
        OutputError: the lock file cannot be written, because the disk is full or the folder forbids it.
    """
    path = Path(path)
    lock = path.resolve().with_name(f".{path.resolve().name}.lock")
    key = os.getpid(), lock
    if key in _LOCKED:  # a second lock within a process would be granted, and end the first one when it is closed
        raise SpatialLLMError(f"{path}: {what} by this very process; wait for it, or give another folder.")
    with write_errors_named(path, lock):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            file = _take(lock, shared)
        except _HeldError as held:
            raise SpatialLLMError(f"{path}: {what} by {held}; wait for it, stop it, or give another folder.") from None
    _LOCKED.add(key)
    try:
        yield
    finally:
        _LOCKED.discard(key)
        with contextlib.suppress(OSError):
            if shared:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError while others share it: the last one removes it
            lock.unlink()
        file.close()


class FolderLock:
    """A lock on a folder that is held as long as this object lives; `lock_folder` makes it."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def __del__(self) -> None:
        self._file.close()


def lock_folder(folder: Path) -> FolderLock:
    """Takes the lock of `folder`, or returns the one that this process holds already.

    Raises:
        SpatialLLMError: another process holds it; the error names it.
        OSError: the folder cannot be written.
    """
    resolved = folder.resolve()
    lock = _FOLDERS.get(resolved)
    if lock is None:
        try:
            lock = _FOLDERS[resolved] = FolderLock(_take(resolved / FOLDER_LOCK))
        except _HeldError as held:
            raise SpatialLLMError(
                f"{resolved} is in use by {held}: wait for it, stop it, or give another run_folder."
            ) from None
    return lock


class _HeldError(Exception):
    """The lock is held; the message is the name of the holder."""


def _take(path: Path, shared: bool = False) -> IO[str]:
    """Opens and locks `path` and writes into it who holds it; warns, and locks nothing, where the file system has no locks.

    Raises:
        _HeldError: another process holds the lock.
        OSError: the file cannot be written.
    """
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.lockf(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            holder = _holder(file)
            file.close()
            raise _HeldError(holder) from None
        except OSError as error:
            warnings.warn(f"{path}: no locks on this file system ({error}); let no second run use it.", stacklevel=4)
            return file
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(file.fileno()).st_ino == path.stat().st_ino:
                try:
                    file.truncate(0)
                    json.dump({"process": os.getpid(), "host": socket.gethostname()}, file)
                    file.flush()
                except OSError:  # the disk is full
                    path.unlink(missing_ok=True)
                    with contextlib.suppress(OSError):
                        file.close()
                    raise
                return file
        file.close()  # its last holder removed it between opening and locking


def _holder(file: IO[str]) -> str:
    file.seek(0)
    try:
        who = json.loads(file.read(1000))
        return f"process {who['process']} on {who['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
