"""The user's cache folder: results that are slow to compute and quick to read, kept between two runs.

Nothing in it is needed: whoever keeps a result here computes it anew where it is missing, damaged or made by other code.
"""

import atexit
import contextlib
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "SPATIAL_LLM_CACHE"  # of the environment: another place for the folder


def cache_folder(kind: str) -> Path:
    """Returns the folder for one kind of result, creating it if needed."""
    base = os.environ.get(VARIABLE) or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "spatial-llm")
    folder = Path(os.path.expanduser(base), kind)
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    return temporary_folder(kind)


@functools.cache
def temporary_folder(kind: str) -> Path:
    """Returns one folder a process and kind, which is deleted when the process ends."""
    # Not one an object: a finalizer of the object would also run in forked workers, and would take the file away from under
    # the process that opened it.
    folder = tempfile.mkdtemp(prefix=f"spatial-llm-{kind}-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def trim(folder: Path, most_bytes: int, suffix: str, keep: Path) -> None:
    """Removes the files of `folder` that were used longest ago until the others have at most `most_bytes`; `keep` stays.

    A file counts as used when it was written or when `touch` was called on it. Another process may remove files meanwhile.
    """
    with contextlib.suppress(OSError):
        found = [(path.stat().st_mtime_ns, path.stat().st_size, path) for path in _files(folder, suffix) if path != keep]
        left = most_bytes - (keep.stat().st_size if keep.exists() else 0)
        for _, size, path in sorted(found, reverse=True):
            left -= size
            if left < 0:
                path.unlink(missing_ok=True)


def _files(folder: Path, suffix: str) -> Iterator[Path]:
    return (path for path in folder.iterdir() if path.suffix == suffix and not path.name.startswith("."))


def touch(path: Path) -> None:
    """Notes that a file was used now, for `trim`."""
    with contextlib.suppress(OSError):
        os.utime(path)


@functools.cache
def code_hash() -> str:
    """Returns a hash of all Python files of this package: results that other code checked or computed may be wrong for this
    one."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        digest.update(str(path.relative_to(package)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
