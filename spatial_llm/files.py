"""Files that are whole or absent: everything is written to a temporary name beside its target and then renamed.

``os.replace`` within one folder is atomic on POSIX systems, so a reader (or a run that starts after a kill) sees the old
file or the new one, never half of either.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spatial_llm.errors import ManifestError

# Absolute, a scheme or a drive, a separator of Windows, an end of string in C.
_NOT_RELATIVE = re.compile(r"^/|^[^/]*:|\\|\0")


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """A temporary sibling of `path` to write a file or a folder at; renamed to `path` on success, removed on failure.

    A folder that already stands at `path` is replaced whole.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    _remove(temporary)
    try:
        yield temporary
        if temporary.is_dir() and path.is_dir():
            # A folder cannot be renamed over a full one: move the old one aside first, so that no moment has neither.
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            _remove(old)
            os.replace(path, old)
            os.replace(temporary, path)
            _remove(old)
        else:
            os.replace(temporary, path)
    finally:
        _remove(temporary)


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
        ManifestError: the name is empty, absolute, a URL, of another system, climbs with "..", or leads out of `root`
            through a symbolic link.
    """
    root = Path(root)
    strange = not name or _NOT_RELATIVE.search(name) is not None or ".." in name.split("/")
    if strange or not os.path.realpath(root / name).startswith(os.path.join(os.path.realpath(root), "")):
        raise ManifestError(f"{name!r} leads out of {root}; give a path relative to that folder, and keep files below it.")
    return root / name


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
    """The objects of a JSONL file with their line numbers, counted from 1. Blank lines and a byte-order mark are skipped.

    Raises:
        ManifestError: the file is missing, is not UTF-8, or a line is not one JSON object; the line is named.
    """
    path = Path(path)
    if not path.is_file():
        raise ManifestError(f"{path}: no such file; give the path of a JSONL file (one JSON object a line).")
    rows = []
    for number, raw in enumerate(path.read_bytes().split(b"\n"), start=1):
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            raise ManifestError(f"{path}:{number}: not UTF-8 (byte {error.start} of the line); re-encode it.") from None
        if line:
            rows.append((number, _parse_object(line, f"{path}:{number}")))
    return rows


def _parse_object(line: str, where: str) -> dict[str, Any]:
    def no_constant(name: str) -> None:
        raise ManifestError(f"{where}: {name} is not JSON; write a finite number or leave the field out.")

    def no_double(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        double = {key for key in keys if keys.count(key) > 1}
        if double:
            raise ManifestError(f"{where}: key {', '.join(sorted(double))!r} stands twice; keep one.")
        return dict(pairs)

    try:
        value = json.loads(line, parse_constant=no_constant, object_pairs_hook=no_double)
    except json.JSONDecodeError as error:
        raise ManifestError(f"{where}: not JSON ({error.msg} at column {error.colno}); is the line cut?") from None
    except RecursionError:
        raise ManifestError(f"{where}: nested too deeply for a record; expected a flat JSON object.") from None
    if not isinstance(value, dict):
        raise ManifestError(f"{where}: a {type(value).__name__}, expected a JSON object {{...}}.")
    return value


def sha256_of(path: str | Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
