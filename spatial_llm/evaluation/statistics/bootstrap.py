"""Values with intervals: statistics as functions of item weights, the bootstrap over recordings, and the paired comparison
of two runs.

Items that share a recording are not independent, so the bootstrap draws whole recordings and never single items. A
`Statistic` takes weights instead of items: weights of one give the value, counts of drawn recordings give a resample, zeros
and ones over the items of two runs give a randomization. So one function serves the value, its interval and the test, and a
weight of 2 is exactly a row that occurs twice. The arithmetic is in `weighted`.

Average precision needs a correction: a recording that is drawn twice ranks beside itself, which lifts the value. With 300
clips and 40 labels its percentile interval holds the expected value in 60 to 90 of 100 sets, and at chance not even its own
value. Where the resamples lie to one side of the value, the interval is therefore moved back by that bias.

Source: percentile interval over clusters, and a quarter of the standard error as negligible bias (Efron and Tibshirani, An
Introduction to the Bootstrap, 1993, chapters 13 and 10); approximate randomization test with p = (1 + as extreme) / (1 +
draws) (Noreen, 1989); correction for several tests (Holm, 1979).
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.statistics import weighted

CONFIDENCE = 0.95  # confidence of every reported interval
_WEIGHTS_AT_ONCE = 2**20  # most numbers in one matrix of weights
_MOST_AT_ONCE = 64  # most resamples at once: this many columns of weights stay in the processor's cache
_NEGLIGIBLE_BIAS = 0.25  # share of the standard deviation of the resamples


class Statistic:
    """A number as a function of weights: `statistic(weights)` takes (resamples, items) >= 0 and returns (resamples,), NaN
    where it is undefined.

    Example: four answers about two recordings, of which all but the second are right.

        share, rows = mean_of(np.array([1.0, 0.0, 1.0, 1.0])), np.arange(4)
        bootstrap = Bootstrap(["a", "a", "b", "b"], resamples=1000, seed=0)
        bootstrap.value(share, rows)  # 0.75
        share([[2, 2, 0, 0]])  # [0.5]: a resample in which recording "a" was drawn twice and "b" not at all
        bootstrap.interval(share, rows)  # (0.5, 1.0): the middle 95 % of 1,000 such values

    Args:
        build: arrays -> function of the weights; it is called once, for the first value.
        arrays: what is known of the items, (items, ...) each. Two statistics of the same build can be stacked.

    Raises:
        SpatialLLMError: the arrays differ in length, or weights do not fit them.
    """

    def __init__(self, build: Callable[..., weighted.Weighted], *arrays: NDArray) -> None:
        self.items = len(arrays[0])
        if any(len(array) != self.items for array in arrays):
            raise SpatialLLMError(f"arrays of {[len(array) for array in arrays]} items; expected as many in each.")
        self._build, self._arrays = build, arrays

    @cached_property
    def _of_weights(self) -> weighted.Weighted:
        return self._build(*self._arrays)

    @property
    def values(self) -> NDArray | None:
        """Returns the value of each item, (items,), if this statistic is the mean of one column; otherwise None."""
        is_mean = self._build is weighted.mean_of_means and self._arrays[0].shape[1] == 1
        return self._arrays[0][:, 0] if is_mean else None

    def __call__(self, weights: ArrayLike) -> NDArray:
        weights = np.asarray(weights, dtype=np.float64)
        if weights.ndim != 2 or weights.shape[1] != self.items:
            raise SpatialLLMError(f"weights of shape {weights.shape}; expected (resamples, {self.items} items).")
        return self._of_weights(weights)

    def stacked(self, other: "Statistic") -> "Statistic":
        """Returns the same statistic over the items of this one followed by those of `other`."""
        if self._build is not other._build:
            raise SpatialLLMError("two different statistics cannot be stacked; compare a metric with itself.")
        return Statistic(self._build, *(np.concatenate(pair) for pair in zip(self._arrays, other._arrays, strict=True)))


def mean_of(values: ArrayLike) -> Statistic:
    """Returns the mean of `values` (items,); NaN marks items to which the measure does not apply."""
    return mean_of_means(np.asarray(values, dtype=np.float64)[:, None])


def mean_of_means(values: ArrayLike) -> Statistic:
    """Returns the plain average of the means of several columns (items, columns), each over its own items; other items are
    NaN."""
    return Statistic(weighted.mean_of_means, _finite(values))


def ratio_of_sums(above: ArrayLike, below: ArrayLike) -> Statistic:
    """Returns the sum of one array (items,) over the sum of the other; NaN where that is 0."""
    return Statistic(weighted.ratio, np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64))


def mean_ratio_of_sums(above: ArrayLike, below: ArrayLike) -> Statistic:
    """Returns the plain average of `ratio_of_sums` of several columns (items, columns), without those that are NaN."""
    return Statistic(weighted.mean_of_ratios, np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64))


def mae(errors: ArrayLike) -> Statistic:
    """Returns the mean absolute error; NaN as in `mean_of`."""
    return mean_of(np.abs(np.asarray(errors, dtype=np.float64)))


def rmse(errors: ArrayLike) -> Statistic:
    """Returns the root of the mean squared error; NaN as in `mean_of`."""
    return Statistic(weighted.root_mean, _finite(errors) ** 2)


def balanced_accuracy(right: ArrayLike, truth_classes: ArrayLike) -> Statistic:
    """Returns the mean, over the true classes that occur, of the share of right items in each; NaN in `right` as in
    `mean_of`.

    Args:
        right: (items,) 0 or 1.
        truth_classes: (items,) true class of each item, of any one type.
    """
    return Statistic(weighted.mean_over_classes, np.asarray(right, dtype=np.float64), np.asarray(truth_classes))


def f1_of_class(predicted: ArrayLike, true: ArrayLike) -> Statistic:
    """Returns the F1 of one class from (items,) bool: predicted as the class, truly of it. NaN where neither ever occurs."""
    predicted, true = _flags(predicted), _flags(true)
    return Statistic(weighted.ratio, 2 * predicted * true, predicted + true)


def precision_of_class(predicted: ArrayLike, true: ArrayLike) -> Statistic:
    """Returns the share of the items predicted as the class that truly are of it; NaN where none is predicted."""
    predicted, true = _flags(predicted), _flags(true)
    return Statistic(weighted.ratio, predicted * true, predicted)


def recall_of_class(predicted: ArrayLike, true: ArrayLike) -> Statistic:
    """Returns the share of the items of the class that are predicted as it; NaN where there is none."""
    predicted, true = _flags(predicted), _flags(true)
    return Statistic(weighted.ratio, predicted * true, true)


def pearson(x: ArrayLike, y: ArrayLike) -> Statistic:
    """Returns the correlation of x and y, (items,); pairs with a NaN do not count; NaN where either does not vary."""
    return Statistic(weighted.pearson, np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))


def spearman(x: ArrayLike, y: ArrayLike) -> Statistic:
    """Returns the correlation of the ranks of x and y among the weighted items, ties at their mean rank; NaN as in
    `pearson`."""
    return Statistic(weighted.spearman, np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))


def macro_average_precision(similarity: ArrayLike, targets: ArrayLike) -> Statistic:
    """Returns the average precision of each label, averaged over the labels that have a positive among the weighted items;
    equal scores are one step of the curve, as in scikit-learn.

    Args:
        similarity: (items, labels) score of each label for each item, finite.
        targets: (items, labels) bool, the true labels.
    """
    similarity, targets = np.asarray(similarity), np.asarray(targets, dtype=bool)
    if similarity.shape != targets.shape or not np.isfinite(similarity).all():
        raise SpatialLLMError(f"similarity {similarity.shape} must be finite and of the shape of targets {targets.shape}.")
    return Statistic(weighted.macro_average_precision, similarity, targets)


def _finite(values: ArrayLike) -> NDArray:
    values = np.asarray(values, dtype=np.float64)
    if np.isinf(values).any():
        raise SpatialLLMError("an infinite value has no mean; expected numbers, and NaN where the measure does not apply.")
    return values


def _flags(values: ArrayLike) -> NDArray:
    return np.asarray(values, dtype=bool).astype(np.float64)


class Bootstrap:
    """Resamples of the recordings of a whole evaluation set; one draw serves all metrics.

    Args:
        recording_ids: the recording of each item of the set.
        resamples: number of resamples.
        seed: of the draw.

    Attributes:
        recordings: number of different recordings.
    """

    def __init__(self, recording_ids: Sequence[Hashable], resamples: int = 1000, seed: int = 0) -> None:
        if resamples < 1:
            raise SpatialLLMError(f"{resamples} resamples; expected at least one.")
        number = {name: index for index, name in enumerate(dict.fromkeys(recording_ids))}
        self.recordings, self.resamples, self.seed = len(number), resamples, seed
        self._recording = np.array([number[name] for name in recording_ids], dtype=np.intp)

    @cached_property
    def _counts(self) -> NDArray:
        """Returns how often each recording is drawn, (resamples, recordings)."""
        rng, n = np.random.default_rng(self.seed), self.recordings
        counts = np.empty((self.resamples, n), dtype=np.uint16)
        for row in counts:
            row[:] = np.bincount(rng.integers(n, size=n), minlength=n)
        return counts

    @cached_property
    def _swaps(self) -> NDArray:
        """Returns which recordings change sides in a randomization, (resamples, recordings) bool; drawn from a stream of its
        own."""
        return np.random.default_rng([self.seed, 1]).integers(2, size=(self.resamples, self.recordings), dtype=bool)

    def recordings_of(self, rows: NDArray) -> int:
        """Returns the number of recordings that those items come from."""
        return len(np.unique(self._recording[rows]))

    def value(self, statistic: Statistic, rows: NDArray) -> float:
        """Returns the statistic with each item once. `rows` are the indices of its items in the whole set, in the set's
        order."""
        return float(statistic(np.ones((1, len(rows))))[0])

    def samples(self, statistic: Statistic, rows: NDArray) -> NDArray:
        """Returns the statistic in each resample, (resamples,); NaN where it is undefined."""
        return _in_chunks(self._counts, self._recording[rows], statistic)

    def interval(self, statistic: Statistic, rows: NDArray, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Returns the middle `confidence` of the resamples in which the statistic is defined, moved by their bias if that is
        more than a quarter of their standard deviation (a mean has no bias).

        Returns (nan, nan) if the items come from fewer than two recordings, because one recording does not show how
        recordings differ.
        """
        return self._middle(self.samples(statistic, rows), self.value(statistic, rows), rows, confidence)

    def _middle(self, samples: NDArray, value: float, rows: NDArray, confidence: float) -> tuple[float, float]:
        samples = samples[~np.isnan(samples)]
        if not len(samples) or np.isnan(value) or self.recordings_of(rows) < 2:
            return float("nan"), float("nan")
        bias = samples.mean() - value
        if abs(bias) > _NEGLIGIBLE_BIAS * samples.std():
            samples = samples - bias
        tails = 50.0 * (1.0 - confidence)
        low, high = np.percentile(samples, [tails, 100.0 - tails])
        return float(low), float(high)

    def paired(
        self, first: Statistic, second: Statistic, rows: NDArray, confidence: float = CONFIDENCE
    ) -> "PairedDifference":
        """Compares the same metric of two runs on the same items.

        The interval of the difference draws the same recordings for both runs. The p-value is two-sided: the share of
        randomizations, in which the answers to whole recordings are exchanged at random, that differ at least as much.
        """
        value_first, value_second = self.value(first, rows), self.value(second, rows)
        change = self.samples(second, rows) - self.samples(first, rows)
        both = first.stacked(second)

        def difference(swapped: NDArray) -> NDArray:
            kept = 1.0 - swapped
            return both(np.hstack([swapped, kept])) - both(np.hstack([kept, swapped]))

        observed = abs(value_second - value_first)
        drawn = _in_chunks(self._swaps, self._recording[rows], difference)
        drawn = np.abs(drawn[~np.isnan(drawn)])
        extreme = int(np.sum(drawn >= observed - weighted.ROUNDING * max(1.0, observed)))
        p_value = float("nan") if np.isnan(observed) else (1 + extreme) / (1 + len(drawn))
        low, high = self._middle(change, value_second - value_first, rows, confidence)
        return PairedDifference(value_first, value_second, value_second - value_first, low, high, p_value)


@dataclass(frozen=True)
class PairedDifference:
    """Two runs by one metric: both values, second minus first with its interval, and a p-value; NaN where undefined."""

    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values adjusted for their number (Holm's step-down method), in the order given; NaN stays and does not
    count."""
    adjusted, largest = [float("nan")] * len(p_values), 0.0
    tested = sorted((p, index) for index, p in enumerate(p_values) if not np.isnan(p))
    for rank, (p, index) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[index] = largest
    return adjusted


def _in_chunks(per_recording: NDArray, recording: NDArray, function: weighted.Weighted) -> NDArray:
    """Applies `function` to the weights (draws, items) that draws (draws, recordings) give to items, a bounded number at
    once."""
    at_once = max(1, min(_MOST_AT_ONCE, _WEIGHTS_AT_ONCE // max(len(recording), 1)))
    starts = range(0, len(per_recording), at_once)
    return np.concatenate([function(per_recording[i : i + at_once][:, recording].astype(np.float64)) for i in starts])
