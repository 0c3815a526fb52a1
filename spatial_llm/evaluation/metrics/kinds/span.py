"""Measures spans of time: the errors of their ends, and their overlap with the true span.

Source: the thresholds of the union are those of temporal grounding (R1@0.3, 0.5 and 0.7, arXiv 1705.02101).
"""

import numpy as np
from numpy.typing import NDArray

from spatial_llm.evaluation.metrics import measures
from spatial_llm.evaluation.metrics.measures import ROUNDING, Columns, Measure
from spatial_llm.evaluation.metrics.protocols import TIME
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec, error_spec

IOU_TOLERANCE = 0.5
FURTHER = (0.3, 0.7)


def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
    """Returns the metrics of a span; see `KindMetrics.specs`."""
    begun, ended = (measures.error(f"{end}_error_s", f"{end}_s") for end in ("onset", "offset"))
    iou, apart = span_iou("temporal_iou"), span_iou_below("temporal_iou_below_half")
    near, half = measures.opposite("right", apart), f"{100 * IOU_TOLERANCE:g}"
    further = [
        Spec(
            f"iou_at_least_{100 * share:g}",
            measures.opposite(f"temporal_iou_{100 * share:g}", span_iou_below(f"temporal_iou_below_{100 * share:g}", share)),
            TIME,
            f"intersection at least {100 * share:g} % of the union; unparsed is wrong",
        )
        for share in FURTHER
    ]
    return near, (
        error_spec("onset_error", begun, TIME, "mean absolute error of the onset", unit="s"),
        error_spec("offset_error", ended, TIME, "mean absolute error of the offset", unit="s"),
        Spec("temporal_iou", iou, TIME, "mean of intersection over union of the two spans, 0 where unparsed"),
        Spec(f"iou_at_least_{half}", near, TIME, f"intersection at least {half} % of the union; unparsed is wrong"),
        *further,
    )


def span_iou(name: str) -> Measure:
    """Measures intersection over union of the answered and the true span of time from onset_s to offset_s; 0 if unparsed."""
    return Measure(name, "onset_s", lambda answer, truth: np.nan_to_num(_span_iou(answer, truth), nan=0.0))


def span_iou_below(name: str, share: float = IOU_TOLERANCE) -> Measure:
    """Measures 1 if the overlap of the two spans is less than this share of their union, or the span unparsed."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        return (~(_span_iou(answer, truth) >= share - ROUNDING)).astype(np.float64)

    return Measure(name, "onset_s", of)


def _span_iou(answer: Columns, truth: Columns) -> NDArray:
    first, last = (choose(answer[end], truth[end]) for choose, end in ((np.maximum, "onset_s"), (np.minimum, "offset_s")))
    common = np.maximum(last - first, 0.0)
    lengths = (answer["offset_s"] - answer["onset_s"]) + (truth["offset_s"] - truth["onset_s"])
    return common / (lengths - common)


METRICS = KindMetrics(specs, numbers=("onset_s", "offset_s"))
