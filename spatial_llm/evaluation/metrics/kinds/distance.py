"""Measures distances in metres: the error in metres and as a share of the true distance."""

from spatial_llm.answers.closeness import DISTANCE_TOLERANCE_M
from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.measures import Measure
from spatial_llm.evaluation.metrics.protocols import DIAGNOSTIC, DISTANCE, RELATIVE
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec, error_spec


def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the metrics of a distance; see `KindMetrics.specs`."""
    wrong = measures.beyond("distance_wrong", "distance_m", DISTANCE_TOLERANCE_M)
    return measures.opposite("right", wrong), distance_specs("", DIAGNOSTIC)


def distance_specs(name: str, protocol: str) -> tuple[Spec, ...]:
    """Returns the metrics of a distance; `name` is the prefix of metric names that a place also has in other units."""
    error = measures.error("distance_error_m", "distance_m")
    answered = Measure(
        "answered_distance_m", "distance_m", lambda answer, truth: answer["distance_m"] + 0 * truth["distance_m"]
    )
    relative = measures.relative_error("distance_relative_error", "distance_m")
    wrong = measures.beyond("distance_wrong", "distance_m", DISTANCE_TOLERANCE_M)
    relative_wrong = measures.beyond_relative("distance_relative_wrong", "distance_m")
    return (
        error_spec("DER", wrong, protocol, f"distance more than {DISTANCE_TOLERANCE_M} m off, or unparsed"),
        error_spec("DER_relative", relative_wrong, RELATIVE, "distance more than 20 % off, or unparsed"),
        error_spec(f"{name}relative_error", relative, RELATIVE, "mean error as a share of the true distance"),
        error_spec(f"{name}MAE", error, DISTANCE, "mean absolute error", unit="m"),
        error_spec(f"{name}RMSE", error, DISTANCE, "root of the mean squared error", "rmse", unit="m"),
        Spec(f"{name}pearson", answered, DISTANCE, "correlation of answered and true distance", "pearson", "r"),
        Spec(f"{name}spearman", answered, DISTANCE, "correlation of their ranks", "spearman", "r"),
    )


METRICS = KindMetrics(specs, numbers=("distance_m",))
