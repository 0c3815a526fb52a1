"""Measures as functions of weights: arrays about the items -> a function from weights (resamples, items) to values
(resamples,), NaN where the measure is undefined. `bootstrap` gives them their public names.

Note: average precision sorts each label once. A resample then costs one sparse matrix product, because the curve of a label
is needed only at the ranks of its positives.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

ROUNDING = 1e-12  # relative; smaller differences count as equal

Weighted = Callable[[NDArray], NDArray]


def _divide(above: NDArray, below: NDArray) -> NDArray:
    """Returns above / below, NaN where nothing counts."""
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below > 0)


def _mean_of_occurring(values: NDArray) -> NDArray:
    """Averages (resamples, classes) over the classes that are not NaN; returns (resamples,)."""
    occurring = ~np.isnan(values)
    return _divide(np.where(occurring, values, 0.0).sum(axis=1), occurring.sum(axis=1))


def ratio(above: NDArray, below: NDArray) -> Weighted:
    """Returns the weighted sum of one array over the weighted sum of the other."""
    return lambda weights: _divide(weights @ above, weights @ below)


def mean_of_ratios(above: NDArray, below: NDArray) -> Weighted:
    """Averages the ratios of the columns of both arrays (items, columns) over the columns with a sum below."""
    of_columns = ratio(above, below)
    return lambda weights: _mean_of_occurring(of_columns(weights))


def mean_of_means(values: NDArray) -> Weighted:
    """Averages the means of the columns of `values` (items, columns), NaN where not applicable."""
    applies = ~np.isnan(values)
    of_columns = ratio(np.where(applies, values, 0.0), applies.astype(np.float64))
    return lambda weights: of_columns(weights).mean(axis=1)


def root_mean(squares: NDArray) -> Weighted:
    """Returns the root of the mean of squares (items,)."""
    mean = mean_of_means(squares[:, None])
    return lambda weights: np.sqrt(mean(weights))


def mean_over_classes(right: NDArray, truth_classes: NDArray) -> Weighted:
    """Averages, over the classes in truth_classes (items,), the share of right (items,) in each."""
    _, number = np.unique(truth_classes, return_inverse=True)
    of_class = (number[:, None] == np.arange(number.max(initial=-1) + 1)) & ~np.isnan(right)[:, None]
    recalls = ratio(of_class * np.nan_to_num(right)[:, None], of_class.astype(np.float64))
    return lambda weights: _mean_of_occurring(recalls(weights))


def pearson(x: NDArray, y: NDArray) -> Weighted:
    """Returns the correlation of x and y, (items,)."""
    applies = ~(np.isnan(x) | np.isnan(y))
    x, y = x[applies], y[applies]
    return lambda weights: _correlation(weights[:, applies], x, y)


def spearman(x: NDArray, y: NDArray) -> Weighted:
    """Returns the correlation of the ranks of x and y, (items,), which are found anew for each resample."""
    applies = ~(np.isnan(x) | np.isnan(y))
    rank_x, rank_y = _ranks(x[applies]), _ranks(y[applies])

    def value(weights: NDArray) -> NDArray:
        weights = weights[:, applies]
        return _correlation(weights, rank_x(weights), rank_y(weights))

    return value


def _ranks(values: NDArray) -> Weighted:
    """Returns the rank of each item (resamples, items), up to a constant, under weights (resamples, items); a weight of 2 is
    two items."""
    different, number = np.unique(values, return_inverse=True)
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(len(different)))

    def ranks(weights: NDArray) -> NDArray:
        if not len(different):
            return weights
        of_value = np.add.reduceat(weights[:, order], starts, axis=1)
        return (np.cumsum(of_value, axis=1) - of_value / 2)[:, number]

    return ranks


def _correlation(weights: NDArray, x: NDArray, y: NDArray) -> NDArray:
    """Returns the weighted correlation of x and y, (items,) or (resamples, items)."""
    total = weights.sum(axis=1)
    deviations = []
    for values in (x, y):
        mean = _divide((weights * values).sum(axis=1), total)
        centred = values - mean[:, None]
        spread = np.sqrt(_divide((weights * centred**2).sum(axis=1), total))
        largest = np.abs(np.where(weights > 0, values, 0.0)).max(axis=1, initial=0.0)
        # what is left of equal values is rounding
        deviations.append(_divide(centred, np.where(spread > ROUNDING * largest, spread, 0.0)[:, None]))
    return np.clip(_divide((weights * deviations[0] * deviations[1]).sum(axis=1), total), -1.0, 1.0)


def macro_average_precision(similarity: NDArray, targets: NDArray) -> Weighted:
    """Returns the mean over the labels of average precision; similarity (items, labels), targets (items, labels) bool."""
    above, hits, sizes = [], [], []
    for label in np.flatnonzero(targets.any(axis=0)):
        order = np.argsort(-similarity[:, label], kind="stable")
        ranked, positive = similarity[order, label], targets[order, label]
        step = np.concatenate([[0], np.cumsum(ranked[1:] != ranked[:-1])])
        # The curve is needed only where it has a positive: one row for each such step, holding the items since the last.
        reached = np.unique(step[positive])
        row = np.searchsorted(reached, step)
        ranked_so_far = row < len(reached)
        above.append((order[ranked_so_far], np.bincount(row[ranked_so_far], minlength=len(reached))))
        hits.append((order[positive], np.bincount(row[positive], minlength=len(reached))))
        sizes.append(len(reached))
    if not sizes:
        return lambda weights: np.full(len(weights), np.nan)
    items_between, positives = (_sums_of(parts, len(targets)) for parts in (above, hits))
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    def value(weights: NDArray) -> NDArray:
        weight_of = np.ascontiguousarray(weights.T, dtype=np.float32 if _are_counts(weights) else np.float64)
        hit = (positives @ weight_of).astype(np.float64)
        found, so_far = (_running_sums(sums, starts, sizes) for sums in (hit, items_between @ weight_of))
        # where nothing is ranked nothing is found
        hit *= found / np.maximum(so_far, np.finfo(float).tiny)
        precisions = _divide(np.add.reduceat(hit, starts, axis=0), found[starts + sizes - 1])
        return _mean_of_occurring(precisions.T)

    return value


def _are_counts(weights: NDArray) -> bool:
    """Returns whether sums of these weights are exact in float32, which is twice as fast."""
    return bool((weights == np.rint(weights)).all() and weights.sum(axis=1).max(initial=0.0) < 2**24)


def _running_sums(values: NDArray, starts: NDArray, sizes: Sequence[int]) -> NDArray:
    """Returns the sums of values (rows, resamples) down to each row, begun anew at each of `starts`."""
    sums = np.cumsum(values, axis=0, dtype=np.float64)
    before = np.concatenate([np.zeros((1, values.shape[1])), sums[starts[1:] - 1]])
    sums -= np.repeat(before, sizes, axis=0)
    return sums


def _sums_of(parts: Sequence[tuple[NDArray, NDArray]], items: int) -> csr_array:
    """Builds a sparse matrix (rows, items) of ones from the items of the rows of each part and how many each row has."""
    indices = np.concatenate([part[0] for part in parts]).astype(np.int32)
    ends = np.cumsum(np.concatenate([[0], *(part[1] for part in parts)])).astype(np.int32)
    return csr_array((np.ones(len(indices), dtype=np.float32), indices, ends), shape=(len(ends) - 1, items))
