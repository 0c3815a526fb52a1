"""JSONL, one object per line: written completely or not at all, read strictly, with errors that name line and field."""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from spatial_llm.errors import ManifestError
from spatial_llm.files import atomic_path

MAX_LINE_BYTES = 2**20  # of JSONL; a record is about a thousand
MAX_NESTING = 200  # of JSON objects and lists; a record has 5


def write_jsonl(path: str | Path, rows: Iterable[dict[str, Any]]) -> None:
    """Writes one JSON object per line, with the keys in the given order."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def read_jsonl(path: str | Path) -> list[tuple[int, dict[str, Any]]]:
    """Returns the items of `iter_jsonl` as a list."""
    return list(iter_jsonl(path))


def iter_jsonl(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Reads the objects of a JSONL file one at a time, with their line numbers, counted from 1.

    Lines end with a line feed, or with carriage return and line feed. Blank lines and a byte-order mark are skipped.

    Raises:
        ManifestError: the file is missing; or a line is longer than MAX_LINE_BYTES, is not UTF-8, is not one JSON object,
            has a key twice, or holds a number or text that JSON does not allow (NaN, half a surrogate pair). The error names
            file and line, and the field if there is one.
    """
    for number, line in iter_lines(path):
        yield number, parse_object(line, f"{path}:{number}")


def iter_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Reads the lines of `iter_jsonl` as texts, without surrounding white space, before they are parsed.

    Raises:
        ManifestError: as `iter_jsonl` raises it for the file and for the bytes of a line.
    """
    path = Path(path)
    if not os.path.isfile(path):  # unlike Path.is_file, it takes a name of any length
        raise ManifestError(f"{path}: no such file; give the path of a JSONL file (one JSON object a line).")
    with _opened(path) as file:
        for number, raw in enumerate(iter(lambda: file.readline(MAX_LINE_BYTES + 1), b""), start=1):
            if len(raw) > MAX_LINE_BYTES:
                raise ManifestError(f"{path}:{number}: longer than {MAX_LINE_BYTES} bytes; expected one record a line.")
            if b"\r" in raw.removesuffix(b"\n").removesuffix(b"\r"):
                # Some tools would end the line there and count lines differently.
                raise ManifestError(f"{path}:{number}: a carriage return inside the line; end lines with a line feed.")
            try:
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
            except UnicodeDecodeError as error:
                raise ManifestError(f"{path}:{number}: not UTF-8 (byte {error.start} of the line); re-encode it.") from None
            if line:
                yield number, line


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as error:
        raise ManifestError(f"{path}: cannot be opened ({error.strerror}); check its rights.") from None


def parse_object(line: str, where: str) -> dict[str, Any]:
    """Returns one line of JSONL as an object; `where` (file:line) starts every error message. Raises ManifestError, see
    `iter_jsonl`."""
    plain = plain_object(line)
    return parse_closely(line, where) if plain is None else plain


def plain_object(text: str, start: int = 0) -> dict[str, Any] | None:
    """Parses the object that `text` is from `start` on, fast; None if only `parse_object`, which is slower and raises the
    errors, can judge it."""
    found = plain_object_and_end(text, start)
    return found[0] if found is not None and found[1] == len(text) else None


def plain_object_and_end(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    """Parses the object that begins at `start`; returns it with its end in `text`, None as in `plain_object`."""
    if "\\ud" in text or "\\uD" in text or text.count("[", start) + text.count("{", start) > MAX_NESTING:
        return None
    try:
        value, end = _PLAIN.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return (value, end) if isinstance(value, dict) else None


def _unlike_json(name: str) -> float:
    raise ValueError(name)


def _unlike_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice")
    return value


_PLAIN = json.JSONDecoder(parse_constant=_unlike_json, object_pairs_hook=_unlike_twice)


def parse_closely(line: str, where: str) -> dict[str, Any]:
    """Parses as `parse_object`, without its fast path."""
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
        if line.count("[") + line.count("{") > MAX_NESTING and _is_deep(value):
            raise RecursionError  # the parser of Python 3.12 and later goes deeper than what reads the record next
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


def _is_deep(value: Any) -> bool:
    """Returns whether lists and objects nest deeper than MAX_NESTING; without recursion, whose limit they could exceed."""
    level = [value]
    for _ in range(MAX_NESTING):
        parts = [part.values() if isinstance(part, dict) else part for part in level if isinstance(part, dict | list)]
        if not (level := [item for part in parts for item in part]):
            return False
    return True


def _find(value: Any, wrong: Callable[[Any], bool], field: str = "") -> str | None:
    """Returns the path of the first leaf (or key) that is wrong, as in "sources[0].position_m[2]"; None if there is none."""
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
