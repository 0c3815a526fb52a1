"""What the plots of means share: measures of items in groups, intervals bootstrapped over recordings, and their style."""

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from spatial_llm.evaluation.report.items import ScoredItem
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap, mean_of

BINS = 5
Of = Callable[[ScoredItem], float | None]


class NoData(Exception):
    """A plot has nothing to show; the message gives the reason. `plots.draw_plots` catches it."""


@dataclass(frozen=True)
class Data:
    """The items of a report and the bootstrap of their recordings."""

    items: Sequence[ScoredItem]
    bootstrap: Bootstrap
    confidence: float

    def measured(self, name: str, of: Of) -> tuple[NDArray, NDArray, NDArray]:
        """Returns rows, measures without sign, and `of`, (n,) each, for the items that have both a measure and `of`."""
        found = [(row, item.measure(name), of(item)) for row, item in enumerate(self.items)]
        kept = [(row, abs(value), other) for row, value, other in found if value is not None and other is not None]
        rows, values, others = zip(*kept, strict=True) if kept else ((), (), ())
        return np.array(rows, dtype=int), np.array(values, dtype=float), np.array(others, dtype=float)

    def means(self, rows: NDArray, values: NDArray, groups: NDArray, count: int) -> NDArray:
        """Returns (count, 3: mean, low, high) of `values` (n,) in each group 0 to count - 1; NaN in empty groups."""
        found = np.full((count, 3), np.nan)
        for group in range(count):
            mine = groups == group
            if mine.any():
                statistic = mean_of(values[mine])
                low_high = self.bootstrap.interval(statistic, rows[mine], self.confidence)
                found[group] = self.bootstrap.value(statistic, rows[mine]), *low_high
        return found


def draw_means(axes: Axes, at: NDArray, means: NDArray, color: str, mark: str, name: str) -> None:
    """Draws a line through means (n, 3: mean, low, high) with their intervals as bars."""
    axes.errorbar(at, means[:, 0], yerr=arms(means), color=color, marker=mark, markersize=4.5, linewidth=1, elinewidth=1.2,
                  capsize=2.5, label=name)  # fmt: skip


def arms(means: NDArray) -> NDArray:
    """Converts (n, 3: mean, low, high) to the lengths (2, n) of its error bars; zero where there is no interval."""
    return np.nan_to_num(np.maximum([means[:, 0] - means[:, 1], means[:, 2] - means[:, 0]], 0.0))


def quantile_edges(values: Sequence[float]) -> NDArray:
    """Returns edges (at most BINS + 1) of ranges that hold about equally many values; fewer where values are equal."""
    return np.unique(np.quantile(values, np.linspace(0, 1, BINS + 1)))


def group_of(values: NDArray, edges: NDArray) -> NDArray:
    """Returns the range of each value; the last edge belongs to the last range."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


def range_names(edges: NDArray, form: str) -> list[str]:
    """Formats the ranges in words, "0.5 to 1.2", by a format such as ".1f"."""
    return [f"{low:{form}} to {high:{form}}" for low, high in itertools.pairwise(edges)]


def plain(label: str, most: int = 32) -> str:
    """Prepares a foreign text for a picture: shortened, and with dollar signs that start no formula."""
    return (label if len(label) <= most else label[: most - 1] + "…").replace("$", r"\$")
