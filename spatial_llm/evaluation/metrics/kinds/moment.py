"""Measures times of the recording: the error in seconds, and the share that is at most half a second off."""

from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.measures import Measure
from spatial_llm.evaluation.metrics.protocols import TIME
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec, error_spec

TOLERANCE_S = 0.5


def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the metrics of a time; see `KindMetrics.specs`."""
    error, far = measures.error("time_error_s", "time_s"), measures.beyond("time_wrong", "time_s", TOLERANCE_S)
    near = measures.opposite("right", far)
    return near, (
        error_spec("MAE", error, TIME, "mean absolute error", unit="s"),
        error_spec("median_error", error, TIME, "median absolute error", "median", unit="s"),
        Spec("within_half_second", near, TIME, f"at most {TOLERANCE_S:g} s off; unparsed is wrong"),
    )


METRICS = KindMetrics(specs, numbers=("time_s",))
