"""Measures compare one answer with one truth: shares (0 or 1) and errors in degrees, metres and seconds. Measures of only
one kind of value are in its file in `kinds`.

Note: a measure is a function of columns of answers and columns of truths that broadcasts, so that one definition gives each
item its value and, over all pairs of true answers and items, the score of chance. An unparsed answer is wrong where right
and wrong are counted, and has no error (NaN) where errors are averaged: means and medians of errors are those of the parsed
answers, and are reported beside shares that count the others. A measure applies to an item unless it is NaN for the true
answer itself. Source: DER at 0.5 m and all three words right: BAT (arXiv 2402.01591); 20 degrees: ER20 of its encoder.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatial_llm.answers.closeness import ANGLE_TOLERANCE_DEG
from spatial_llm.geometry import wrap_azimuth_deg

RELATIVE_TOLERANCE = 0.2
CLEAR_DEG = 10.0  # no side is scored for a true angle nearer to the border; the same as in our question writer
ROUNDING = 1e-9  # 2.3 m and 1.8 m are 0.5 m apart, but not in floating point

Columns = dict[str, NDArray]  # name -> (items,)
Compare = Callable[[Columns, Columns], NDArray[np.float64]]


@dataclass(frozen=True)
class Measure:
    """Gives one number for each item.

    Attributes:
        name: its key in items.jsonl.
        reads: the column of the answer without which the answer is unparsed for this measure.
        of: function of (answers, truths) -> (items,); with columns (answers, 1) and (1, items) -> (answers, items).
    """

    name: str
    reads: str
    of: Compare


def column_of(values: Iterable[float | None]) -> NDArray[np.float64]:
    """Returns values as a column (items,), NaN for None."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def equal(name: str, column: str) -> Measure:
    """Measures 1 if the column of the answer equals that of the truth."""
    return Measure(name, column, lambda answer, truth: (answer[column] == truth[column]).astype(np.float64))


def error(name: str, column: str) -> Measure:
    """Measures the absolute error of a number."""
    return Measure(name, column, lambda answer, truth: np.abs(answer[column] - truth[column]))


def beyond(name: str, column: str, tolerance: float) -> Measure:
    """Measures 1 if a number is more than `tolerance` off, or unparsed."""
    return Measure(name, column, lambda answer, truth: more(np.abs(answer[column] - truth[column]), tolerance))


def relative_error(name: str, column: str) -> Measure:
    """Measures the error of a number as a share of the true one; true zeros are left out."""
    return Measure(name, column, lambda answer, truth: _relative(answer[column], truth[column]))


def beyond_relative(name: str, column: str) -> Measure:
    """Measures 1 if a number is off by more than a fifth of the true one, or unparsed; true zeros are left out."""

    def of(answer: Columns, truth: Columns) -> NDArray:
        wrong = more(_relative(answer[column], truth[column]), RELATIVE_TOLERANCE)
        return np.where(truth[column] == 0, np.nan, wrong)

    return Measure(name, column, of)


def angle(name: str, column: str, true: str | None = None) -> Measure:
    """Measures the degrees between two azimuths (around the circle) or elevations; `true`: column of the truth, if
    another."""
    return Measure(name, column, lambda answer, truth: _apart_deg(answer[column], truth[true or column]))


def angle_beyond(name: str, column: str) -> Measure:
    """Measures 1 if an angle is more than 20 degrees off, or unparsed."""
    return Measure(name, column, lambda answer, truth: more(_apart_deg(answer[column], truth[column]), ANGLE_TOLERANCE_DEG))


def side(name: str, column: str, shift_deg: float = 0.0) -> Measure:
    """Measures 1 if an angle lies on the same side of a plane as the true one; only if the true one is clear of the plane.

    Args:
        shift_deg: added to both angles; the sides are then those of positive and of negative sine.
    """

    def of(answer: Columns, truth: Columns) -> NDArray:
        first, second = (_sine(columns[column] + shift_deg) for columns in (answer, truth))
        same = (np.sign(first) == np.sign(second)).astype(np.float64)
        return np.where(np.abs(second) >= np.sin(np.deg2rad(CLEAR_DEG)) - ROUNDING, same, np.nan)

    return Measure(name, column, of)


def opposite(name: str, measure: Measure) -> Measure:
    """Measures 1 where the other measure is 0."""
    return Measure(name, measure.reads, lambda answer, truth: 1.0 - measure.of(answer, truth))


def more(values: NDArray, tolerance: float) -> NDArray[np.float64]:
    """Returns 1 where a value is above the tolerance or NaN, else 0."""
    return (~(values <= tolerance + ROUNDING)).astype(np.float64)


def _relative(answered: NDArray, true: NDArray) -> NDArray:
    return np.abs(answered - true) / np.where(true == 0, np.nan, true)


def _apart_deg(first: NDArray, second: NDArray) -> NDArray:
    return np.abs(wrap_azimuth_deg(first - second))


def _sine(angle_deg: NDArray) -> NDArray:
    """Returns the sine of an angle, exactly zero where it is (sin(pi) is not)."""
    sine = np.sin(np.deg2rad(angle_deg))
    return np.where(np.abs(sine) < ROUNDING, 0.0, sine)
