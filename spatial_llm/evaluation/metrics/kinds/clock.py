"""Measures hours of the clock: the error in hours and in degrees, and the sides that the hour is on."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.kinds.azimuth import side_specs
from spatial_llm.evaluation.metrics.measures import Columns, Measure, column_of
from spatial_llm.evaluation.metrics.protocols import ANGLE
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec, error_spec
from spatial_llm.geometry import azimuth_of_hour


def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the metrics of an hour; see `KindMetrics.specs`."""
    off = measures.angle("azimuth_error_deg", "azimuth_deg")
    hours = Measure("hour_error", off.reads, lambda answer, truth: off.of(answer, truth) / 30)
    found = (
        error_spec("hour_error", hours, ANGLE, "mean error in hours of the clock, the shorter way", unit="h"),
        error_spec("MAE", off, ANGLE, "mean absolute error", unit="deg"),
    )
    return right, (*found, *side_specs())


def _columns(values: Sequence[Mapping[str, Any]], columns: Columns) -> Columns:
    hours = columns["clock_hour"]
    return {"azimuth_deg": column_of(None if np.isnan(hour) else azimuth_of_hour(int(hour)) for hour in hours)}


METRICS = KindMetrics(specs, numbers=("clock_hour",), columns=_columns)
