"""Files that are complete or absent: everything is written under a temporary name beside its target and then renamed.

``os.replace`` within one folder is atomic on POSIX systems, so a reader, or a run that starts after a kill, sees the old
file or the new one, never a part of either.
"""

import contextlib
import errno
import functools
import glob
import hashlib
import itertools
import json
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.errors import ManifestError, OutputError, write_errors_named

BEGUN = ".begun"  # ends the name of what a chain of commands (`workflow`) puts into a folder that it is going to write
CLOCK_TICKS_NS = 50_000_000
SAMPLES, SAMPLE_BYTES = 4, 2**14  # pieces of a large file that are hashed, and their size
_LONGEST_NAME = 255  # bytes of one part of a path, on the file systems in use
_TRIES = 100
# Absolute, a scheme or a drive, a separator of Windows, the end of a string in C.
_NOT_RELATIVE = re.compile(r"^/|^[^/]*:|\\|\0")


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yields a temporary path beside `path` for a file or a folder; it is renamed to `path` on success, removed on failure.

    A folder that exists at `path` is replaced as a whole; `check_place` refuses one that holds other files.

    Raises:
        OutputError: it cannot be written (disk full, no permission, a file in place of a folder, ...). The former content of
            `path` is unchanged, and parent folders that were made are removed.
    """
    path = _nameable(path)
    _refuse_in_use(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with write_errors_named(path, temporary), _parents_made(path):
        _remove_leftovers(path)
        _remove(temporary)
        try:
            yield temporary
            _put(temporary, path)
        finally:
            with contextlib.suppress(OSError):
                _remove(temporary)


@contextlib.contextmanager
def atomic_files(folder: str | Path) -> Iterator[Path]:
    """Yields a temporary folder for several files; they are moved to `folder` if all of them were written, else none is.

    Files of the same names are replaced, others stay.

    Raises:
        OutputError: see `atomic_path`.
    """
    folder = _nameable(folder)
    # Inside `folder`, so that moving the files is renaming them.
    temporary = folder / f".files.{os.getpid()}.tmp"
    with write_errors_named(folder, temporary), _parents_made(folder / "file"):
        _remove_leftovers(folder / "files")
        _remove(temporary)
        temporary.mkdir()
        try:
            yield temporary
            names = sorted(path.name for path in temporary.iterdir())
            for name in names:
                if (folder / name).is_dir():
                    raise OutputError.at(folder / name, errno.EISDIR, os.strerror(errno.EISDIR))
            for name in names:
                os.replace(temporary / name, folder / name)
        finally:
            with contextlib.suppress(OSError):
                _remove(temporary)


def check_place(path: str | Path, folder: bool = False, replaces: str | None = None) -> None:
    """Raises OutputError, before long work, unless a file (or a folder) can be written at `path`.

    Args:
        replaces: for a folder that is written as a whole (`atomic_path`): a file by which an earlier output of the same kind
            is known, which may be replaced; "" where none may. Any other folder that holds something is refused, because all
            that it holds would be lost. None: files are written into the folder, and others stay.
    """
    path = _nameable(path)
    if replaces is not None:
        _refuse_in_use(path)
    with write_errors_named(path):
        there = next(place for place in (path, *path.absolute().parents) if os.path.lexists(place))
        is_place = there == path
        number = None
        if there.is_dir() if is_place and not folder else not there.is_dir():
            number = errno.EISDIR if there.is_dir() else errno.ENOTDIR
        elif not os.access(there.parent if is_place and not folder else there, os.W_OK | os.X_OK):
            number = errno.EROFS if os.statvfs(there).f_flag & os.ST_RDONLY else errno.EACCES
        if number is not None:
            raise OutputError.at(path, number, os.strerror(number))
        ours = replaces is None or not is_place or (replaces and (path / replaces).is_file())
        if not ours and any(not each.name.endswith(BEGUN) for each in path.iterdir()):
            lacks = f" and no {replaces}, by which an earlier output would be known" if replaces else ""
            raise OutputError(
                f"{path}: holds files{lacks}; the folder would be replaced as a whole and they would be lost: give a new "
                f"folder, such as {path / 'new'}."
            )


def _nameable(path: str | Path) -> Path:
    """Returns the path. Raises OutputError if no file can have that name."""
    try:
        if "\0" not in os.fspath(path):
            os.fsencode(path)
            return Path(path)
    except UnicodeEncodeError:
        pass
    raise OutputError.at(repr(os.fspath(path)), errno.EINVAL, "no file can have this name")


def _refuse_in_use(path: Path) -> None:
    if path.name in ("", ".."):
        raise OutputError.at(path, errno.EINVAL, "a folder that is in use cannot be replaced")


@contextlib.contextmanager
def _parents_made(path: Path) -> Iterator[None]:
    """Makes the parent folders of `path`; after an error inside the context it removes those that it made."""
    missing = list(itertools.takewhile(lambda folder: not os.path.lexists(folder), path.parents))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in missing:
            with contextlib.suppress(OSError):  # another process has put something there
                folder.rmdir()
        raise


def _put(temporary: Path, path: Path) -> None:
    if not temporary.is_dir():
        os.replace(temporary, path)
        return
    # A folder cannot be renamed over a full one. The old one is renamed first, so that a kill leaves one or the other.
    # Another process may put its own folder there in between, so this is tried again; the last writer wins.
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    for attempt in range(_TRIES):
        try:
            if path.is_dir():
                _remove(old)
                with contextlib.suppress(FileNotFoundError):
                    os.replace(path, old)
            os.replace(temporary, path)
            break
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or attempt == _TRIES - 1:
                if old.is_dir() and not path.exists():
                    os.replace(old, path)
                raise
    with contextlib.suppress(OSError):  # the new folder is in place; the next writer removes the rest
        _remove(old)


def _remove_leftovers(path: Path) -> None:
    # Temporary files of killed processes beside `path`; a process that is alive may still be writing.
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.*"):
        owner = left.name.removeprefix(f".{path.name}.").split(".")
        if len(owner) == 2 and owner[0].isdigit() and owner[1] in ("tmp", "old") and not _alive(int(owner[0])):
            _remove(left)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def below(root: str | Path, name: str) -> Path:
    """Returns the path of `name` in the folder `root`, whether it exists or not.

    Raises:
        ManifestError: the name leads out of the folder (see `leads_out`), also through a symbolic link, or no file can have
            it.
    """
    if not leads_out(name) and not can_be_named(name):
        raise ManifestError(f"{name[:300]!r} can be no file's name (not text, or too long); correct it, or rename the file.")
    if leads_out(name) or not _stays_inside(os.path.join(os.getcwd(), root), name):
        raise ManifestError(f"{name!r} leads out of {root}; give a path relative to that folder, and keep files below it.")
    return Path(root, name)


def leads_out(name: str) -> bool:
    """Returns whether a name is not plainly relative: empty, absolute, a URL, of another system, or with ".." in it."""
    return not name or _NOT_RELATIVE.search(name) is not None or ".." in name.split("/")


def can_be_named(name: str) -> bool:
    """Returns whether a file can have this relative name: UTF-8, without control characters, no part too long."""
    try:
        parts = name.encode("utf-8").split(b"/")
    except UnicodeEncodeError:
        return False
    return not any(len(part) > _LONGEST_NAME for part in parts) and not any(character < " " for character in name)


def _stays_inside(root: str, name: str) -> bool:
    # Resolving a path needs a system call for each part; files of one folder share all parts but the last.
    folder, last = os.path.split(os.path.join(root, name))
    target = os.path.normpath(os.path.join(_resolved(folder), last))
    if os.path.islink(target):
        target = os.path.realpath(target)
    return target.startswith(os.path.join(_resolved(root), ""))


def _resolved(folder: str) -> str:
    # A folder that became a symbolic link has another mode, and one below such a link has another inode. So one system
    # call shows whether the cached path still holds, in place of one call for each part.
    try:
        found = os.lstat(folder)
    except OSError:
        return os.path.realpath(folder)
    return _resolved_as(folder, (found.st_dev, found.st_ino, found.st_mode, found.st_ctime_ns))


@functools.lru_cache(maxsize=4096)
def _resolved_as(folder: str, _stamp: tuple) -> str:
    return os.path.realpath(folder)


def new_array(path: str | Path, dtype: Any, shape: tuple[int, ...]) -> np.memmap:
    """Creates a .npy file of zeros, memory-mapped for writing, and allocates its space on the disk at once.

    Without this, the space of a mapped file is allocated page by page as it is written, and a full disk kills the process.

    Raises:
        OSError: the disk has too little space.
    """
    array = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
    if hasattr(os, "posix_fallocate"):
        with Path(path).open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    return array


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8 to `path`, completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON with sorted keys. Raises ValueError for NaN and infinities, which are not JSON."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def file_stamp(path: str | Path) -> tuple:
    """Returns a stamp of a file (or folder), as part of the key of what a process caches of it.

    Another file under the same name, or other content, has another stamp, even if size and modification time are equal.

    Raises:
        OSError: there is no such file.
    """
    found = os.stat(path)
    stamp = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    # The clock of a file system ticks every few milliseconds; a file that was just written may change within one tick.
    if time.time_ns() - found.st_ctime_ns < CLOCK_TICKS_NS and stat.S_ISREG(found.st_mode):
        return (*stamp, _sample(path, found.st_size))
    return stamp


def content_hash(path: str | Path) -> str:
    """Returns `sha256_of` a file; it is computed again only if the file has changed."""
    return _content_hash(str(path), file_stamp(path))


@functools.lru_cache(maxsize=64)
def _content_hash(path: str, _stamp: tuple) -> str:
    return sha256_of(path)


def file_facts(path: str | Path) -> list:
    """Returns size, modification time and a hash of a sample of a file, as JSON values for the key of a cache on disk.

    A file of up to 64 KiB is hashed as a whole. Of a larger one, because a folder of sounds has gigabytes, four pieces from
    beginning to end are hashed. They differ between any two recordings, but not if only bytes between the pieces were
    changed and the modification time was set back.
    """
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, _sample(path, found.st_size)]


def _sample(path: str | Path, size: int) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        if size <= SAMPLES * SAMPLE_BYTES:
            digest.update(file.read())
        else:
            for number in range(SAMPLES):
                file.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:32]


def sha256_of(path: str | Path) -> str:
    """Returns the hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
