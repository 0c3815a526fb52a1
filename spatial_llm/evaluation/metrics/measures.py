"""What one answer is worth beside one truth: shares (0 or 1), errors in degrees, metres, seconds, and overlaps.

Peculiar: a measure is a function of columns of answers and columns of truths that broadcasts, so one definition gives each
item its value and, over all pairs of true answers and items, what chance would give. An answer that cannot be read is
wrong where right and wrong are counted, and has no error (NaN) where errors are averaged: means and medians of errors are
those of the answers that can be read, and stand beside shares in which the others count. A measure applies to an item
unless it is NaN for the true answer itself.
Source: DER at 0.5 m and all three words right: BAT (arXiv 2402.01591); 20 degrees: its encoder's ER20 (specs b.4);
half the union of two spans: temporal grounding (R1@0.5, arXiv 1705.02101).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatial_llm.evaluation.metrics.extract import Columns
from spatial_llm.geometry import direction_to_vector, great_circle_deg, region_distance_deg, wrap_azimuth_deg

DISTANCE_TOLERANCE_M = 0.5
RELATIVE_TOLERANCE = 0.2
ANGLE_TOLERANCE_DEG = 20.0
IOU_TOLERANCE = 0.5
CLEAR_DEG = 10.0  # nearer to the border of two sides a side is no question; that of our question writer
_ROUNDING = 1e-9  # 2.3 m and 1.8 m are 0.5 m apart, but not in binary

Compare = Callable[[Columns, Columns], NDArray[np.float64]]


@dataclass(frozen=True)
class Measure:
    """One number for each item.

    Attributes:
        name: its key in items.jsonl.
        reads: the column of the answer without which the answer is unparsed for this measure.
        of: (answers, truths) -> (items,); of columns (answers, 1) and (1, items) -> (answers, items).
    """

    name: str
    reads: str
    of: Compare


def equal(name: str, column: str) -> Measure:
    """1 where the column of the answer is that of the truth."""
    return Measure(name, column, lambda answer, truth: (answer[column] == truth[column]).astype(np.float64))


def error(name: str, column: str) -> Measure:
    """How far a number is from the true one, without its sign."""
    return Measure(name, column, lambda answer, truth: np.abs(answer[column] - truth[column]))


def beyond(name: str, column: str, tolerance: float) -> Measure:
    """1 where a number is more than `tolerance` off, or unparsed."""
    return Measure(name, column, lambda answer, truth: _more(np.abs(answer[column] - truth[column]), tolerance))


def relative_error(name: str, column: str) -> Measure:
    """How far a number is off, as a share of the true one; true zeros are left out."""
    return Measure(name, column, lambda answer, truth: _relative(answer[column], truth[column]))


def beyond_relative(name: str, column: str) -> Measure:
    """1 where a number is more than a fifth of the true one off, or unparsed; true zeros are left out."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        wrong = _more(_relative(answer[column], truth[column]), RELATIVE_TOLERANCE)
        return np.where(truth[column] == 0, np.nan, wrong)

    return Measure(name, column, of)


def angle(name: str, column: str, true: str | None = None) -> Measure:
    """Degrees between two azimuths (around the circle) or elevations; `true`: the column of the truth, if another."""
    return Measure(name, column, lambda answer, truth: _apart_deg(answer[column], truth[true or column]))


def angle_beyond(name: str, column: str) -> Measure:
    """1 where an angle is more than 20 degrees off, or unparsed."""
    return Measure(name, column, lambda answer, truth: _more(_apart_deg(answer[column], truth[column]), ANGLE_TOLERANCE_DEG))


def region_distance(name: str) -> Measure:
    """Degrees from the true bearing, where that is known, to the nearest point of the octant that the words name; 0 inside.
    Fewer words than three would name a larger region and come nearer by saying less: they are unparsed."""
    return Measure(name, "octant", _region_distance_deg)


def region_distance_beyond(name: str) -> Measure:
    """1 where that angle is above 20 degrees, or the octant unparsed."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        wrong = _more(_region_distance_deg(answer, truth), ANGLE_TOLERANCE_DEG)
        return np.where(np.isnan(truth["true_azimuth_deg"]), np.nan, wrong)

    return Measure(name, "octant", of)


def great_circle(name: str) -> Measure:
    """Degrees between the bearing of an answer in degrees and the true one, where that is known; words have none."""
    return Measure(name, "azimuth_deg", _great_circle_deg)


def great_circle_beyond(name: str) -> Measure:
    """1 where that angle is above 20 degrees."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        apart_deg = _great_circle_deg(answer, truth)
        return np.where(np.isnan(apart_deg), np.nan, _more(apart_deg, ANGLE_TOLERANCE_DEG))

    return Measure(name, "azimuth_deg", of)


