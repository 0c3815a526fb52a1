"""Measures values that may not be known: where they are known as their kind always is, and whether what is not is declined.

A confident answer where nobody could know is wrong. "I cannot tell" is right there; where one could know it is a refusal, as
to any other question, and neither reading has a value of it (`extract.refuses`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.evaluation.metrics.kinds import distance, elevation, location, span
from spatial_llm.evaluation.metrics.measures import Columns, Measure, column_of
from spatial_llm.evaluation.metrics.protocols import RELIABILITY
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec


def _declined() -> Measure:
    """Measures 1 if what cannot be known is declined; NaN where it can."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        return np.where(truth["unknown"] == 1, (answer["unknown"] == 1).astype(np.float64), np.nan)

    return Measure("unknown_declined", "unknown", of)


def _where_known(measure: Measure) -> Measure:
    def of(answer: Columns, truth: Columns) -> NDArray:
        return np.where(truth["unknown"] == 1, np.nan, measure.of(answer, truth))

    return Measure(measure.name, measure.reads, of)


def _right(known: Measure) -> Measure:
    """Measures 1 if the value is right by the main measure of its kind, or not known and declined."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        declines = answer["unknown"] == 1
        right = np.where(declines, 0.0, known.of(answer, truth))
        return np.where(truth["unknown"] == 1, declines.astype(np.float64), right)

    return Measure("right", "value", of)


def _or_unknown(known: KindMetrics) -> KindMetrics:
    """Returns how values are measured that are of the kind which `known` measures, or not known."""

    def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
        main, of_known = known.specs(right, official)
        if_known = [replace(spec, measure=_where_known(spec.measure)) for spec in of_known]
        rule = "share declined of what the recording does not tell; a confident answer to it is wrong"
        # its items have one true answer, so guessing among the true answers would be right of all
        return _right(main), (*if_known, Spec("unknown_declined", _declined(), RELIABILITY, rule, by_chance=False))

    def columns(values: Sequence[Mapping[str, Any]], so_far: Columns) -> Columns:
        unknown = column_of(float("unknown" in value) if value else None for value in values)
        return {"unknown": unknown} | known.columns(values, so_far | {"unknown": unknown})

    return KindMetrics(specs, numbers=known.numbers, columns=columns, truth=known.truth)


ELEVATION = _or_unknown(elevation.METRICS)
DISTANCE = _or_unknown(distance.METRICS)
LOCATION = _or_unknown(location.METRICS)
SPAN = _or_unknown(span.METRICS)
