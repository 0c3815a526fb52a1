"""Measures numbers of sounds: how far off they are."""

from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.measures import Measure
from spatial_llm.evaluation.metrics.protocols import COUNT
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec, balanced_spec, error_spec


def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the metrics of a count; see `KindMetrics.specs`."""
    return right, (
        balanced_spec(right),
        error_spec("MAE", measures.error("count_error", "count"), COUNT, "mean absolute error", unit="count"),
    )


METRICS = KindMetrics(specs, numbers=("count",))
