"""Files that are whole or absent: everything is written to a temporary name beside its target and then renamed.

``os.replace`` within one folder is atomic on POSIX systems, so a reader (or a run that starts after a kill) sees the old
file or the new one, never half of either.
"""

import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import math
import os
import re
import shutil
import socket
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from spatial_llm.errors import ManifestError, SpatialLLMError

MAX_LINE_BYTES = 2**20  # of JSONL; a record is about a thousand
# Absolute, a scheme or a drive, a separator of Windows, an end of string in C.
_LONGEST_NAME = 255  # bytes of one part of a path, on the file systems in use
_TRIES = 100
_LOCKED: set[tuple[int, Path]] = set()  # (process, lock file) held; a forked process inherits the set, not the locks
_NOT_RELATIVE = re.compile(r"^/|^[^/]*:|\\|\0")


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary sibling of `path` to write a file or a folder at; renamed to `path` on success, removed on failure.

    A folder that already stands at `path` is replaced whole. Raises SpatialLLMError for a name that no file can have.
    """
    path = Path(path)
    try:
        named = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        named = False
    if not named:
        raise SpatialLLMError(f"{str(path)!r} can be no file's name (it holds NUL, or is not text); give another.")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir():
            _replace_folder(temporary, path)
        else:
            os.replace(temporary, path)
    finally:
        _remove(temporary)


def _replace_folder(temporary: Path, path: Path) -> None:
    # A folder cannot be renamed over a full one: move the old one aside first, so that a strike leaves one or the other.
    # Another process may put its own folder there in between, so that this is tried again; the last one stays.
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
                raise
    _remove(old)


@contextlib.contextmanager
def one_writer(path: str | Path, what: str, shared: bool = False) -> Iterator[None]:
    """Lets one process at a time write `path`, a file or folder; the lock is the hidden file `.<name>.lock` beside it.

    The lock is the kernel's, so that it ends with its process, however that ends.

    Args:
        what: said of the process that is refused: "questions are being written".
        shared: with others that share it, such as the shards of one piece of work.

    Raises:
        SpatialLLMError: another process holds it, which is named.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.resolve().with_name(f".{path.resolve().name}.lock")
    held = os.getpid(), lock
    if held in _LOCKED:  # a second lock within a process would be granted, and end the first one when it is closed
        raise SpatialLLMError(f"{path}: {what} by this very process; wait for it, or give another folder.")
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
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}")
                file.flush()
                return file
        file.close()  # its last holder removed it in between


def _remove_leftovers(path: Path) -> None:
    # What a killed process left beside `path`. A process that is alive may still be writing its own.
    for left in path.parent.glob(f".{path.name}.*.*"):
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
    """The path of `name` in the folder `root`, which it cannot leave; whether it exists is not looked at.

    Raises:
        ManifestError: the name leads out: see `leads_out`, or through a symbolic link; or it is none that a file can have.
    """
    if not leads_out(name) and not can_be_named(name):
        raise ManifestError(f"{name[:300]!r} can be no file's name (not text, or too long); correct it, or rename the file.")
    if leads_out(name) or not _stays_inside(os.path.join(os.getcwd(), root), name):
        raise ManifestError(f"{name!r} leads out of {root}; give a path relative to that folder, and keep files below it.")
    return Path(root, name)


def leads_out(name: str) -> bool:
    """True for a name that is not plainly relative: empty, absolute, a URL, of another system, or with ".." in it."""
    return not name or _NOT_RELATIVE.search(name) is not None or ".." in name.split("/")


def can_be_named(name: str) -> bool:
    """Whether a file can have a relative name that a manifest can hold: UTF-8, without controls, no part too long."""
    try:
        parts = name.encode("utf-8").split(b"/")
    except UnicodeEncodeError:
        return False
    return not any(len(part) > _LONGEST_NAME for part in parts) and not any(character < " " for character in name)


def _stays_inside(root: str, name: str) -> bool:
    # Resolving a path asks the disk about each of its parts; files of one folder share all but the last.
    folder, last = os.path.split(os.path.join(root, name))
    target = os.path.normpath(os.path.join(_resolved(folder), last))
    if os.path.islink(target):
        target = os.path.realpath(target)
    return target.startswith(os.path.join(_resolved(root), ""))


@functools.lru_cache(maxsize=4096)
def _resolved(folder: str) -> str:
    return os.path.realpath(folder)


