"""Predicted texts and true values -> numbers. The rules of the BAT protocol, one function per kind of question.

Peculiar: average precision over labels is not a mean cosine. Every generated answer is embedded whole, its cosine to
each label name is a score, and per label the answers are ranked by it. `mean_cosine` is what the text of DSpAST
describes; it is reported beside, under its own name, never instead. What does not parse counts as wrong and is counted.
`random` is the expected score, in closed form, of answering every item with the answer of an item drawn at random from
the same group; for average precision, of a random order.
Source: BAT (arXiv 2402.01591) and its released scoring script for A and C; direction and distance have no released
scorer: all three axis words right, and a distance more than 0.5 m off is an error.
"""

import json
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spatial_llm import answers
from spatial_llm.answers import AXES, Location

DISTANCE_TOLERANCE_M = 0.5
# 2.3 m and 1.8 m are 0.5 m apart, but not in binary
_ROUNDING_M = 1e-9


@dataclass(frozen=True)
class Score:
    """One number: in percent unless `unit` says otherwise; n items, of which `unparsed` gave no value."""

    value: float
    n: int
    unparsed: int
    random: float
    unit: str = "%"
    higher_is_better: bool = True
    details: dict[str, Any] = field(default_factory=dict)


def average_precision(similarity: np.ndarray, targets: np.ndarray) -> tuple[float, int, float]:
    """Macro average precision over the labels that have a positive.

    The official script averages over all 355 labels; on the official files each label has a positive, so both agree.
    A label without a positive has no average precision (scikit-learn warns and returns 0), so it is left out here.

    Args:
        similarity: (items, labels) score of each label for each item.
        targets: (items, labels) bool, the true labels.

    Returns:
        mean average precision in [0, 1], number of labels averaged, expected value of a random order.
    """
    from sklearn.metrics import average_precision_score

    columns = np.flatnonzero(targets.any(axis=0))
    precisions = [average_precision_score(targets[:, k], similarity[:, k]) for k in columns]
    items, positives = len(targets), targets[:, columns].sum(axis=0)
    # rank i of a positive has precision (1 + positives above) / i, and i is uniform in 1..items
    harmonic = float(np.sum(1 / np.arange(1, items + 1))) / items
    expected = harmonic + (positives - 1) / max(items - 1, 1) * (1 - harmonic)
    return float(np.mean(precisions)), len(columns), float(np.mean(expected))


def score_labels(
    predictions: Sequence[str],
    truths: Sequence[Sequence[str]],
    labels: Sequence[str],
    embed: Callable[[Sequence[str]], np.ndarray],
) -> dict[str, Score]:
    """Types A and C: `mAP` and, beside it, `mean_cosine` between the answer and the true answer.

    Args:
        predictions: generated answers, embedded whole and as they are.
        truths: lower-case labels of each item; all of them must occur in `labels`.
        labels: the label set in the spelling to embed; matched in lower case.
        embed: texts to unit vectors (texts, width).
    """
    column = {label.lower(): index for index, label in enumerate(labels)}
    targets = np.zeros((len(truths), len(labels)), dtype=bool)
    for row, names in enumerate(truths):
        targets[row, [column[name] for name in names]] = True
    texts = [answers.format_labels(names) for names in truths]
    answer_vectors, label_vectors, truth_vectors = embed(predictions), embed(labels), embed(texts)
    similarity = answer_vectors @ label_vectors.T
    precision, classes, expected = average_precision(similarity, targets)
    unparsed = sum(answers.parse_labels(text) is None for text in predictions)
    cosines = np.sum(answer_vectors * truth_vectors, axis=1, dtype=np.float64)
    # the mean cosine over all pairs of true answers is the squared length of their mean
    random_cosine = float(np.sum(np.mean(truth_vectors, axis=0, dtype=np.float64) ** 2))
    # an answer of several labels is embedded whole, so even the truth may rank below 100
    ceiling = average_precision(truth_vectors @ label_vectors.T, targets)[0]
    details = {"labels": len(labels), "labels_averaged": classes, "of_true_answers": 100 * ceiling}
    return {
        "mAP": Score(100 * precision, len(texts), unparsed, 100 * expected, details=details),
        "mean_cosine": Score(float(np.mean(cosines)), len(texts), unparsed, random_cosine, unit="cosine"),
    }


