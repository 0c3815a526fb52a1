"""Computes scores of chance in closed form: each item is answered with the true answer of a random item of the same metric.
The mean over all pairs of answer and item is computed, so no random number is drawn."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from spatial_llm.evaluation.metrics.extract import Columns
from spatial_llm.evaluation.metrics.measures import Measure
from spatial_llm.evaluation.metrics.metric import median_of

_PAIRS_AT_ONCE = 2**22


def expected_mean(measure: Measure, truth: Columns) -> float | None:
    """Returns the mean of a measure over all pairs; pairs to which it does not apply do not count."""
    total = count = 0.0
    for values, times in _pairs(measure, truth):
        applies = ~np.isnan(values)
        total += float(times @ np.where(applies, values, 0.0).sum(axis=1))
        count += float(times @ applies.sum(axis=1))
    return total / count if count else None


def expected_root_mean(measure: Measure, truth: Columns) -> float | None:
    """Returns the root of the mean square of a measure over all pairs."""
    squared = expected_mean(Measure(measure.name, measure.reads, lambda a, t: measure.of(a, t) ** 2), truth)
    return None if squared is None else float(np.sqrt(squared))


def expected_median(measure: Measure, truth: Columns) -> float | None:
    """Returns the median of a measure over all pairs."""
    values, times = zip(*_pairs(measure, truth), strict=True)
    weights = np.concatenate([np.repeat(t, v.shape[1]) for t, v in zip(times, values, strict=True)])
    median = float(median_of(np.concatenate([v.ravel() for v in values]))(weights[None])[0])
    return None if np.isnan(median) else median


def expected_balanced_accuracy(classes: NDArray) -> float:
    """Returns 1 / classes: each class is drawn as often as it occurs, and this is the mean of these shares over the
    classes."""
    return 1.0 / len(np.unique(classes))


def expected_average_precision(targets: NDArray) -> float:
    """Returns the mean over the labels, in [0, 1], for a random order: (items, labels) bool, each label with a positive."""
    items, positives = len(targets), targets.sum(axis=0)
    # A positive at rank i has precision (1 + positives above) / i, and i is uniform in 1..items.
    harmonic = float(np.sum(1 / np.arange(1, items + 1))) / items
    return float(np.mean(harmonic + (positives - 1) / max(items - 1, 1) * (1 - harmonic)))


def _pairs(measure: Measure, truth: Columns) -> Iterator[tuple[NDArray, NDArray]]:
    """Yields the measure of different true answers at all items, (answers, items), and how often each answer is true; a
    bounded number of pairs at once."""
    _, first, times = np.unique(truth["value"], return_index=True, return_counts=True)
    at_once = max(1, _PAIRS_AT_ONCE // len(truth["value"]))
    items = {name: column[None, :] for name, column in truth.items()}
    for start in range(0, len(first), at_once):
        some = first[start : start + at_once]
        answers = {name: column[some, None] for name, column in truth.items()}
        yield measure.of(answers, items), times[start : start + at_once].astype(np.float64)
