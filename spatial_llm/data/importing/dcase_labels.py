"""Reads the label files of the DCASE and STARSS family: frames of 100 ms, one line for each active sound."""

import math
import re
from collections import defaultdict
from pathlib import Path

from spatial_llm.data.importing.dcase_sets import DATA_SETS, FRAME_S, DataSet
from spatial_llm.data.importing.heard import Span, Track, event_tracks
from spatial_llm.errors import ManifestError
from spatial_llm.scenes.csv_rows import read_utf8

_RANGES = {
    "frame": (0, math.inf, "the number of a frame of 100 ms, from 0"),
    "source": (0, math.inf, "the number of a source, from 0"),
    "elevation": (-90, 90, "degrees from -90 to 90, positive upwards"),
    "distance": (1, math.inf, "centimetres above 0"),
    "onscreen": (0, 1, "0 or 1"),
}
_WHOLE = ("frame", "class", "source", "onscreen")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


def read_labels(path: Path, of: DataSet, lasts_s: float) -> list[Track]:
    """Returns the sounds of a label file: one for each class and source, or, where source numbers stand for events, one for
    each event.

    Args:
        path: the CSV.
        of: the data set whose columns, classes and ranges it has.
        lasts_s: length of the recording.

    Raises:
        ManifestError: it is no CSV of these columns, a value is out of range, a frame lies beyond the end of the recording,
            or an actor is at two places at a time in one class. File and line are named.
    """
    spans: dict[tuple[str, int], list[Span]] = defaultdict(list)
    seen: set[tuple[float, ...]] = set()
    for number, fields in _lines(path, of):
        where = f"{path}:{number}"
        values = dict(zip(of.columns, _values(where, fields, of), strict=True))
        start_s = values["frame"] * FRAME_S
        if start_s > lasts_s - 1e-6:
            raise ManifestError(
                f"{where}: frame {values['frame']:g} begins at {start_s:g} s, and the recording lasts {lasts_s:g} s; are "
                "these the labels of this recording, and is it whole?"
            )
        key = values["frame"], values["class"], values["source"]
        if key in seen and not (of.actors and values["source"] == 0):  # sources that are no actors share the number 0
            raise ManifestError(f"{where}: frame, class and source {key} stand twice; leave one out.")
        seen.add(key)
        distance_cm = values.get("distance")
        place = values["azimuth"], values.get("elevation"), None if distance_cm is None else distance_cm / 100
        label = of.classes[int(values["class"])]
        spans[label, int(values["source"])].append(Span(start_s, min(start_s + FRAME_S, lasts_s), *place))
    tracks = [Track(label, source, tuple(sorted(each))) for (label, source), each in spans.items()]
    return tracks if of.actors else event_tracks(tracks)


def _lines(path: Path, of: DataSet) -> list[tuple[int, list[str]]]:
    """Returns number and fields of each line with labels."""
    text = read_utf8(path, ManifestError).splitlines()
    lines = [(number, [field.strip() for field in line.split(",")]) for number, line in enumerate(text, 1) if line.strip()]
    if of.header:
        expected = ", ".join(of.columns)
        if not lines or tuple(lines[0][1]) != of.columns:
            found = ", ".join(lines[0][1]) if lines else "nothing"
            raise ManifestError(f"{path}:1: begins with {found}; expected the header {expected}.")
        lines = lines[1:]
    return lines


def _values(where: str, fields: list[str], of: DataSet) -> list[float]:
    if len(fields) != len(of.columns):
        others = [name for name, each in DATA_SETS.items() if len(each.columns) == len(fields) and each.header == of.header]
        hint = f"; {len(fields)} columns are those of {', '.join(others)}" if others else ""
        raise ManifestError(f"{where}: {len(fields)} columns; expected {', '.join(of.columns)}{hint}.")
    return [_value(where, column, text, of) for column, text in zip(of.columns, fields, strict=True)]


def _value(where: str, column: str, text: str, of: DataSet) -> float:
    if column == "class":
        classes = ", ".join(f"{number} {label}" for number, label in enumerate(of.classes))
        low, high, expected = 0, len(of.classes) - 1, f"the number of a class: {classes}"
    elif column == "azimuth":
        high = of.most_azimuth_deg
        low, expected = -high, f"degrees from {-high:g} to {high:g}, positive to the left"
    else:
        low, high, expected = _RANGES[column]
    value = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not low <= value <= high or (column in _WHOLE and value != int(value)):
        raise ManifestError(f"{where}: {column} is {text!r}; expected {expected}.")
    return value
