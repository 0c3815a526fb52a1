"""Texts -> values, by one of the two readings; and values -> columns of numbers that measures compare.

Peculiar: of a place each word and the distance are read by themselves, so an answer whose distance cannot be read may
still have the direction right. All other answers have one value or none.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm import answers
from spatial_llm.answers import AXES, Reading
from spatial_llm.data.records import Record, labels_of
from spatial_llm.evaluation.metrics.truths import Truth
from spatial_llm.geometry import azimuth_of_hour
from spatial_llm.questions.types import VALUE_KINDS, parse_value

READINGS: tuple[Reading, ...] = ("strict", "lenient")
Columns = dict[str, NDArray]
_NUMBERS = {"azimuth_deg", "elevation_deg", "distance_m", "clock_hour", "count", "duration_s", "onset_s", "offset_s"}


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
    if VALUE_KINDS[question_type] != "location":
        return Extracted(value, value or {})
    fields = {axis: answers.parse_axis(text, axis, reading) for axis in AXES}
    fields |= {"distance_m": answers.parse_distance(text, reading), "bearing": answers.parse_bearing(text, reading)}
    words = answers.parse_directions(text, reading)
    fields |= dict(zip(AXES, words, strict=True)) if words is not None else {}
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

    `value`: a number for each different whole value. Of places: a column for each axis (0 or 1 = the words of AXES),
    `octant` (0 to 7) where all three are known, and azimuth_deg and elevation_deg where answered in degrees. Numbers under
    their own name; of hours also azimuth_deg. `labels`: frozensets, (items,) objects.

    Args:
        codes: the numbers given to values so far; shared between the columns that are to be compared, and extended.
    """
    kind = VALUE_KINDS[question_type]
    columns: Columns = {"value": _column(_code(kind, value, codes) for value in values)}
    for name in _NUMBERS.intersection(*[set().union(*values)] if values else []):
        columns[name] = _column(value.get(name) for value in values)
    if kind == "location":
        columns.setdefault("distance_m", np.full(len(values), np.nan))
        for axis, words in AXES.items():
            columns[axis] = _column(words.index(value[axis]) if value.get(axis) in words else None for value in values)
        columns["octant"] = 4 * columns["left_right"] + 2 * columns["front_behind"] + columns["above_below"]
        bearings = [value.get("bearing") or (np.nan, np.nan) for value in values]
        columns["azimuth_deg"], columns["elevation_deg"] = np.array(bearings, dtype=np.float64).reshape(-1, 2).T
    if kind == "clock":
        hours = columns.setdefault("clock_hour", np.full(len(values), np.nan))
        columns["azimuth_deg"] = _column(None if np.isnan(hour) else azimuth_of_hour(int(hour)) for hour in hours)
    if kind == "labels":
        columns["labels"] = np.array([None, *(frozenset(value.get("labels", ())) for value in values)], dtype=object)[1:]
    for name in _FIELD_OF_KIND.get(kind, ()):
        columns.setdefault(name, np.full(len(values), np.nan))
    return columns


_FIELD_OF_KIND = {
    "azimuth": ("azimuth_deg",),
    "elevation": ("elevation_deg",),
    "distance": ("distance_m",),
    "count": ("count",),
    "duration": ("duration_s",),
    "span": ("onset_s", "offset_s"),
}


def truth_columns(question_type: str, truths: Sequence[Truth], codes: dict[str, int]) -> Columns:
    """`columns_of` the true values; beside them true_azimuth_deg and true_elevation_deg of the source asked about (NaN:
    not known), its true_onset_s, and `onsets_s`, (items,) dicts of all onsets by label. A place that is true in words is
    true in these degrees too."""
    columns = columns_of(question_type, [truth.value for truth in truths], codes)
    for name in ("azimuth_deg", "elevation_deg", "onset_s"):
        columns[f"true_{name}"] = _column(truth.source and getattr(truth.source, name) for truth in truths)
    if VALUE_KINDS[question_type] == "location":
        columns |= {name: columns[f"true_{name}"] for name in ("azimuth_deg", "elevation_deg")}
    columns["onsets_s"] = np.array([None, *(truth.onsets_s for truth in truths)], dtype=object)[1:]
    return columns


def _code(kind: str, value: Mapping[str, Any], codes: dict[str, int]) -> int | None:
    if kind == "location":
        value = {name: value.get(name) for name in (*AXES, "distance_m")}
    if not value or None in value.values():
        return None
    return codes.setdefault(json.dumps(value, sort_keys=True), len(codes))


def _column(values: Any) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
