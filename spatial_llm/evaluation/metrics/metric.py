"""One number of a report: which items it is of, how it follows from them, and what stands beside it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatial_llm.evaluation import weighted
from spatial_llm.evaluation.statistics import Statistic


@dataclass(frozen=True, eq=False)
class Metric:
    """A metric of one run, before any number is computed from it.

    Attributes:
        name: as in scores.json, such as "B_DER".
        protocol: what it is measured by; its first word is a key of `PROTOCOLS`. Only equal protocols may be compared.
        unit: "%", "deg", "m", "s", "h" (hours of the clock), "count", "cosine" or "" (a correlation).
        higher_is_better: whether a higher value is.
        rule: how it follows from the answers, in a sentence.
        rows: indices of its items in the whole set, (items,).
        strict: the value by the strict parsers, as a function of the weights of these items.
        lenient: by the lenient ones; None where no parser takes part.
        values: what strict reading gives each item, (items,): 0 or 1 for shares (1 = counted), otherwise the error, the
            answered number or the cosine; (items, labels) cosines for average precision; NaN where unparsed and an
            unparsed answer has none.
        random: expected value of answering each item with the true answer of another (see `chance`); None if unknown.
        unparsed: items whose answer strict reading cannot read, as far as this metric needs it; lenient_unparsed: of
            lenient reading. refused: items whose answer says that it cannot tell.
        details: what belongs to this metric alone; `of_true_answers` = what the true answers themselves would score, where
            that is not perfect.
    """

    name: str
    protocol: str
    unit: str
    higher_is_better: bool
    rule: str
    rows: NDArray[np.intp]
    strict: Statistic
    lenient: Statistic | None
    values: NDArray
    random: float | None
    unparsed: int
    lenient_unparsed: int | None
    refused: int
    details: Mapping[str, Any] = field(default_factory=dict)


def median_of(values: ArrayLike) -> Statistic:
    """The median of `values` (items,), the middle two averaged; NaN marks items to which the measure does not apply."""
    return Statistic(_median, np.asarray(values, dtype=np.float64))


def percent_average_precision(similarity: ArrayLike, targets: ArrayLike) -> Statistic:
    """`statistics.macro_average_precision`, in percent."""
    return Statistic(_percent_average_precision, np.asarray(similarity), np.asarray(targets, dtype=bool))


def _median(values: NDArray) -> weighted.Weighted:
    order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]  # NaN comes last
    ranked = values[order]

    def median(weights: NDArray) -> NDArray:
        if not len(ranked):
            return np.full(len(weights), np.nan)
        so_far = np.cumsum(weights[:, order], axis=1)
        half = so_far[:, -1:] / 2
        # the item that reaches the half, and the one that passes it: two items only where the half falls between them
        reaches = np.argmax(so_far >= half, axis=1)
        passes = np.argmax(so_far > half, axis=1)
        return np.where(half[:, 0] > 0, (ranked[reaches] + ranked[passes]) / 2, np.nan)

    return median


def _percent_average_precision(similarity: NDArray, targets: NDArray) -> weighted.Weighted:
    precision = weighted.macro_average_precision(similarity, targets)
    return lambda weights: 100.0 * precision(weights)
