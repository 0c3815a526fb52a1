"""Scores of multiple-choice questions: each is a mean of right (1) and wrong (0), kept item by item.

Because every number here is 100 times such a mean, one interval method (bootstrap over recordings) serves them all: `rows`
gives the items of the set behind `right`, so their recordings are known. `random` is the expected score of choosing an
option blindly, anew in each item.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.benchmarks.choices import ChoiceSet
from spatial_llm.evaluation.published import published_scores

# text, options, reading ("strict" or "lenient") -> index of the option, or None where the text names none
ParseChoice = Callable[[str, Sequence[str], str], int | None]

STRING_MATCH_RULE = (
    "Not the benchmark's rule: the option that the text itself names, by letter or by wording, read by this library's "
    "parser; a text that names none, or two, is unparsed and wrong."
)


@dataclass(frozen=True)
class ChoiceMetric:
    """One number and the values that it averages.

    Fields:
        entry: as in scores.json, without interval.
        rows: (n,) indices of items of the set. Where one value stands for several items (all runs of a question), the
            first of them, which has the same recording as the others.
        right: (n,) 1.0 or 0.0; entry["value"] is 100 times its mean.
        lenient_right: the same by the lenient reading, where the metric has one.
    """

    entry: dict[str, Any]
    rows: NDArray[np.int64]
    right: NDArray[np.float64]
    lenient_right: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class ChoiceScores:
    """All numbers of a benchmark.

    Fields:
        metrics: by name.
        chosen: for each item the index of the option that the benchmark's own rule takes as chosen, or None.
        right: (items,) whether that is the right one.
        protocols: what the protocols named in the entries mean.
    """

    metrics: dict[str, ChoiceMetric]
    chosen: tuple[int | None, ...]
    right: NDArray[np.bool_]
    protocols: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Returns the entries by name, and the protocols, as scores.json has them."""
        return {"metrics": {name: metric.entry for name, metric in self.metrics.items()}, "protocols": self.protocols}


def mean_metric(
    questions: ChoiceSet,
    rows: ArrayLike,
    right: ArrayLike,
    chance: ArrayLike,
    *,
    unparsed: int,
    protocol: str,
    rule: str,
    published_as: str | None = None,
    details: dict[str, Any] | None = None,
) -> ChoiceMetric:
    """Returns the mean of `right` as a metric.

    Args:
        questions: the set that `rows` points into.
        rows, right: see `ChoiceMetric`.
        chance: (n,) probability of being right by choosing blindly.
        published_as: the column of published_scores.csv that holds this number; None for none. Published rows are comparable
            where the protocol is the same and the set is the complete release.
    """
    rows, right = np.asarray(rows, dtype=np.int64), np.asarray(right, dtype=np.float64)
    published = [
        row.to_dict() | {"comparable": questions.complete and row.protocol == protocol}
        for row in published_scores(questions.benchmark)
        if row.metric == published_as
    ]
    entry = {
        "value": 100 * float(np.mean(right)),
        "lenient": None,
        "n": len(rows),
        "recordings": len({questions.items[row].recording_id for row in rows}),
        "unparsed": unparsed,
        "unit": "%",
        "higher_is_better": True,
        "protocol": protocol,
        "rule": rule,
        "random": 100 * float(np.mean(np.asarray(chance, dtype=np.float64))),
        "details": {"left_out": dict(sorted(questions.left_out.items()))} | (details or {}),
        "published": published,
    }
    return ChoiceMetric(entry, rows, right)


def string_match(questions: ChoiceSet, texts: Sequence[str], parse_choice: ParseChoice) -> ChoiceMetric:
    """Returns the share of texts that name the right option and no other: a diagnostic beside a benchmark's own rule."""
    items = questions.items
    readings = {
        reading: [parse_choice(text, item.choices, reading) for item, text in zip(items, texts, strict=True)]
        for reading in ("strict", "lenient")
    }
    right = {
        reading: np.array(
            [k is not None and item.choices[k] == item.answer for item, k in zip(items, chosen, strict=True)], dtype=float
        )
        for reading, chosen in readings.items()
    }
    metric = mean_metric(
        questions,
        np.arange(len(items)),
        right["strict"],
        [share_of_answer(item.answer, item.choices) for item in items],
        unparsed=readings["strict"].count(None),
        protocol="diagnostic",
        rule=STRING_MATCH_RULE,
    )
    lenient = {"value": 100 * float(np.mean(right["lenient"])), "unparsed": readings["lenient"].count(None)}
    return ChoiceMetric(metric.entry | {"lenient": lenient}, metric.rows, metric.right, right["lenient"])


def share_of_answer(answer: str, choices: Sequence[str]) -> float:
    """Returns the probability that an option chosen blindly reads as the answer does."""
    return choices.count(answer) / len(choices)


def check_texts(questions: ChoiceSet, texts: Sequence[str]) -> None:
    """Raises ManifestError unless there is one text for each item."""
    if not questions.items or len(texts) != len(questions.items):
        raise ManifestError(
            f"{questions.benchmark}: {len(texts)} answers for {len(questions.items)} items; give one text an item, in order."
        )
