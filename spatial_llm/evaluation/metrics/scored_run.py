"""Extracts the answers of one run in both readings and groups them by question type."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spatial_llm.data.record import Record
from spatial_llm.evaluation.metrics.extract import (
    READINGS,
    Columns,
    Extracted,
    columns_of,
    extract,
    known_names,
    refuses,
    truth_columns,
)
from spatial_llm.evaluation.metrics.truths import Truth, read_truths
from spatial_llm.evaluation.metrics.type_metrics import TypeMetrics, metrics_of


@dataclass(frozen=True, eq=False)
class Group:
    """Holds the items of one question type: how they are measured, their rows in the set, and columns of truths and, by
    reading, of answers."""

    metrics: TypeMetrics
    rows: NDArray[np.intp]
    truth: Columns
    answers: dict[str, Columns]


@dataclass(frozen=True, eq=False)
class ScoredRun:
    """Holds the extracted answers of one run.

    Attributes:
        items, texts, truths: (items,) each; a truth is None if the record's own answer is unparsed.
        known: names of sounds that the lenient reading knows.
        readings: "strict" and "lenient" -> (items,) extracted answers.
        refused: (items,) bool: whether the answer is a refusal.
    """

    items: Sequence[Record]
    texts: Sequence[str]
    truths: Sequence[Truth | None]
    known: Collection[str]
    readings: dict[str, list[Extracted]]
    refused: NDArray[np.bool_]

    @cached_property
    def groups(self) -> dict[str, Group]:
        """Returns the items of each question type whose truth is known."""
        rows: dict[str, list[int]] = {}
        for row, (item, truth) in enumerate(zip(self.items, self.truths, strict=True)):
            if truth is not None:
                rows.setdefault(item.question_type, []).append(row)
        return {question_type: _group(self, question_type, rows[question_type]) for question_type in sorted(rows)}

    @property
    def unreadable_truths(self) -> dict[str, int]:
        """Returns how many records of each question type are left out because their own answer is unparsed."""
        pairs = zip(self.items, self.truths, strict=True)
        return dict(sorted(Counter(item.question_type for item, truth in pairs if truth is None).items()))

    def unparsed(self, rows: NDArray[np.intp], reading: str) -> int:
        """Returns how many of some items have no value in a reading."""
        return sum(self.readings[reading][row].value is None for row in rows)


def read_answers(
    items: Sequence[Record],
    texts: Sequence[str],
    truths: Sequence[Truth | None] | None = None,
    known: Collection[str] | None = None,
) -> ScoredRun:
    """Extracts both readings of the texts.

    Args:
        truths: truths of the items; default: read from the items.
        known: names of sounds for the lenient reading; default: those of the items.
    """
    truths = read_truths(items) if truths is None else truths
    known = known_names(items, truths) if known is None else known
    refused = np.array([refuses(item, text) for item, text in zip(items, texts, strict=True)], dtype=bool)
    readings = {reading: extract(items, texts, reading, known) for reading in READINGS}
    return ScoredRun(items, texts, truths, known, readings, refused)


def _group(run: ScoredRun, question_type: str, rows: list[int]) -> Group:
    codes: dict[str, int] = {}
    truth = truth_columns(question_type, [run.truths[row] for row in rows], codes)
    columns = {
        reading: columns_of(question_type, [found[row].fields for row in rows], codes)
        for reading, found in run.readings.items()
    }
    return Group(metrics_of(question_type), np.array(rows, dtype=np.intp), truth, columns)
