"""The model behind `spatial-llm ask`: loaded once, with one encoding for each recording."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from spatial_llm.commands.asked import Row
from spatial_llm.door import sentence
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLM
from spatial_llm.model.answer import Answer
from spatial_llm.model.heard import Heard

Value = TypeVar("Value")
_PACKAGE = str(Path(__file__).resolve().parents[1])


class Answerer:
    """Answers questions about recordings.

    Args:
        model: folder of a saved `SpatialLLM`, or the name of one.
        how: recordings are listened to: options of `SpatialLLM.listen`.
        options: of `SpatialLLM.ask`.
    """

    def __init__(self, model: str, how: dict[str, Any], **options: bool | int | None) -> None:
        self._model = SpatialLLM.from_pretrained(model)
        self._how = how
        self._options = options
        self._last: tuple[Path, Heard, list[str]] | None = None

    def listen(self, path: Path) -> tuple[Heard, list[str]]:
        """Returns what was heard of a recording, with the warnings about it; the last recording is kept."""
        if self._last is None or self._last[0] != path:
            heard, warned = _with_warnings(lambda: self._model.listen(str(path), **self._how))
            for text in warned:
                _warn(path, text)
            self._last = (path, heard, warned)
        return self._last[1:]

    def answer(self, row: Row) -> Answer:
        """Returns the answer to one question."""
        return self._answer(row)[0]

    def result(self, row: Row) -> dict[str, Any]:
        """Returns file, question and all that is known of the answer, with warnings about recording and question."""
        answer, warned = self._answer(row)
        known = {"file": row.file, "question": row.question} | answer.to_dict()
        return known | ({"warnings": warned} if warned else {})

    def results(self, rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
        """Yields the results in order; a row that has no answer has "error", the sentence that says why, instead.

        Rows of one recording that do not follow each other are answered together, so that it is encoded once.
        """
        numbers: dict[Path, list[int]] = {}
        for number, row in enumerate(rows):
            numbers.setdefault(row.path, []).append(number)
        done: dict[int, dict[str, Any]] = {}
        for number, row in enumerate(rows):
            if number not in done:
                done |= {each: self._result_or_error(rows[each]) for each in numbers[row.path]}
            yield done.pop(number)

    def _answer(self, row: Row) -> tuple[Answer, list[str]]:
        heard, about_recording = self.listen(row.path)
        answer, warned = _with_warnings(lambda: heard.ask(row.question, **self._options))
        for text in warned:
            _warn(row.path, text)
        return answer, [*about_recording, *warned]

    def _result_or_error(self, row: Row) -> dict[str, Any]:
        try:
            return self.result(row)
        except (SpatialLLMError, OSError) as error:
            return {"file": row.file, "question": row.question, "error": sentence(error)}


def _with_warnings(run: Callable[[], Value]) -> tuple[Value, list[str]]:
    """Returns what `run` returns, and the texts of this library's warnings; Python would show equal ones about many files
    once. Those of other libraries are shown as usual."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        value = run()
    ours = [each for each in caught if issubclass(each.category, UserWarning) and each.filename.startswith(_PACKAGE)]
    for each in caught:
        if each not in ours:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
    return value, list(dict.fromkeys(" ".join(str(each.message).split()) for each in ours))


def _warn(path: Path, text: str) -> None:
    warnings.warn(text if str(path) in text else f"{path}: {text}", stacklevel=1)
