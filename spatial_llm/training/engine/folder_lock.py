"""One process at a time on one run folder (reliability row C7).

The lock is the kernel's, on the file `lock.json` in the folder, so that it ends with its process, however that ends; the
file itself only says who holds it.
"""

import fcntl
import json
import os
import socket
import warnings
import weakref
from pathlib import Path
from typing import IO

from spatial_llm.errors import SpatialLLMError

LOCK = "lock.json"
# Such a lock belongs to a process, and closing any descriptor of the file ends it: one object for each folder.
_HELD: "weakref.WeakValueDictionary[Path, FolderLock]" = weakref.WeakValueDictionary()


class FolderLock:
    """A lock that is held as long as this object lives; get one by `lock_folder`."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def __del__(self) -> None:
        self._file.close()


def lock_folder(folder: Path) -> FolderLock:
    """Takes the lock of `folder`; within one process everybody shares it. A lock whose process is gone is taken over.

    Raises:
        SpatialLLMError: another process holds it, which is named.
        OSError: the folder cannot be written.
    """
    folder = folder.resolve()
    held = _HELD.get(folder)
    if held is None:
        held = _HELD[folder] = FolderLock(_locked(folder / LOCK))
    return held


def _locked(path: Path) -> IO[str]:
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.close()
        raise SpatialLLMError(
            f"{path.parent} is in use by {_holder(path)}: wait for it, stop it, or give another run_folder."
        ) from None
    except OSError as error:
        warnings.warn(f"{path.parent}: no locks on this file system ({error}); let no second run use it.", stacklevel=3)
    file.truncate(0)
    json.dump({"process": os.getpid(), "host": socket.gethostname()}, file)
    file.flush()
    return file


def _holder(path: Path) -> str:
    try:
        who = json.loads(path.read_text(encoding="utf-8"))
        return f"process {who['process']} on {who['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