def write_text(path: str | Path, text: str) -> None:
    """Writes UTF-8 `text` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Writes `value` as indented JSON with sorted keys; NaN and infinities are refused, they are not JSON."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: str | Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes one JSON object a line, keys in the order given."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def read_jsonl(path: str | Path) -> list[tuple[int, dict[str, Any]]]:
    """All of `iter_jsonl` as a list."""
    return list(iter_jsonl(path))


def iter_jsonl(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSONL file with their line numbers, counted from 1, read one at a time.

    Lines end with a line feed alone, or with carriage return and line feed. Blank lines and a byte-order mark are skipped.

    Raises:
        ManifestError: the file is missing; or a line is longer than MAX_LINE_BYTES, is not UTF-8, is not one JSON object,
            has a key twice, or holds a number or text that JSON has not (NaN, half a surrogate pair); file and line are
            named, and the field where there is one.
    """
    path = Path(path)
    if not os.path.isfile(path):  # unlike `is_file` of a path, for a name of any length
        raise ManifestError(f"{path}: no such file; give the path of a JSONL file (one JSON object a line).")
    with _opened(path) as file:
        for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), start=1):
            if len(raw) > MAX_LINE_BYTES:
                raise ManifestError(f"{path}:{number}: longer than {MAX_LINE_BYTES} bytes; expected one record a line.")
            if b"\r" in raw.removesuffix(b"\n").removesuffix(b"\r"):
                # Text readers would end the line there, and lines would be counted differently by different tools.
                raise ManifestError(f"{path}:{number}: a carriage return inside the line; end lines with a line feed.")
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                raise ManifestError(f"{path}:{number}: not UTF-8 (byte {error.start} of the line); re-encode it.") from None
            if line:
                yield number, parse_object(line, f"{path}:{number}")


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise ManifestError(f"{path}: cannot be opened ({error.strerror}); check its rights.") from None


def parse_object(line: str, where: str) -> dict[str, Any]:
    """One line of JSONL as an object; `where` (file:line) starts every error message. Raises ManifestError, see
    `iter_jsonl`."""
    constants: list[str] = []

    def constant(name: str) -> float:
        constants.append(name)
        return float(name)

    def no_double(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            keys = [key for key, _ in pairs]
            double = sorted({key for key in keys if keys.count(key) > 1})
            raise ManifestError(f"{where}: key {', '.join(double)!r} stands twice; keep one.")
        return value

    try:
        value = json.loads(line, parse_constant=constant, object_pairs_hook=no_double)
        if constants:
            field = _find(value, lambda leaf: isinstance(leaf, float) and not math.isfinite(leaf))
            raise ManifestError(f"{where}: {field}: {constants[0]} is not JSON; write a finite number or leave it out.")
        if "\\ud" in line.lower() and (field := _find(value, _is_broken_text)) is not None:
            raise ManifestError(f"{where}: {field}: half a surrogate pair, which is no character; correct the text.")
    except json.JSONDecodeError as error:
        raise ManifestError(f"{where}: not JSON ({error.msg} at column {error.colno}); is the line cut?") from None
    except RecursionError:
        raise ManifestError(f"{where}: nested too deeply for a record; expected a flat JSON object.") from None
    except ManifestError:
        raise
    except ValueError:
        raise ManifestError(f"{where}: a whole number of thousands of digits; write a number of sensible size.") from None
    if not isinstance(value, dict):
        raise ManifestError(f"{where}: a {type(value).__name__}, expected a JSON object {{...}}.")
    return value


def _find(value: Any, wrong: Callable[[Any], bool], field: str = "") -> str | None:
    """The path of the first leaf (or key) that is wrong, as in "sources[0].position_m[2]"; None if there is none."""
    if isinstance(value, dict):
        for key, item in value.items():
            if wrong(key):
                return f"a key of {field or 'the object'}"
            if (found := _find(item, wrong, f"{field}.{key}".lstrip("."))) is not None:
                return found
    elif isinstance(value, list):
        for index, item in enumerate(value):
            if (found := _find(item, wrong, f"{field}[{index}]")) is not None:
                return found
    elif wrong(value):
        return field or "value"
    return None


def _is_broken_text(leaf: Any) -> bool:
    return isinstance(leaf, str) and any("\ud800" <= character <= "\udfff" for character in leaf)


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
