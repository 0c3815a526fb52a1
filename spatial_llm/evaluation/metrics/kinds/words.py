"""Measures values that are one of a few words: the share right, and its mean over the true answers."""

from spatial_llm.evaluation.metrics.measures import Measure
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec, balanced_spec


def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the metrics of one word; see `KindMetrics.specs`."""
    return right, (balanced_spec(right),)


METRICS = KindMetrics(specs)
