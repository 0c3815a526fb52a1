"""Rows of a CSV file with the line that each stands on; what is not plainly a table in UTF-8 is refused in words.

A byte-order mark, CRLF, blank lines, spaces around the names of columns, and empty fields at the end of a row (as
spreadsheets write them) are read. Other encodings and separators, columns missing or twice, and rows of another length
are refused with file and line, since they would shift or drop values without a word.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from spatial_llm.errors import SceneError, SpatialLLMError

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_OTHER_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
_CALLED = {",": "comma", ";": "semicolon", "\t": "tab"}
_MOST_BYTES = 2**30


def read_csv_rows(path: str | Path, columns: Collection[str], separator: str = ",") -> list[tuple[str, dict[str, str]]]:
    """Returns (file:line, {column: text}) of each row, in order; `columns` are those that it must have."""
    path, wanted = Path(path), ", ".join(columns)
    if not os.path.isfile(path):
        raise SceneError(f"{path}: no such file; give a CSV with the columns {wanted}.")
    if path.stat().st_size > _MOST_BYTES:
        raise SceneError(f"{path}: {path.stat().st_size} bytes; a CSV of at most {_MOST_BYTES} is read.")
    lines = csv.reader(io.StringIO(read_utf8(path), newline=""), delimiter=separator, strict=True)
    rows: list[tuple[str, dict[str, str]]] = []
    header: list[str] | None = None
    try:
        for fields in lines:
            if not any(field.strip() for field in fields):
                continue
            where = f"{path}:{lines.line_num}"
            if header is None:
                header = _header(where, fields, columns)
                continue
            while len(fields) > len(header) and not fields[-1].strip():
                fields.pop()
            if len(fields) != len(header):
                raise SceneError(
                    f"{where}: {len(fields)} fields, the header names {len(header)} columns; quote a field that holds a "
                    f"{_CALLED.get(separator, separator)}, and keep empty fields."
                )
            rows.append((where, {name: field for name, field in zip(header, fields, strict=True) if name}))
    except csv.Error as error:
        raise SceneError(f"{path}:{max(1, lines.line_num)}: not CSV ({error}); is a quotation mark left open?") from None
    if header is None:
        raise SceneError(f"{path}: columns none; expected at least {wanted}.")
    return rows


def _header(where: str, fields: list[str], columns: Collection[str]) -> list[str]:
    names = [field.strip() for field in fields]
    while names and not names[-1]:
        names.pop()
    missing = [name for name in columns if name not in names]
    if missing:
        for separator, called in _OTHER_SEPARATORS.items():
            if any(separator in name for name in names):
                raise SceneError(f"{where}: columns separated by {called}; separate them by commas.")
        near = [name for name in names if name.lower() in missing]
        hint = f" Write {', '.join(map(repr, near))} in lower case." if near else ""
        raise SceneError(
            f"{where}: columns {names}; expected at least {', '.join(columns)}: {', '.join(missing)} missing.{hint}"
        )
    double = sorted(name for name, count in Counter(names).items() if count > 1 and name)
    if double:
        raise SceneError(f"{where}: columns {', '.join(double)} stand twice; keep one of each.")
    return names


def read_utf8(path: str | Path, kind: type[SpatialLLMError] = SceneError) -> str:
    """Returns the text of a file in UTF-8, without its byte-order mark. Raises an error of `kind` with the line where it is
    not UTF-8."""
    try:
        raw = Path(path).read_bytes()
    except OSError as error:
        raise kind(f"{path}: cannot be opened ({error.strerror}); check its rights.") from None
    if raw.startswith(_UTF16) or b"\0" in raw[:4096]:
        raise kind(f"{path}:1: in UTF-16 or binary, not UTF-8; save it as CSV in UTF-8.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise kind(
            f"{path}:{line}: not UTF-8 (byte {raw[error.start]:#04x}, as in Latin-1 or Windows-1252); save it as UTF-8."
        ) from None
