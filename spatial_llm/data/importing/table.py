"""The table of one's own recordings: its columns, its rows, and errors that show a line which would be right.

Commas, semicolons and tabs separate columns. With semicolons, as spreadsheets write them where the comma is the decimal
sign, numbers may have such commas.
"""

import csv
import difflib
import io
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_llm.errors import ManifestError, SceneError
from spatial_llm.scenes.csv_rows import read_csv_rows, read_utf8

REQUIRED = ("audio", "question", "answer")
OPTIONAL = (
    "label", "azimuth", "elevation", "distance", "start", "end", "split", "recording", "room",
)  # fmt: skip
EXAMPLE = {
    "audio": "kitchen/bell.wav",
    "question": "Where is the sound in this audio clip coming from?",
    "answer": "left, front, above; 2m",
    "label": "bell",
    "azimuth": "40",
    "elevation": "10",
    "distance": "2.1",
    "start": "0.5",
    "end": "2.5",
    "split": "train",
    "recording": "monday 1",
    "room": "kitchen",
}
# Other names that people give to these columns.
_ALSO = {
    "audio": ("file", "filename", "path", "wav", "clip", "audiofile"),
    "question": ("prompt", "instruction", "query"),
    "answer": ("response", "reply", "target", "output", "truth"),
    "label": ("class", "event", "sound", "category"),
    "azimuth": ("azi", "az", "angle"),
    "elevation": ("ele", "el"),
    "distance": ("dist", "range"),
    "start": ("begin", "onset", "from"),
    "end": ("stop", "offset", "until"),
    "split": ("subset", "fold", "set", "partition"),
}
_UNIT = re.compile(r"_(?:deg|degrees|m|meters|metres|s|sec|seconds|file|path|name|text)$")
_LIKE = 0.75  # of `difflib`, from which on a name is taken for a misspelt one
_RANGES = {
    "azimuth": (lambda value: -180 <= value <= 180, "degrees from -180 to 180, positive to the left"),
    "elevation": (lambda value: -90 <= value <= 90, "degrees from -90 to 90, positive upwards"),
    "distance": (lambda value: value > 0, "metres above 0"),
    "start": (lambda value: value >= 0, "seconds from the beginning of the file, 0 or more"),
    "end": (lambda value: value > 0, "seconds from the beginning of the file, above 0"),
}


