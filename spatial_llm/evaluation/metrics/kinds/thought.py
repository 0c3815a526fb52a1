"""Measures answers that are thought out: the conclusion as its kind always is, and the steps that lead to it.

Steps are measured against the true steps, and against the answer itself: whether its comparisons agree with the values that
it states (faithful), and its conclusion with its comparisons (follows). Both can be right of steps that are wrong, and the
other way round. An answer without a conclusion is unparsed, but its steps are measured.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.answers import AXES, Reading
from spatial_llm.answers.closeness import DISTANCE_TOLERANCE_M, ROUNDING
from spatial_llm.answers.kinds.thought import parted
from spatial_llm.answers.steps import Step, compared_in, follows, heard_in, holds, is_same, read_steps
from spatial_llm.evaluation.metrics.kinds import labels, words
from spatial_llm.evaluation.metrics.measures import RELATIVE_TOLERANCE, Columns, Measure, column_of
from spatial_llm.evaluation.metrics.protocols import STEPS
from spatial_llm.evaluation.metrics.spec import KindMetrics, Spec

Value = Mapping[str, Any]
_OFFSETS = ("left_m", "front_m")
_PLACES = (*AXES, *_OFFSETS)


def sounds_f1(own: Value, true: Value) -> float:
    """Returns twice the number of common sounds over the number of sounds that both state to be heard."""
    said, due = set(heard_in(own["steps"])), set(heard_in(true["steps"]))
    return 2 * len(said & due) / max(len(said) + len(due), 1)


def places_right(own: Value, true: Value) -> float:
    """Returns the share of the true sounds whose stated place is right; NaN if the true steps state none."""
    return _share_of_heard(own, true, _PLACES)


def distances_right(own: Value, true: Value) -> float:
    """Returns the share of the true sounds whose stated distance is right; NaN if the true steps state none."""
    return _share_of_heard(own, true, ("distance_m",))


def steps_right(own: Value, true: Value) -> float:
    """Returns how many true steps are stated rightly, over the number of true steps or of stated ones, if these are
    more."""
    heard, compared = heard_in(own["steps"]), compared_in(own["steps"])
    right = 0
    for step in true["steps"]:
        if "side" in step:
            right += any(is_same(other, step) for other in compared)
        else:
            right += step["heard"] in heard and _agrees(heard[step["heard"]], step, step)
    return right / max(len(true["steps"]), len(own["steps"]), 1)


def comparisons_faithful(own: Value, true: Value) -> float:
    """Returns the share of the stated comparisons that agree with the values stated of their sounds; 0 without any."""
    heard, compared = heard_in(own["steps"]), compared_in(own["steps"])
    return sum(holds(step, heard) for step in compared) / max(len(compared), 1)


def conclusion_follows(own: Value, true: Value) -> float:
    """Returns 1 if the conclusion is what the stated comparisons say (`steps.follows`), else 0."""
    return float(follows(own, true))


_MEASURES: tuple[tuple[str, Callable[[Value, Value], float], str], ...] = (
    ("steps_right", steps_right, "mean share of the steps that are right: sound, place, distance, comparison"),
    ("steps_sounds", sounds_f1, "mean F1 of the sounds that the steps state and the true ones"),
    ("steps_place", places_right, "mean share of the true sounds whose place is stated rightly"),
    ("steps_distance", distances_right, "mean share of the true sounds whose distance is stated at most 0.5 m off"),
    ("steps_faithful", comparisons_faithful, "mean share of the comparisons that agree with the answer's own values"),
    ("conclusion_follows", conclusion_follows, "the conclusion is what the answer's own comparisons say"),
)


def _share_of_heard(own: Value, true: Value, keys: Sequence[str]) -> float:
    heard = heard_in(own["steps"])
    due = [step for step in true["steps"] if "heard" in step and any(key in step for key in keys)]
    right = [step["heard"] in heard and _agrees(heard[step["heard"]], step, keys) for step in due]
    return sum(right) / len(right) if due else float("nan")


def _agrees(said: Step, true: Step, keys: Sequence[str] | Step) -> bool:
    """Returns whether what is said of a sound agrees with what is true, in those keys that the truth has: words are equal,
    metres at most 0.5 m off (to a side: on the right side, too), speeds at most a fifth."""
    for key in keys:
        if key not in true:
            continue
        if key not in said:
            return False
        if isinstance(true[key], str):
            right = said[key] == true[key]
        else:
            most = RELATIVE_TOLERANCE * true[key] if key == "speed_m_s" else DISTANCE_TOLERANCE_M
            right = abs(said[key] - true[key]) <= most + ROUNDING
            right = right and not (key in _OFFSETS and said[key] * true[key] < 0)
        if not right:
            return False
    return True


def _measure(name: str, of: Callable[[Value, Value], float]) -> Measure:
    def each(answer: Columns, truth: Columns) -> NDArray:
        pairs = zip(answer["thought"], truth["thought"], strict=True)
        return np.array([of(own, true) for own, true in pairs], dtype=np.float64)

    return Measure(name, "told", each)


def _fields(text: str, reading: Reading) -> dict[str, Any]:
    return {"steps": read_steps(parted(text, reading)[0])}


def _columns(values: Sequence[Value], columns: Columns) -> Columns:
    """Returns `thought`: the values with their steps, (items,) objects; and `told`: 1, or NaN without any step."""
    whole = [dict(value) | {"steps": value.get("steps", [])} for value in values]
    told = [1.0 if any("unread" not in step for step in value["steps"]) else None for value in whole]
    return {"thought": np.array([None, *whole], dtype=object)[1:], "told": column_of(told)}


def _thought(concluded: KindMetrics, *whole: str) -> KindMetrics:
    """Returns how answers are measured that conclude with a value of a kind; `whole`: the keys of that value."""

    def specs(right: Measure, official: bool) -> tuple[Measure, tuple[Spec, ...]]:
        main, of_conclusion = concluded.specs(right, official)
        of_steps = [Spec(name, _measure(name, of), STEPS, rule, by_chance=False) for name, of, rule in _MEASURES]
        return main, (*of_conclusion, *of_steps)

    def columns(values: Sequence[Value], so_far: Columns) -> Columns:
        return concluded.columns(values, so_far) | _columns(values, so_far)

    return KindMetrics(specs, fields=_fields, whole=whole, columns=columns)


LABELS = _thought(labels.METRICS, "labels")
YES_NO = _thought(words.METRICS, "yes")
