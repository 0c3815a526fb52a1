"""Defines one number of a report: its items, its rule, and the numbers reported with it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatial_llm.evaluation.statistics import weighted
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap, Statistic


@dataclass(frozen=True, eq=False)
class Metric:
    """Holds a metric of one run, before any number is computed from it.

    Attributes:
        name: its key in scores.json, such as "B_DER".
        protocol: name of the rules of measurement, see `protocols`; only numbers of equal protocols may be compared.
        unit: "%", "deg", "m", "s", "h" (hours of the clock), "count", "cosine", "CIDEr" or "r" (a correlation).
        higher_is_better: whether a higher value is better.
        rule: a sentence on how it follows from the answers.
        rows: indices of its items in the whole set, (items,).
        strict: the value by the strict parsers, as a function of the weights of these items; if it is a mean,
            `strict.values` are the values of the items.
        lenient: the value by the lenient parsers; None if no parser is involved.
        random: expected value if each item is answered with the true answer of another (see `chance`); None if unknown.
        unparsed: number of items whose answer the strict reading cannot parse, as far as this metric needs it.
        lenient_unparsed: the same for the lenient reading; None if no parser is involved.
        refused: number of items whose answer states that it cannot tell.
        details: values specific to this metric; `of_true_answers` is the score of the true answers themselves by an
            embedding, which may be below 100.
    """

    name: str
    protocol: str
    unit: str
    higher_is_better: bool
    rule: str
    rows: NDArray[np.intp]
    strict: Statistic
    lenient: Statistic | None
    random: float | None
    unparsed: int
    lenient_unparsed: int | None
    refused: int
    details: Mapping[str, Any] = field(default_factory=dict)

    def by(self, reading: str) -> Statistic:
        """Returns the value in one reading; if no parser is involved, both readings share one value."""
        return self.lenient if reading == "lenient" and self.lenient is not None else self.strict

    def unparsed_by(self, reading: str) -> int:
        """Returns the number of items whose answer is unparsed in that reading."""
        return self.lenient_unparsed if reading == "lenient" and self.lenient_unparsed is not None else self.unparsed


class Percent(Statistic):
    """Gives a share in [0, 1] as a percentage."""

    def __init__(self, share: Statistic) -> None:
        self.share, self.items = share, share.items

    @property
    def values(self) -> NDArray | None:
        """Returns the value of each item, 0 to 100, if the share is a mean over items."""
        return None if self.share.values is None else 100.0 * self.share.values

    def __call__(self, weights: ArrayLike) -> NDArray:
        return 100.0 * self.share(weights)

    def stacked(self, other: "Percent") -> "Percent":
        """Returns the percentage over the items of this one followed by those of the other."""
        return Percent(self.share.stacked(other.share))


def interval_of(
    statistic: Statistic, rows: NDArray[np.intp], bootstrap: Bootstrap, confidence: float
) -> dict[str, float | None]:
    """Returns value, low and high of a statistic of the items at `rows`, ready for JSON: None where undefined."""
    numbers = (bootstrap.value(statistic, rows), *bootstrap.interval(statistic, rows, confidence))
    return {key: None if np.isnan(number) else number for key, number in zip(("value", "low", "high"), numbers, strict=True)}


def median_of(values: ArrayLike) -> Statistic:
    """Returns the median of `values` (items,), the middle two averaged; NaN marks items to which the measure does not
    apply."""
    return Statistic(_median, np.asarray(values, dtype=np.float64))


def _median(values: NDArray) -> weighted.Weighted:
    order = np.argsort(values, kind="stable")[: np.count_nonzero(~np.isnan(values))]  # NaN comes last
    ranked = values[order]

    def median(weights: NDArray) -> NDArray:
        if not len(ranked):
            return np.full(len(weights), np.nan)
        so_far = np.cumsum(weights[:, order], axis=1)
        half = so_far[:, -1:] / 2
        # The item that reaches the half, and the one that passes it: they differ only if the half falls between them.
        reaches, passes = np.argmax(so_far >= half, axis=1), np.argmax(so_far > half, axis=1)
        return np.where(half[:, 0] > 0, (ranked[reaches] + ranked[passes]) / 2, np.nan)

    return median
