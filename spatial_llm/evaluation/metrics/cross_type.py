"""Computes metrics across question types: hallucination (whether "no" is answered where it is right) and reliability
(refusals)."""

import numpy as np
from numpy.typing import NDArray

from spatial_llm.evaluation.metrics import chance, hallucination, reliability
from spatial_llm.evaluation.metrics.metric import Metric, Percent
from spatial_llm.evaluation.metrics.protocols import HALLUCINATION, RELIABILITY
from spatial_llm.evaluation.metrics.scored_run import Group, ScoredRun

_NAMES = {
    "accuracy": "reliability_accuracy",
    "truthfulness": "reliability_truthfulness",
    "rejection_rate": "reliability_rejection_rate",
    "reliability": "reliability",
}


def hearing_metrics(run: ScoredRun) -> list[Metric]:
    """Returns hallucination metrics of the questions that allow them, and reliability metrics of all."""
    return [*_hallucination(run), *_reliability(run)]


def declined_of(run: ScoredRun, reading: str = "strict") -> NDArray[np.bool_]:
    """Returns (items,) whether the answer declines to answer, rightly or not: refusals, and "I cannot tell" where the
    recording does not tell."""
    said = [found.value is not None and "unknown" in found.value for found in run.readings[reading]]
    return run.refused | np.array(said, dtype=bool)


def right_of(run: ScoredRun, reading: str = "strict") -> NDArray[np.float64]:
    """Returns (items,) 1 or 0 by the main measure of each item's question type, NaN where its truth is not known."""
    right = np.full(len(run.items), np.nan)
    for group in run.groups.values():
        right[group.rows] = group.metrics.right.of(group.answers[reading], group.truth)
    return right


def _hallucination(run: ScoredRun) -> list[Metric]:
    known = np.array([row for row, truth in enumerate(run.truths) if truth is not None], dtype=np.intp)
    types, truths = [run.items[row].question_type for row in known], [run.truths[row].value for row in known]
    strict, lenient = (
        hallucination.hallucination_measures(types, [run.readings[reading][row].value for row in known], truths)
        for reading in ("strict", "lenient")
    )
    metrics = []
    for name, found in strict.items():
        rate, rows = name.endswith("yes_rate"), known[found.rows]
        metrics.append(
            Metric(
                name=f"hallucination_{name}",
                protocol=HALLUCINATION,
                unit="%",
                higher_is_better=not rate,
                rule=next(rule for kind, rule in hallucination.RULES.items() if name.endswith(kind)),
                rows=rows,
                strict=Percent(found.statistic),
                lenient=Percent(lenient[name].statistic),
                random=100 * found.random,
                unparsed=run.unparsed(rows, "strict"),
                lenient_unparsed=run.unparsed(rows, "lenient"),
                refused=int(run.refused[rows].sum()),
                details={"true_share": 100 * found.random} if rate else {},
            )
        )
    return metrics


def _reliability(run: ScoredRun) -> list[Metric]:
    right = {reading: right_of(run, reading) for reading in ("strict", "lenient")}
    rows = np.flatnonzero(~(np.isnan(right["strict"]) | np.isnan(right["lenient"])))
    if not len(rows):
        return []
    strict, lenient = (
        reliability.reliability_statistics(right[reading][rows], run.refused[rows]) for reading in ("strict", "lenient")
    )
    groups = run.groups.values()
    by_chance = [len(group.rows) * (chance.expected_mean(group.metrics.right, group.truth) or 0.0) for group in groups]
    total = sum(len(group.rows) for group in groups)
    guessing, declining = sum(by_chance) / total, sum(map(_declined_by_chance, groups)) / total
    random = {
        "accuracy": guessing,
        "truthfulness": guessing + declining,
        "rejection_rate": declining,
        "reliability": declining * guessing + (1.0 - declining) * (guessing + declining),
    }
    return [
        Metric(
            name=name,
            protocol=RELIABILITY,
            unit="%",
            higher_is_better=measure != "rejection_rate",
            rule=reliability.RULES[measure],
            rows=rows,
            strict=Percent(strict[measure]),
            lenient=Percent(lenient[measure]),
            random=100 * random[measure],
            unparsed=run.unparsed(rows, "strict"),
            lenient_unparsed=run.unparsed(rows, "lenient"),
            refused=int(run.refused[rows].sum()),
        )
        for measure, name in _NAMES.items()
    ]


def _declined_by_chance(group: Group) -> float:
    """Returns how many items of a type are declined although they can be known, if each is answered with the true answer of
    another: a true answer is a refusal only where the recording does not tell."""
    if "unknown" not in group.truth:
        return 0.0
    unknown = float(np.mean(group.truth["unknown"]))
    return len(group.rows) * unknown * (1.0 - unknown)
