"""Judges how near the value of an answer is to the true value: right, as the scores count it, and how nearly right, 0 to 1.

The tolerances are those under which numbers are published: 0.5 m (DER of BAT, arXiv 2402.01591) and 20 degrees (ER20 of its
encoder). How nearly right an answer is falls exponentially with its error, one part in e for each tolerance; ours.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from spatial_llm.answers.axes import AXES
from spatial_llm.answers.kind import Value

DISTANCE_TOLERANCE_M = 0.5
ANGLE_TOLERANCE_DEG = 20.0
TIME_TOLERANCE_S = 0.5
LENGTH_TOLERANCE = 0.2  # of a length of time, as a share of the true one
OVERLAP_TOLERANCE = 0.5  # of two spans of time: intersection over union
HOUR_DEG = 30.0  # of the clock
ROUNDING = 1e-9


@dataclass(frozen=True)
class Closeness:
    """Judges the values of one kind.

    Attributes:
        right: maps (value, truth) to whether the value is right within the tolerance of its kind.
        near: maps (value, truth) to 1 for the true value, falling towards 0.
    """

    right: Callable[[Value, Value], bool]
    near: Callable[[Value, Value], float]


def is_right(kind: str, value: Value, truth: Value) -> bool:
    """Returns whether a value is right. A place is right if all its words are and its distance is within 0.5 m.

    Args:
        kind: a key of `KINDS`.
        value: of the answer, as `answers.read` returns it.
        truth: the true value.
    """
    return _CLOSENESS.get(kind, _EXACT).right(value, truth)


def nearness(kind: str, value: Value, truth: Value) -> float:
    """Returns how nearly right a value is, 0 to 1; arguments as of `is_right`.

    Angles: exp(-error / 20 degrees). Distances and times: exp(-error / 0.5), metres or seconds. A place: the mean over its
    three words and its distance. Names: their F1. Spans: intersection over union. All else: 1 if equal, else 0.
    """
    return _CLOSENESS.get(kind, _EXACT).near(value, truth)


def apart_deg(first_deg: float, second_deg: float) -> float:
    """Returns the angle between two azimuths, the shorter way around the circle."""
    return abs((first_deg - second_deg + 180.0) % 360.0 - 180.0)


def _error(name: str) -> Callable[[Value, Value], float]:
    return lambda value, truth: abs(value[name] - truth[name])


def _azimuth_error(value: Value, truth: Value) -> float:
    return apart_deg(value["azimuth_deg"], truth["azimuth_deg"])


def _hours_deg(value: Value, truth: Value) -> float:
    return apart_deg(HOUR_DEG * value["clock_hour"], HOUR_DEG * truth["clock_hour"])


def _relative_error(value: Value, truth: Value) -> float:
    error, true = abs(value["duration_s"] - truth["duration_s"]), truth["duration_s"]
    return error / true if true else (0.0 if error == 0 else math.inf)


def _within(error: Callable[[Value, Value], float], tolerance: float) -> Closeness:
    return Closeness(
        lambda value, truth: error(value, truth) <= tolerance + ROUNDING,
        lambda value, truth: math.exp(-error(value, truth) / tolerance),
    )


def _equal(value: Value, truth: Value) -> bool:
    return value == truth


def _place_right(value: Value, truth: Value) -> bool:
    if "absent" in value or "absent" in truth:
        return value == truth
    return all(value[axis] == truth[axis] for axis in AXES) and _METRES.right(value, truth)


def _place_near(value: Value, truth: Value) -> float:
    if "absent" in value or "absent" in truth:
        return float(value == truth)
    return (sum(value[axis] == truth[axis] for axis in AXES) + _METRES.near(value, truth)) / (len(AXES) + 1)


def _f1(value: Value, truth: Value) -> float:
    said, true = set(value["labels"]), set(truth["labels"])
    return 2 * len(said & true) / max(len(said) + len(true), 1)


def _overlap(value: Value, truth: Value) -> float:
    common = min(value["offset_s"], truth["offset_s"]) - max(value["onset_s"], truth["onset_s"])
    lengths = sum(one["offset_s"] - one["onset_s"] for one in (value, truth))
    return max(common, 0.0) / (lengths - max(common, 0.0))


def _or_unknown(known: Closeness) -> Closeness:
    """Returns how values are judged that may not be known: "I cannot tell" is near to nothing else."""

    def either(value: Value, truth: Value) -> bool:
        return "unknown" in value or "unknown" in truth

    return Closeness(
        lambda value, truth: value == truth if either(value, truth) else known.right(value, truth),
        lambda value, truth: float(value == truth) if either(value, truth) else known.near(value, truth),
    )


def _yes(value: Value, truth: Value) -> bool:
    return value["yes"] == truth["yes"]


_EXACT = Closeness(_equal, lambda value, truth: float(value == truth))
_METRES = _within(_error("distance_m"), DISTANCE_TOLERANCE_M)
_PLACE = Closeness(_place_right, _place_near)
# Kinds that are not named here are right if they are equal, and nothing else is near.
_CLOSENESS: dict[str, Closeness] = {
    "distance": _METRES,
    "azimuth": _within(_azimuth_error, ANGLE_TOLERANCE_DEG),
    "elevation": _within(_error("elevation_deg"), ANGLE_TOLERANCE_DEG),
    "clock": Closeness(_equal, _within(_hours_deg, ANGLE_TOLERANCE_DEG).near),
    "location": _PLACE,
    "location_or_absent": _PLACE,
    "labels": Closeness(lambda value, truth: set(value["labels"]) == set(truth["labels"]), _f1),
    "count": Closeness(_equal, lambda value, truth: math.exp(-abs(value["count"] - truth["count"]))),
    "duration": _within(_relative_error, LENGTH_TOLERANCE),
    "moment": _within(_error("time_s"), TIME_TOLERANCE_S),
    "span": Closeness(lambda value, truth: _overlap(value, truth) >= OVERLAP_TOLERANCE - ROUNDING, _overlap),
    "thought_yes_no": Closeness(_yes, lambda value, truth: float(_yes(value, truth))),  # the conclusion, not the steps
}
_CLOSENESS["thought_labels"] = _CLOSENESS["labels"]
_CLOSENESS |= {f"{kind}_or_unknown": _or_unknown(_CLOSENESS[kind]) for kind in ("elevation", "distance", "location", "span")}