def score_locations(predictions: Sequence[str], truths: Sequence[Location]) -> dict[str, Score]:
    """Types B and D: `direction_acc` (8 directions: all three words right), each axis alone, and `DER` at 0.5 m.

    Each is read by itself: an answer whose distance cannot be read may still have the direction right.
    """
    scores = {
        "direction_acc": _accuracy([answers.parse_directions(text) for text in predictions], [t.words for t in truths])
    }
    for axis in AXES:
        parsed = [answers.parse_axis(text, axis) for text in predictions]
        scores[f"{axis}_acc"] = _accuracy(parsed, [getattr(truth, axis) for truth in truths])
    scores["DER"] = score_distances(predictions, [truth.distance_m for truth in truths])
    return scores


def score_distances(predictions: Sequence[str], truths: Sequence[float]) -> Score:
    """Distance error rate: share of answers more than 0.5 m off, unparsed ones included."""
    parsed = [answers.parse_distance(text) for text in predictions]
    guesses = np.array([np.inf if value is None else value for value in parsed])
    true = np.asarray(truths, dtype=float)
    wrong = np.abs(guesses - true) > DISTANCE_TOLERANCE_M + _ROUNDING_M
    ordered = np.sort(true)
    within = np.searchsorted(ordered, true + DISTANCE_TOLERANCE_M + _ROUNDING_M, side="right")
    within = within - np.searchsorted(ordered, true - DISTANCE_TOLERANCE_M - _ROUNDING_M, side="left")
    random = 1 - float(np.mean(within)) / len(true)
    return Score(100 * float(np.mean(wrong)), len(true), parsed.count(None), 100 * random, higher_is_better=False)


def score_yes_no(predictions: Sequence[str], truths: Sequence[bool]) -> Score:
    """Accuracy of yes and no; anything that is not exactly one of them is wrong."""
    return _accuracy([answers.parse_yes_no(text) for text in predictions], truths)


def score_direction_words(predictions: Sequence[str], truths: Sequence[str]) -> Score:
    """Accuracy of a single direction word ("left")."""
    return _accuracy([answers.parse_direction_word(text) for text in predictions], truths)


def score_label_sets(predictions: Sequence[str], truths: Sequence[Sequence[str]]) -> Score:
    """Share of answers that name exactly the true labels, in any order."""
    parsed = [answers.parse_labels(text) for text in predictions]
    return _accuracy([None if labels is None else tuple(labels) for labels in parsed], [tuple(t) for t in truths])


def score_exact(question_type: str, predictions: Sequence[str], truths: Sequence[dict[str, Any]]) -> Score:
    """Our own question families: share of answers whose value, as `answers.parse_value` reads it, is the truth itself."""
    parsed = [answers.parse_value(question_type, text) for text in predictions]
    return _accuracy([None if value is None else _canonical(value) for value in parsed], [_canonical(t) for t in truths])


def _canonical(value: dict[str, Any]) -> str:
    return json.dumps(value, sort_keys=True)


def mean_of(first: Score, second: Score) -> Score:
    """The plain average of two scores, as BAT averages the two halves of type E."""
    return Score(
        (first.value + second.value) / 2,
        first.n + second.n,
        first.unparsed + second.unparsed,
        (first.random + second.random) / 2,
    )


def _accuracy(parsed: Sequence[Hashable | None], truths: Sequence[Hashable]) -> Score:
    right = sum(value == truth for value, truth in zip(parsed, truths, strict=True))
    shares = np.array(list(Counter(truths).values())) / len(truths)
    random = float(np.sum(shares**2))
    return Score(100 * right / len(truths), len(truths), sum(value is None for value in parsed), 100 * random)
