"""What `spatial-llm ask` was given: which arguments are recordings, which are questions, and what a folder or a table
holds."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_llm.audio.suffixes import SOUND_SUFFIXES, UNREAD_SUFFIXES
from spatial_llm.errors import SpatialLLMError
from spatial_llm.shipped import shipped_models

SOUNDS = SOUND_SUFFIXES | UNREAD_SUFFIXES
_NAME_OF_FILE = re.compile(r"\S*(/|\.[A-Za-z]\w{0,4}$)\S*")


@dataclass(frozen=True)
class Row:
    """One question about one recording.

    Attributes:
        file: the recording as it was given; results name it so.
        path: where it is.
        question: the question as it was given.
    """

    file: str
    path: Path
    question: str


@dataclass(frozen=True)
class Given:
    """The positional arguments, sorted.

    Attributes:
        model: folder or name in the form MODEL FILE... QUESTION...; else None.
        files: recordings, folders and tables.
        questions: the questions.
    """

    model: str | None
    files: tuple[str, ...]
    questions: tuple[str, ...]

    @property
    def has_many(self) -> bool:
        """Returns whether a folder or a table is among the files, whose answers need a place to go to."""
        return any(_is_table(file) or os.path.isdir(file) for file in self.files)

    def rows(self) -> list[Row]:
        """Returns every question about every recording, in order.

        Raises:
            SpatialLLMError: a folder holds no sound files; a table is no CSV with the columns file and question, or has
                questions although some were given.
        """
        return [row for file in self.files for row in self._rows_of(file)]

    def _rows_of(self, file: str) -> Iterator[Row]:
        if _is_table(file):
            yield from _rows_of_table(Path(file), self.questions)
            return
        sounds = _sounds_in(Path(file)) if os.path.isdir(file) else [Path(file)]
        yield from (Row(str(path), path, question) for path in sounds for question in self.questions)


def sort_arguments(arguments: Sequence[str]) -> Given:
    """Tells recordings from questions: recordings come first, and are what exists, or is written as the name of a file is.

    Raises:
        SpatialLLMError: a question stands before a recording, is blank, or there is no recording.
    """
    rest = list(arguments)
    model = rest.pop(0) if rest and _is_model(rest[0]) else None
    count = next((number for number, one in enumerate(rest) if not is_file(one)), len(rest))
    files, questions = rest[:count], rest[count:]
    late = next((one for one in questions if is_file(one)), None)
    if late is not None:
        raise SpatialLLMError(
            f"{questions[0]!r} is no file and stands before the recording {late}; give recordings first, then questions, "
            "and a model by --model."
        )
    blank = [question for question in questions if not question.strip()]
    if blank:
        raise SpatialLLMError(f"the question is {blank[0]!r}; give one question in words.")
    if not files:
        found = f"none of {', '.join(map(repr, rest))} is a file" if rest else "no recording is given"
        raise SpatialLLMError(f'{found}; write spatial-llm ask recording.wav "Where is the sound coming from?"')
    return Given(model, tuple(files), tuple(questions))


def is_file(argument: str) -> bool:
    """Returns whether an argument exists, or is written as the name of a file is: with the suffix of a sound or a table, or
    without spaces and with a suffix or a slash, unless it ends in a question mark."""
    known = os.path.splitext(argument)[1].lower() in SOUNDS | {".csv"}
    named = _NAME_OF_FILE.fullmatch(argument) is not None and not argument.endswith("?")  # "left/right?" is a question
    return known or os.path.exists(argument) or named


def _is_model(argument: str) -> bool:
    is_shipped = argument in shipped_models() and not os.path.isfile(argument)
    return is_shipped or os.path.isfile(os.path.join(argument, "config.json"))


def _is_table(file: str) -> bool:
    return file.lower().endswith(".csv") and not os.path.isdir(file)


def _sounds_in(folder: Path) -> list[Path]:
    found = (path for path in sorted(_below(folder)) if path.suffix.lower() in SOUNDS and path.is_file())
    sounds = [path for path in found if not path.name.startswith(".")]
    if not sounds:
        raise SpatialLLMError(f"{folder}: no sound files in this folder; give one with WAV, FLAC or Ogg files.")
    return sounds


def _below(folder: Path) -> Iterator[Path]:
    """Yields what lies in a folder and below, also behind links to folders, each folder once."""
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(place, name) for name in names)


def _rows_of_table(table: Path, questions: Sequence[str]) -> Iterator[Row]:
    """Yields the rows of a CSV; its files are relative to its folder."""
    from spatial_llm.scenes.csv_rows import read_csv_rows

    rows = read_csv_rows(table, ["file"] if questions else ["file", "question"])
    if not rows:
        raise SpatialLLMError(f"{table}: no rows below the header; give one a recording.")
    if questions and any("question" in row for _, row in rows):
        raise SpatialLLMError(
            f"{table}: has a column question, and {questions[0]!r} is asked too; give questions in one of the two places."
        )
    for where, row in rows:
        if not row["file"].strip():
            raise SpatialLLMError(f"{where}: file is empty; give the path of a recording, relative to this table.")
        for question in questions or [row["question"]]:
            yield Row(row["file"], table.parent / row["file"], question)
