"""Measures names of sounds: the overlap of two lists, and the onset of the named sound."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.evaluation.metrics.measures import Columns, Measure
from spatial_llm.evaluation.metrics.protocols import LABELS
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec


def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the metrics of names; see `KindMetrics.specs`."""
    return right, (Spec("F1", set_f1("labels_f1"), LABELS, "mean F1 of named and true labels"),)


def set_f1(name: str) -> Measure:
    """Measures twice the number of common names over the number of names of both lists; 0 if unparsed."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        said, true = answer["labels"], truth["labels"]
        if said.ndim == 1:
            pairs = zip(said, true, strict=True)
            return np.array([2 * len(a & b) / max(len(a) + len(b), 1) for a, b in pairs], dtype=np.float64)
        names = {label: index for index, label in enumerate(sorted(set().union(*said[:, 0], *true[0])))}
        first, second = _occurrence(said[:, 0], names), _occurrence(true[0], names)
        return 2 * (first @ second.T) / np.maximum(first.sum(axis=1)[:, None] + second.sum(axis=1), 1)

    return Measure(name, "value", of)


def onset_error(name: str) -> Measure:
    """Measures the seconds between the onsets of the one named sound and of the true one; NaN if the named sound does not
    occur."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        onset = np.vectorize(
            lambda said, onsets_s: onsets_s.get(next(iter(said)), np.nan) if len(said) == 1 else np.nan, otypes=[np.float64]
        )
        return np.abs(onset(answer["labels"], truth["onsets_s"]) - truth["true_onset_s"])

    return Measure(name, "value", of)


def _occurrence(sets: NDArray, names: dict[str, int]) -> NDArray[np.float32]:
    """Maps (sets,) frozensets to (sets, names): 1 where the name is in the set."""
    table = np.zeros((len(sets), len(names)), dtype=np.float32)
    for row, labels in enumerate(sets):
        table[row, [names[label] for label in labels]] = 1
    return table


def _columns(values: Sequence[Mapping[str, Any]], columns: Columns) -> Columns:
    """Returns `labels`: frozensets, (items,) objects."""
    return {"labels": np.array([None, *(frozenset(value.get("labels", ())) for value in values)], dtype=object)[1:]}


METRICS = KindMetrics(specs, columns=_columns)
