"""Measures lengths of time: the error in seconds and as a share, and the ratio of the two lengths."""

import numpy as np
from numpy.typing import NDArray

from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.measures import Columns, Measure
from spatial_llm.evaluation.metrics.protocols import RELATIVE, TIME
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec, error_spec


def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the metrics of a length of time; see `KindMetrics.specs`."""
    error, wrong = (
        measures.error("duration_error_s", "duration_s"),
        measures.beyond_relative("duration_relative_wrong", "duration_s"),
    )
    ratio = length_ratio("length_ratio", "duration_s")
    return measures.opposite("right", wrong), (
        error_spec("MAE", error, TIME, "mean absolute error", unit="s"),
        error_spec("median_error", error, TIME, "median absolute error", "median", unit="s"),
        error_spec("ER_relative", wrong, RELATIVE, "more than 20 % off, or unparsed"),
        Spec("length_ratio", ratio, TIME, "mean of the shorter of the two lengths over the longer, 0 where unparsed"),
    )


def length_ratio(name: str, column: str) -> Measure:
    """Measures the shorter of two lengths over the longer, 0 if unparsed. It is not an overlap: a length has no position in
    time."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        shorter, longer = np.minimum(answer[column], truth[column]), np.maximum(answer[column], truth[column])
        return np.nan_to_num(np.divide(shorter, longer, out=np.ones(np.shape(longer)), where=longer != 0), nan=0.0)

    return Measure(name, column, of)


METRICS = KindMetrics(specs, numbers=("duration_s",))
