"""Measures azimuths in degrees: the error around the circle, and the sides that the angle is on."""

from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.measures import ANGLE_TOLERANCE_DEG, Measure
from spatial_llm.evaluation.metrics.protocols import ANGLE
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec, error_spec


def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the metrics of an azimuth; see `KindMetrics.specs`."""
    return angle_specs("azimuth_deg", side_specs())


def angle_specs(column: str, sides: tuple[Spec, ...]) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the main measure and the metrics of one angle; `sides`: the metrics of the sides that it is on."""
    name = column.removesuffix("_deg")
    off, wrong = measures.angle(f"{name}_error_deg", column), measures.angle_beyond(f"{name}_beyond_20", column)
    near, limit = measures.opposite(f"{name}_within_20", wrong), f"{ANGLE_TOLERANCE_DEG:g}"
    return measures.opposite("right", wrong), (
        error_spec("MAE", off, ANGLE, "mean absolute error", unit="deg"),
        error_spec("median_error", off, ANGLE, "median absolute error", "median", unit="deg"),
        error_spec(f"ER{limit}", wrong, ANGLE, f"more than {limit} degrees off, or unparsed"),
        Spec(f"within_{limit}", near, ANGLE, f"at most {limit} degrees off"),
        *sides,
    )


def side_specs() -> tuple[Spec, ...]:
    """Returns the metrics for left or right, and front or behind, as the azimuth implies."""
    left, front = measures.side("left_right_right", "azimuth_deg"), measures.side("front_behind_right", "azimuth_deg", 90)
    return (
        Spec("left_right_acc", left, ANGLE, "the side that the angle is on, where clear"),
        Spec("front_behind_acc", front, ANGLE, "the half that the angle is in, where clear"),
    )


METRICS = KindMetrics(specs, numbers=("azimuth_deg",))
