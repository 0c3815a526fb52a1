"""One writer at a time: a lock beside a file or folder, held while it is made.

Two processes that write one manifest, or fill one folder of predictions, would each replace what the other has joined. The
second is refused at once, with the name of the first.
"""

import contextlib
import fcntl
import os
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from spatial_llm.errors import SpatialLLMError, write_errors_named

_LOCKED: set[tuple[int, Path]] = set()  # (process, lock file) held; a forked process inherits the set, not the locks


@contextlib.contextmanager
def one_writer(path: str | Path, what: str, shared: bool = False) -> Iterator[None]:
    """Lets one process at a time write `path`, a file or folder; the lock is the hidden file `.<name>.lock` beside it.

    The lock is the kernel's, so that it ends with its process, however that ends.

    Args:
        what: said of the process that is refused: "questions are being written".
        shared: with others that share it, such as the shards of one piece of work.

    Raises:
        SpatialLLMError: another process holds it, which is named.
        OutputError: the lock cannot be written, because the disk is full or the folder forbids it.
    """
    path = Path(path)
    lock = path.resolve().with_name(f".{path.resolve().name}.lock")
    held = os.getpid(), lock
    if held in _LOCKED:  # a second lock within a process would be granted, and end the first one when it is closed
        raise SpatialLLMError(f"{path}: {what} by this very process; wait for it, or give another folder.")
    with write_errors_named(path, lock):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(lock, path, what, shared)
    _LOCKED.add(held)
    try:
        yield
    finally:
        _LOCKED.discard(held)
        with contextlib.suppress(OSError):
            if file is not None and shared:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # OSError while others share it: the last one removes it
            lock.unlink()
        if file is not None:
            file.close()


def _locked(lock: Path, path: Path, what: str, shared: bool) -> IO[str] | None:
    """The open lock file; None where the file system has no locks, which is warned of."""
    while True:
        file = lock.open("a+", encoding="utf-8")
        try:
            fcntl.lockf(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            file.seek(0)
            holder = file.read(200).strip() or "another process"
            file.close()
            raise SpatialLLMError(f"{path}: {what} by {holder}; wait for it, stop it, or give another folder.") from None
        except OSError as error:
            file.close()
            warnings.warn(f"{lock}: no locks on this file system ({error}); let no second run use it.", stacklevel=4)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(file.fileno()).st_ino == lock.stat().st_ino:
                try:
                    file.truncate(0)
                    file.write(f"process {os.getpid()} on {socket.gethostname()}")
                    file.flush()
                except OSError:  # the disk is full
                    lock.unlink(missing_ok=True)
                    with contextlib.suppress(OSError):
                        file.close()
                    raise
                return file
        file.close()  # its last holder removed it in between