def side(name: str, column: str, shift_deg: float = 0.0) -> Measure:
    """1 where an angle lies on the same side of a plane as the true one; only where the true one is clear of the plane.

    Args:
        shift_deg: added to both angles; the sides are then those of positive and of negative sine.
    """

    def of(answer: Columns, truth: Columns) -> NDArray:
        first, second = (_sine(columns[column] + shift_deg) for columns in (answer, truth))
        same = (np.sign(first) == np.sign(second)).astype(np.float64)
        return np.where(np.abs(second) >= np.sin(np.deg2rad(CLEAR_DEG)) - _ROUNDING, same, np.nan)

    return Measure(name, column, of)


def opposite(name: str, measure: Measure) -> Measure:
    """1 where the other is 0."""
    return Measure(name, measure.reads, lambda answer, truth: 1.0 - measure.of(answer, truth))


def set_f1(name: str) -> Measure:
    """Twice the common names over the names of both lists; 0 where unparsed."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        said, true = answer["labels"], truth["labels"]
        if said.ndim == 1:
            pairs = zip(said, true, strict=True)
            return np.array([2 * len(a & b) / max(len(a) + len(b), 1) for a, b in pairs], dtype=np.float64)
        names = {label: index for index, label in enumerate(sorted(set().union(*said[:, 0], *true[0])))}
        first, second = _occurrence(said[:, 0], names), _occurrence(true[0], names)
        return 2 * (first @ second.T) / np.maximum(first.sum(axis=1)[:, None] + second.sum(axis=1), 1)

    return Measure(name, "value", of)


def onset_error(name: str) -> Measure:
    """Seconds between the onsets of the one sound named and of the true one; a name that does not sound has none."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        onset = np.vectorize(
            lambda said, onsets_s: onsets_s.get(next(iter(said)), np.nan) if len(said) == 1 else np.nan, otypes=[np.float64]
        )
        return np.abs(onset(answer["labels"], truth["onsets_s"]) - truth["true_onset_s"])

    return Measure(name, "value", of)


def length_ratio(name: str, column: str) -> Measure:
    """The shorter of two lengths over the longer, 0 where unparsed. Not an overlap in time: a length has no place in it."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        shorter, longer = np.minimum(answer[column], truth[column]), np.maximum(answer[column], truth[column])
        return np.nan_to_num(np.divide(shorter, longer, out=np.ones(np.shape(longer)), where=longer != 0), nan=0.0)

    return Measure(name, column, of)


def span_iou(name: str) -> Measure:
    """Intersection over union of the answered and the true span of time, 0 where unparsed; from onset_s to offset_s."""
    return Measure(name, "onset_s", lambda answer, truth: np.nan_to_num(_span_iou(answer, truth), nan=0.0))


def span_iou_below(name: str) -> Measure:
    """1 where the overlap of the two spans is less than half of their union, or the span unparsed."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        return (~(_span_iou(answer, truth) >= IOU_TOLERANCE - _ROUNDING)).astype(np.float64)

    return Measure(name, "onset_s", of)


def _span_iou(answer: Columns, truth: Columns) -> NDArray:
    first, last = (choose(answer[end], truth[end]) for choose, end in ((np.maximum, "onset_s"), (np.minimum, "offset_s")))
    common = np.maximum(last - first, 0.0)
    lengths = (answer["offset_s"] - answer["onset_s"]) + (truth["offset_s"] - truth["onset_s"])
    return common / (lengths - common)


def _more(values: NDArray, tolerance: float) -> NDArray[np.float64]:
    """1 above the tolerance and for NaN."""
    return (~(values <= tolerance + _ROUNDING)).astype(np.float64)


def _relative(answered: NDArray, true: NDArray) -> NDArray:
    return np.abs(answered - true) / np.where(true == 0, np.nan, true)


def _apart_deg(first: NDArray, second: NDArray) -> NDArray:
    return np.abs(wrap_azimuth_deg(first - second))


def _region_distance_deg(answer: Columns, truth: Columns) -> NDArray:
    # the columns hold 0 for the word of the positive side (front, left, above) and 1 for the other
    signs = np.stack([1.0 - 2.0 * answer[axis] for axis in ("front_behind", "left_right", "above_below")], axis=-1)
    return region_distance_deg(direction_to_vector(truth["true_azimuth_deg"], truth["true_elevation_deg"]), signs)


def _great_circle_deg(answer: Columns, truth: Columns) -> NDArray:
    return great_circle_deg(
        answer["azimuth_deg"], answer["elevation_deg"], truth["true_azimuth_deg"], truth["true_elevation_deg"]
    )


def _sine(angle_deg: NDArray) -> NDArray:
    """Of an angle, exactly zero where it is (sin(pi) is not)."""
    sine = np.sin(np.deg2rad(angle_deg))
    return np.where(np.abs(sine) < _ROUNDING, 0.0, sine)


def _occurrence(sets: NDArray, names: dict[str, int]) -> NDArray[np.float32]:
    """(sets,) of frozensets -> (sets, names) 1 where the name is in the set."""
    table = np.zeros((len(sets), len(names)), dtype=np.float32)
    for row, labels in enumerate(sets):
        table[row, [names[label] for label in labels]] = 1
    return table
