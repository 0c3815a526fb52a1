"""Reads a JSON array of objects of any length, one object after another, without holding the array."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from spatial_llm.errors import ManifestError

_CHUNK = 2**20
_LONGEST = 2**23  # characters of one object
_BLANK = " \t\r\n"


def read_rows(path: Path, progress: Callable[[int], Any] = lambda characters: None) -> Iterator[dict[str, Any]]:
    """Yields the objects of an array in a file.

    Args:
        path: of the file, UTF-8.
        progress: called with the number of characters of each piece that was read.

    Raises:
        ManifestError: there is no such file; or it is not an array of objects, or is cut: what came before was yielded.
    """
    if not path.is_file():
        raise ManifestError(f"{path}: no such file; give the JSON file of the data set.")
    decoder, number = json.JSONDecoder(), 0
    with path.open(encoding="utf-8-sig") as file:
        text = _Text(path, file, progress)
        text.expect("[")
        while text.peek() != "]":
            if number:
                text.expect(",")
            if text.peek() != "{":
                raise text.error(number, f"{text.peek() or 'the end of the file'!r} stands where an object begins")
            row = None
            while row is None:
                try:
                    row, text.at = decoder.raw_decode(text.held, text.at)
                except (json.JSONDecodeError, RecursionError) as error:
                    if len(text.held) - text.at > _LONGEST or not text.more():
                        raise text.error(number, f"{error}") from None
            number += 1
            yield row
        text.expect("]")
        if text.peek():
            raise text.error(number, f"{text.peek()!r} stands behind the end of the array")


class _Text:
    """A piece of a file, and the place in it that is read next."""

    def __init__(self, path: Path, file: Any, progress: Callable[[int], Any]) -> None:
        self.path, self.file, self.progress = path, file, progress
        self.held, self.at = "", 0

    def more(self) -> bool:
        """Appends a piece of the file to what is held from the present place on; returns whether there was one."""
        try:
            piece = self.file.read(_CHUNK)
        except UnicodeDecodeError as error:
            raise ManifestError(f"{self.path}: not UTF-8 ({error.reason}); download it again.") from None
        self.held, self.at = self.held[self.at :] + piece, 0
        self.progress(len(piece))
        return bool(piece)

    def peek(self) -> str:
        """Returns the next character that is not blank, "" at the end of the file."""
        while True:
            while self.at < len(self.held) and self.held[self.at] in _BLANK:
                self.at += 1
            if self.at < len(self.held):
                return self.held[self.at]
            if not self.more():
                return ""

    def expect(self, character: str) -> None:
        found = self.peek()
        if found != character:
            raise ManifestError(
                f"{self.path}: {found or 'the end of the file'!r} stands where {character!r} is expected; expected an array "
                "of objects. Is the file cut? Download it again."
            )
        self.at += 1

    def error(self, number: int, told: str) -> ManifestError:
        return ManifestError(f"{self.path}: entry {number}: {told}; expected an array of objects. Is the file cut?")
