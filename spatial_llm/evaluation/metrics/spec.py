"""Defines how metrics follow from measures, and everything needed to measure one kind of value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from spatial_llm.answers import Reading
from spatial_llm.evaluation.metrics.measures import Columns, Measure
from spatial_llm.evaluation.metrics.protocols import BALANCED

Aggregate = Literal["mean", "median", "rmse", "balanced", "pearson", "spearman"]


@dataclass(frozen=True)
class Spec:
    """Defines how a metric follows from a measure.

    Attributes:
        suffix: the end of its name.
        measure: gives the number of each item.
        protocol, rule, unit, higher_is_better: fields of `Metric`.
        aggregate: how the numbers of the items become one.
        only_if_present: report it only if some answer has the form that it measures, such as degrees for a question that
            asks for words.
        by_chance: whether the score of chance is computed, which takes every pair of a true answer and an item.
    """

    suffix: str
    measure: Measure
    protocol: str
    rule: str
    aggregate: Aggregate = "mean"
    unit: str = "%"
    higher_is_better: bool = True
    only_if_present: bool = False
    by_chance: bool = True


def no_fields(text: str, reading: Reading) -> dict[str, Any]:
    """Returns no fields, for a value that can only be parsed as a whole."""
    return {}


def no_columns(values: Sequence[Mapping[str, Any]], columns: Columns) -> Columns:
    """Returns no columns, for a value without further columns."""
    return {}


def as_answered(truth: Columns) -> Columns:
    """Returns the columns of the truth, if only the value of the true answer is known."""
    return {}


@dataclass(frozen=True)
class KindMetrics:
    """Defines how answers of one kind of value are measured.

    Attributes:
        specs: maps (the measure "the whole value is the true one", whether the question is of an official type) to the main
            measure, 0 or 1 for each item, and the metrics besides the share of wholly right values.
        numbers: keys of the value that are numbers, each a column of its own name.
        fields: maps (text, reading) to those parts of a value that can be parsed by themselves, besides the whole value.
        whole: the keys that make two values equal; all if none are named.
        columns: maps (values, the columns so far) to further columns.
        truth: maps columns of the truth to columns that replace or extend them by what is true beyond the answer.
    """

    specs: Callable[[Measure, bool], tuple[Measure, tuple[Spec, ...]]]
    numbers: tuple[str, ...] = ()
    fields: Callable[[str, Reading], dict[str, Any]] = no_fields
    whole: tuple[str, ...] = ()
    columns: Callable[[Sequence[Mapping[str, Any]], Columns], Columns] = no_columns
    truth: Callable[[Columns], Columns] = as_answered


def balanced_spec(right: Measure) -> Spec:
    """Returns the mean over the true answers of the share that is right."""
    return Spec("balanced_acc", right, BALANCED, "mean over the true answers of the share right", "balanced")


def error_spec(
    suffix: str, measure: Measure, protocol: str, rule: str, aggregate: Aggregate = "mean", unit: str = "%",
    only_if_present: bool = False,
) -> Spec:  # fmt: skip
    """Returns a metric of which lower is better."""
    return Spec(suffix, measure, protocol, rule, aggregate, unit, higher_is_better=False, only_if_present=only_if_present)