@dataclass(frozen=True)
class Columns:
    """Defines a kind of table.

    Attributes:
        required, optional: its columns.
        example: a text for each column.
        also: other names that people give to them.
        ranges: what a number of a column may be, and this in words.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    example: Mapping[str, str]
    also: Mapping[str, tuple[str, ...]]
    ranges: Mapping[str, tuple[Callable[[float], bool], str]]

    @property
    def names(self) -> tuple[str, ...]:
        """Returns all columns."""
        return self.required + self.optional

    def example_of(self, names: Sequence[str]) -> dict[str, str]:
        """Returns the texts of an example row."""
        return {name: self.example.get(name, "") for name in names}


QUESTIONS = Columns(REQUIRED, OPTIONAL, EXAMPLE, _ALSO, _RANGES)


@dataclass(frozen=True)
class Row:
    """Holds one row: where it stands (file:line), its texts by column, what separates them, and the kind of its table."""

    where: str
    texts: Mapping[str, str]
    separator: str
    columns: Columns = QUESTIONS

    def text(self, column: str) -> str:
        """Returns a text without the blanks around it; "" if the column is not there."""
        return self.texts.get(column, "").strip()

    def number(self, column: str) -> float | None:
        """Returns a number; None if the field is empty or the column is not there.

        Raises:
            ManifestError: it is no number, or out of the range of its column.
        """
        text = self.text(column)
        if not text:
            return None
        is_good, expected = self.columns.ranges[column]
        try:
            if "_" in text:  # Python reads 1_35 as 135
                raise ValueError
            value = float(text.replace("\u2212", "-").replace(",", "." if self.separator == ";" else ","))
        except ValueError:
            right = {column: self.columns.example[column]}
            raise self.error(f"{column} is {text!r}; expected {expected}, as a number alone", **right) from None
        if not math.isfinite(value) or not is_good(value):
            raise self._out_of_range(column, value, expected)
        return value

    def _out_of_range(self, column: str, value: float, expected: str) -> ManifestError:
        if column == "azimuth" and 180 < value <= 360 and self.columns is QUESTIONS:
            right = f"{360 - value:g}"
            hint = f". Counted to the left from 0 to 360, write {value - 360:g}; counted to the right, write {right}"
            return self.error(f"azimuth is {value:g}; expected {expected}{hint}", azimuth=f"{value - 360:g}")
        return self.error(f"{column} is {value:g}; expected {expected}", **{column: self.columns.example[column]})

    def error(self, message: str, **right: str) -> ManifestError:
        """Returns the error about this row, with the row as it would be right: with other texts in the columns `right`."""
        return ManifestError(f"{self.where}: {message}. {self.right_line(**right)}")

    def right_line(self, **right: str) -> str:
        """Returns a sentence that shows this row with other texts, below the names of its columns."""
        return right_line({**self.texts, **right}, self.separator)


def right_line(texts: Mapping[str, str], separator: str) -> str:
    """Returns a sentence that shows a header and a row."""
    return f"Right would be:\n  {_line(list(texts), separator)}\n  {_line(list(texts.values()), separator)}"


def read_table(path: str | Path, columns: Columns = QUESTIONS) -> list[Row]:
    """Returns the rows of a CSV with these columns, in order.

    Raises:
        ManifestError: there is no such file; it is no CSV in UTF-8; it has no rows; a column is missing or misspelt; a row
            has another length than the header, or a quotation mark is left open.
    """
    if not Path(path).is_file():
        raise ManifestError(f"{path}: no such file; give a CSV. {_right(columns.required, columns)}")
    separator, names = _header(Path(path), columns)
    _check_columns(f"{path}:1", names, separator, columns)
    try:
        found = read_csv_rows(path, columns.required, separator)
    except SceneError as error:
        raise ManifestError(f"{error} {_right(names, columns, separator)}") from None
    if not found:
        raise ManifestError(f"{path}: holds no rows, only the header. {_right(names, columns, separator)}")
    return [Row(where, texts, separator, columns) for where, texts in found]


def _right(names: Sequence[str], columns: Columns, separator: str = ",") -> str:
    return right_line(columns.example_of(names), separator)


def _header(path: Path, columns: Columns) -> tuple[str, list[str]]:
    try:
        text = read_utf8(path, ManifestError)
    except ManifestError as error:
        raise ManifestError(f"{error} {_right(columns.required, columns)}") from None
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise ManifestError(f"{path}: is empty. {_right(columns.required, columns)}")
    separator = max(",;\t", key=lines[0].count)
    return separator, [name.strip() for name in next(csv.reader([lines[0]], delimiter=separator)) if name.strip()]


def _check_columns(where: str, names: Sequence[str], separator: str, columns: Columns) -> None:
    """Raises ManifestError if a column has a name that means one of ours, or one is missing; warns of others."""
    meant = {name: _meant(name, names, columns) for name in names if name not in columns.names}
    for name, column in meant.items():
        if column is not None:
            right = [column if other == name else other for other in names]
            raise ManifestError(
                f"{where}: no column is called {name!r}; did you mean {column!r}? {_right(right, columns, separator)}"
            )
    missing = [name for name in columns.required if name not in names]
    if missing:
        right = [*names, *missing]
        raise ManifestError(f"{where}: column {', '.join(missing)} missing. {_right(right, columns, separator)}")
    if meant:
        warnings.warn(
            f"{where}: columns {', '.join(meant)} are not used; those that are: {', '.join(columns.names)}.",
            stacklevel=2,
        )


def _meant(name: str, names: Sequence[str], columns: Columns) -> str | None:
    """Returns the column of ours, not there by its own name, that a name probably means."""
    plain = _UNIT.sub("", name.lower().replace(" ", "_"))
    free = [column for column in columns.names if column not in names]
    for column in free:
        if plain == column or plain in columns.also.get(column, ()):
            return column
    return next(iter(difflib.get_close_matches(plain, free, 1, _LIKE)), None)


def _line(texts: Sequence[str], separator: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="").writerow(texts)
    return out.getvalue()
