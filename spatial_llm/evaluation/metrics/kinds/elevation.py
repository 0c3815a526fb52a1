"""Measures elevations in degrees: the error, and whether the angle is above or below."""

from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.kinds.azimuth import angle_specs
from spatial_llm.evaluation.metrics.measures import Measure
from spatial_llm.evaluation.metrics.protocols import ANGLE
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec


def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the metrics of an elevation; see `KindMetrics.specs`."""
    side = measures.side("above_below_right", "elevation_deg")
    return angle_specs(
        "elevation_deg", (Spec("above_below_acc", side, ANGLE, "the side that the angle is on, where clear"),)
    )


METRICS = KindMetrics(specs, numbers=("elevation_deg",))
