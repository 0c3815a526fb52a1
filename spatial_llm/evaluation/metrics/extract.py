"""Texts -> values, by one of the two readings; and values -> columns of numbers that measures compare.

Most answers have one value or none. Parts of a value that can be read by themselves are named by `kinds`.
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
from spatial_llm.questions.types import VALUE_KINDS, parse_value

READINGS: tuple[Reading, ...] = ("strict", "lenient")


@dataclass(frozen=True)
class Extracted:
    """What one answer says: `value` as `answers.read` reads it, None if unparsed; `fields`, those keys of a value
    that can be read each by itself."""

    value: dict[str, Any] | None
    fields: Mapping[str, Any]


def extract(items: Sequence[Record], texts: Sequence[str], reading: Reading, known: Collection[str] = ()) -> list[Extracted]:
    """The values of the texts by a reading, one for each item. Never raises on any text.

    Args:
        known: names of sounds that lenient reading finds whole ("male speech, man speaking").
    """
    found: dict[tuple[str, str], Extracted] = {}  # to equal questions many answers are equal
    for item, text in zip(items, texts, strict=True):
        key = item.question_type, text
        if key not in found:
            found[key] = _extract(*key, reading, known)
    return [found[item.question_type, text] for item, text in zip(items, texts, strict=True)]


def _extract(question_type: str, text: str, reading: Reading, known: Collection[str]) -> Extracted:
    if answers.is_refusal(text):  # "I cannot tell." would be the name of a sound, "I don't know, yes?" a yes
        return Extracted(None, {})
    value = parse_value(question_type, text, reading, known)
    fields = _of_kind(question_type).fields(text, reading)
    return Extracted(value, fields | (value or {}))


def known_names(items: Sequence[Record], truths: Sequence[Truth | None]) -> tuple[str, ...]:
    """All names of sounds that occur in the recordings or true answers of a set."""
    names: set[str] = set()
    for item, truth in zip(items, truths, strict=True):
        for key in ("labels", "order"):
            names.update(truth.value.get(key, ()) if truth is not None else ())
        names.update(*labels_of(item))
    return tuple(sorted(names))


def columns_of(question_type: str, values: Sequence[Mapping[str, Any]], codes: dict[str, int]) -> Columns:
    """The fields of values of one question type as columns (items,) float64, NaN where a field is missing.

    `value`: a number for each different whole value. Numbers of the value stand under their own name; further columns are
    those of the kind of value (`kinds`).

    Args:
        codes: the numbers given to values so far; shared between the columns that are to be compared, and extended.
    """
    kind = _of_kind(question_type)
    columns: Columns = {"value": column_of(_code(kind, value, codes) for value in values)}
    columns |= {name: column_of(value.get(name) for value in values) for name in kind.numbers}
    return columns | kind.columns(values, columns)


def truth_columns(question_type: str, truths: Sequence[Truth], codes: dict[str, int]) -> Columns:
    """`columns_of` the true values; beside them true_azimuth_deg and true_elevation_deg of the source asked about (NaN:
    not known), its true_onset_s, and `onsets_s`, (items,) dicts of all onsets by label."""
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
