"""Parses texts to values in one of the two readings, and turns values into columns of numbers that measures compare.

Most answers have one value or none. `kinds` names those parts of a value that can be parsed by themselves.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatial_llm import answers
from spatial_llm.answers import Reading
from spatial_llm.data.record import Record, labels_of
from spatial_llm.evaluation.metrics.kinds import KIND_METRICS, WHOLE_VALUE
from spatial_llm.evaluation.metrics.measures import Columns, column_of
from spatial_llm.evaluation.metrics.spec import KindMetrics
from spatial_llm.evaluation.metrics.truths import Truth
from spatial_llm.questions.families.own import OPEN
from spatial_llm.questions.types import VALUE_KINDS, parse_value

READINGS: tuple[Reading, ...] = ("strict", "lenient")


@dataclass(frozen=True)
class Extracted:
    """Holds the content of one answer: `value` as `answers.read` returns it, None if unparsed; `fields`, those keys of a
    value that can be parsed by themselves."""

    value: dict[str, Any] | None
    fields: Mapping[str, Any]


def extract(items: Sequence[Record], texts: Sequence[str], reading: Reading, known: Collection[str] = ()) -> list[Extracted]:
    """Returns the values of the texts in a reading, one for each item. Never raises on any text.

    Args:
        known: names of sounds that the lenient reading keeps whole ("male speech, man speaking").
    """
    keys = [(item.question_type, text, refuses(item, text)) for item, text in zip(items, texts, strict=True)]
    found = {key: _extract(*key, reading, known) for key in dict.fromkeys(keys)}  # many answers to equal questions are equal
    return [found[key] for key in keys]


def refuses(item: Record, text: str) -> bool:
    """Returns whether an answer declines to answer. Where the true answer does so too, it is an answer as any other: to a
    question of one's own ("nobody can tell"), and where the recording does not tell ({"unknown": True})."""
    due = "unknown" in item.truth or (item.question_type == OPEN and answers.is_refusal(item.answer))
    return answers.is_refusal(text) and not due


def _extract(question_type: str, text: str, refused: bool, reading: Reading, known: Collection[str]) -> Extracted:
    if refused:  # else "I cannot tell." is a name, "I don't know, yes?" a yes
        return Extracted(None, {})
    value = parse_value(question_type, text, reading, known)
    fields = _of_kind(question_type).fields(text, reading)
    return Extracted(value, fields | (value or {}))


def known_names(items: Sequence[Record], truths: Sequence[Truth | None]) -> tuple[str, ...]:
    """Returns all names of sounds that occur in the recordings or true answers of a set."""
    names: set[str] = set()
    for item, truth in zip(items, truths, strict=True):
        for key in ("labels", "order"):
            names.update(truth.value.get(key, ()) if truth is not None else ())
        names.update(*labels_of(item))
    return tuple(sorted(names))


def columns_of(question_type: str, values: Sequence[Mapping[str, Any]], codes: dict[str, int]) -> Columns:
    """Returns the fields of values of one question type as columns (items,) float64, NaN where a field is missing.

    The column `value` holds a number for each different whole value. Numbers of the value stand under their own name. The
    kind of value (`kinds`) defines further columns.

    Args:
        codes: the number of each value so far; extended in place, and shared between columns that are to be compared.
    """
    kind = _of_kind(question_type)
    columns: Columns = {"value": column_of(_code(kind, value, codes) for value in values)}
    columns |= {name: column_of(value.get(name) for value in values) for name in kind.numbers}
    return columns | kind.columns(values, columns)


def truth_columns(question_type: str, truths: Sequence[Truth], codes: dict[str, int]) -> Columns:
    """Returns `columns_of` the true values, together with true_azimuth_deg and true_elevation_deg of the source in question
    (NaN: not known), its true_onset_s, and `onsets_s`, (items,) dicts of all onsets by label."""
    columns = columns_of(question_type, [truth.value for truth in truths], codes)
    for name in ("azimuth_deg", "elevation_deg", "onset_s"):
        columns[f"true_{name}"] = column_of(truth.source and getattr(truth.source, name) for truth in truths)
    columns["onsets_s"] = np.array([None, *(truth.onsets_s for truth in truths)], dtype=object)[1:]
    return columns | _of_kind(question_type).truth(columns)


def _of_kind(question_type: str) -> KindMetrics:
    return KIND_METRICS.get(VALUE_KINDS[question_type], WHOLE_VALUE)


def _code(kind: KindMetrics, value: Mapping[str, Any], codes: dict[str, int]) -> int | None:
    if kind.whole:
        value = {name: value.get(name) for name in kind.whole}
    if not value or None in value.values():
        return None
    return codes.setdefault(json.dumps(value, sort_keys=True), len(codes))
