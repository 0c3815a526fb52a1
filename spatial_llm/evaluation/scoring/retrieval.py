"""Scores retrieval: does a text find its recordings among others, and a recording its text?

Every recording asks once with its text, and once for its text. R@k is the share of the queries for which one of the first k
found is right. Right is whatever the text is true of, so that recordings of which the same is said are all right; equal
texts count as one. Where likenesses are equal, the value is the expected one over all orders of the equal ones, so that a
model that finds everything equally alike scores as chance, which is given beside each score. A query that cannot go wrong,
because all among which it asks are right, does not count.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.names import titled
from spatial_llm.evaluation.statistics.bootstrap import CONFIDENCE, Bootstrap, mean_of
from spatial_llm.evaluation.text_tables import format_grid

TOP = (1, 10)
_NAMED = 3  # most metrics that the verdict names
DIRECTIONS = {"to_recording": "text to recording", "to_text": "recording to text"}


class Likeness(NamedTuple):
    """How alike N texts and N recordings are; text i is that of recording i.

    Attributes:
        cosines: (N texts, N recordings).
        texts: (N,), equal where the texts are.
        right: (N texts, N recordings) bool, which text is true of which recording.
        among: (N texts, N recordings) bool, which recordings a text is to be found among, and which texts a recording.
        rule: in words, what texts name, and what they are told from.
    """

    cosines: NDArray
    texts: Sequence[str]
    right: NDArray
    among: NDArray
    rule: str


def recall_at(likeness: NDArray, right: NDArray, among: NDArray, most: int) -> NDArray:
    """Returns for each of Q queries the probability that one of the first `most` candidates is right, ties in random order.

    Args:
        likeness: (Q, C).
        right: (Q, C) bool.
        among: (Q, C) bool, the candidates of each query.
        most: k of R@k.

    Returns:
        (Q,); NaN for a query of whose candidates none is right, or all are.
    """
    right = right & among
    best = np.where(right, likeness, -np.inf).max(axis=1, keepdims=True)
    places = most - (among & (likeness > best)).sum(axis=1)  # none above the best right one is right
    tied = among & (likeness == best)
    wrong, all_tied = (tied & ~right).sum(axis=1).astype(float), tied.sum(axis=1).astype(float)
    missed = np.ones(len(likeness))
    for taken in range(most):
        drawn = taken < places
        share = np.divide(np.maximum(wrong - taken, 0), all_tied - taken, out=np.zeros_like(wrong), where=all_tied > taken)
        missed = np.where(drawn, missed * share, missed)
    counts = right.any(axis=1) & (among & ~right).any(axis=1)
    return np.where(counts, 1 - missed, np.nan)


def score_retrieval(likeness: Mapping[str, Likeness], resamples: int = 1000, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Scores N recordings, in percent.

    Args:
        likeness: by the name of what is asked for ("sound", "place").
        resamples: number of bootstrap resamples of the queries by recording; all recordings stay to be found.
        seed: of the resamples.

    Returns:
        By name ("sound_to_recording_R1") `value`, `low`, `high` (None below two recordings), `chance`, `queries` that count,
        their median number of `candidates`, and `rule`.

    Raises:
        SpatialLLMError: shapes differ, a text is not true of its own recording, or no query can go wrong.
    """
    scores: dict[str, dict[str, Any]] = {}
    for asked, one in likeness.items():
        count = len(one.texts)
        if any(part.shape != (count, count) for part in (one.cosines, one.right, one.among)):
            raise SpatialLLMError(f"{asked}: {count} texts and arrays of other sizes; give as many recordings as texts.")
        if not (np.diag(one.right) & np.diag(one.among)).all():
            raise SpatialLLMError(f"{asked}: a text is not true of its own recording, which is a bug of whoever wrote it.")
        sides = {
            "to_recording": (one.cosines, one.right, one.among),
            "to_text": (one.cosines.T, one.right.T, _once(one.among.T, one.texts)),
        }
        bootstrap, rows = Bootstrap(range(count), resamples, seed), np.arange(count)
        for direction, (cosines, right, among) in sides.items():
            for most in TOP:
                hits = recall_at(cosines, right, among, most)
                counted = ~np.isnan(hits)
                if not counted.any():
                    raise SpatialLLMError(
                        f"{asked}, {DIRECTIONS[direction]}: every query has one candidate, or none but right ones; give a "
                        "manifest with several recordings that differ in it."
                    )
                low, high = bootstrap.interval(mean_of(hits), rows, CONFIDENCE)
                scores[f"{asked}_{direction}_R{most}"] = {
                    "value": 100.0 * float(np.nanmean(hits)),
                    "low": None if np.isnan(low) else 100.0 * low,
                    "high": None if np.isnan(high) else 100.0 * high,
                    "chance": 100.0 * float(np.nanmean(recall_at(np.zeros_like(cosines), right, among, most))),
                    "queries": int(counted.sum()),
                    "candidates": float(np.median(among.sum(axis=1)[counted])),
                    "rule": f"{DIRECTIONS[direction]}, one of the first {most} is right; {one.rule}",
                }
    return scores


def _once(among: NDArray, texts: Sequence[str]) -> NDArray:
    """Returns the candidates of each query (Q, C) without those whose text an earlier candidate of the same query has."""
    numbers, kept = np.unique(np.array(texts), return_inverse=True)[1], np.zeros_like(among)
    for row, candidates in enumerate(map(np.flatnonzero, among)):
        kept[row, candidates[np.unique(numbers[candidates], return_index=True)[1]]] = True
    return kept


def format_retrieval_table(report: Mapping[str, Any]) -> str:
    """Formats the report of eval/retrieve.py as Markdown, the verdict in the last line."""
    rows = [
        [
            titled(name),
            f"{one['value']:.1f}",
            "-" if one["low"] is None else f"{one['low']:.1f} to {one['high']:.1f}",
            f"{one['chance']:.1f}",
            str(one["queries"]),
            f"{one['candidates']:g}",
            one["rule"],
        ]
        for name, one in report["metrics"].items()
    ]
    parts = [
        "# Retrieval",
        f"{report['recordings']} recordings, manifest sha256 {report['provenance']['manifest_sha256']}; texts read by "
        f"{report['sentence_encoder']}. In percent; intervals: {CONFIDENCE:.0%} of {report['resamples']} bootstrap "
        f"resamples of the queries by recording, seed {report['seed']}.",
        format_grid(["metric", "value", "interval", "chance", "queries", "candidates", "rule"], rows),
        _verdict(report["metrics"]),
    ]
    return "\n\n".join(parts) + "\n"


def _verdict(metrics: Mapping[str, Any]) -> str:
    better = [name for name, one in metrics.items() if one["low"] is not None and one["low"] > one["chance"]]
    said = f"on {len(better)} of {len(metrics)} metrics the interval lies above chance"
    rest = [name for name in metrics if name not in better]
    named = ", ".join(rest[:_NAMED]) + (", ..." if len(rest) > _NAMED else "")
    return f"Verdict: {said}{f' (not on {named})' if rest else ''}."
