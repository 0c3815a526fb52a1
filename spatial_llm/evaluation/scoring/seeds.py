"""Compares kinds of models, each trained several times: is one better, or was it the luck of a seed?

A bootstrap over recordings shows how a trained model would score on other recordings; it does not show how the same recipe
scores with another seed, and at tiny size that variation is larger. So the unit here is the run: a kind's score is the mean
over its runs with Student's interval, and two kinds are compared by Welch's t-test, adjusted for their number (Holm, 1979).
With three runs a kind both are wide, as they should be.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.names import titled
from spatial_llm.evaluation.statistics.bootstrap import CONFIDENCE, holm
from spatial_llm.evaluation.text_tables import format_grid
from spatial_llm.evaluation.verdicts import kinds_verdict

# By the file that a door wrote for each run: the metrics to compare, and their units.
REPORTS: dict[str, dict[str, str]] = {
    "encoder.json": {"mAP": "%", "ER20": "%", "MAE_deg": "degrees", "DER": "%"},
    "retrieval.json": dict.fromkeys(
        ("sound_to_recording_R1", "sound_to_text_R1", "place_to_recording_R1", "place_to_text_R1"), "%"
    ),
    "scores.json": dict.fromkeys(("A_mAP", "B_direction_acc", "B_DER", "C_mAP", "D_direction_acc", "D_DER", "E_acc"), "%"),
}
LOWER_IS_BETTER = ("ER20", "MAE_deg", "DER", "B_DER", "D_DER")  # of reports that do not say so themselves
DECIMALS = {"s": 3, "m": 2}  # of a table, by unit; others have one
FEWEST = 2  # fewest runs of a kind; a single run shows nothing about seeds


def read_metrics(reports: Mapping[str, Sequence[dict[str, Any]]], names: Sequence[str]) -> dict[str, str]:
    """Returns the units of metrics by their names, as the reports state them.

    Raises:
        SpatialLLMError: a report does not have one of the metrics, or there its value is undefined.
    """
    for kind, runs in reports.items():
        for report in runs:
            undefined = [name for name in names if report["metrics"].get(name, {}).get("value") is None]
            if undefined:
                there = ", ".join(sorted(report["metrics"]))
                raise SpatialLLMError(f"a run of {kind} has no value of {', '.join(undefined)}; its metrics are {there}.")
    first = next(iter(reports.values()))[0]["metrics"]
    return {name: first[name]["unit"] for name in names}


def joined(reports: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns the reports of one run, of different kinds, as one with the metrics of all.

    Raises:
        SpatialLLMError: they are on different manifests.
    """
    manifests = {report["provenance"]["manifest_sha256"] for report in reports}
    if len(manifests) != 1:
        raise SpatialLLMError(f"scores of one run on {len(manifests)} manifests; score it on the same one.")
    return reports[0] | {"metrics": {name: one for report in reports for name, one in report["metrics"].items()}}


def compare_kinds(
    reports: Mapping[str, Sequence[dict[str, Any]]], reference: str, metrics: Mapping[str, str]
) -> dict[str, Any]:
    """Returns the scores of each kind over its runs, and its difference to the kind `reference`.

    Args:
        reports: by the name of the kind, the content of a file of `REPORTS` for each run; all on one manifest.
        reference: one of the names.
        metrics: the metrics to compare, keys of `metrics` in the reports.

    Returns:
        `manifest_sha256`, `reference`, `lower_is_better` (names of metrics), and for each kind by metric: `value` (mean over
            runs), `low`, `high` (95 %, Student), `runs`; and except for the reference `difference` (kind minus reference)
            and `p_holm`.

    Raises:
        SpatialLLMError: a kind has fewer than two runs, there is no such reference, or reports are on different manifests.
    """
    manifests = {report["provenance"]["manifest_sha256"] for runs in reports.values() for report in runs}
    if len(manifests) != 1:
        raise SpatialLLMError(f"scores on {len(manifests)} manifests; score every run on the same one.")
    few = [f"{name} ({len(runs)})" for name, runs in reports.items() if len(runs) < FEWEST]
    if few or reference not in reports:
        raise SpatialLLMError(
            f"reference {reference!r} among {', '.join(reports)}; too few runs: {', '.join(few) or 'none'}; give at least "
            f"{FEWEST} runs of each kind, and a reference that is one of them."
        )
    values = {
        name: {metric: [report["metrics"][metric]["value"] for report in runs] for metric in metrics}
        for name, runs in reports.items()
    }
    kinds = {name: {metric: _over_runs(runs) for metric, runs in found.items()} for name, found in values.items()}
    tested = [(name, metric) for name in values if name != reference for metric in metrics]
    p_values = [_p_value(values[name][metric], values[reference][metric]) for name, metric in tested]
    for (name, metric), p_value in zip(tested, holm(p_values), strict=True):
        kinds[name][metric]["difference"] = kinds[name][metric]["value"] - kinds[reference][metric]["value"]
        kinds[name][metric]["p_holm"] = p_value
    first = reports[reference][0]["metrics"]
    lower = [name for name in metrics if not first[name].get("higher_is_better", name not in LOWER_IS_BETTER)]
    return {"manifest_sha256": manifests.pop(), "reference": reference, "lower_is_better": lower, "kinds": kinds}


def _p_value(first: Sequence[float], second: Sequence[float]) -> float:
    """Returns the p-value of Welch's t-test; 1 if neither kind varies over its runs, because then nothing says how far a run
    falls from another by luck: three scores of few questions are equal by chance."""
    if np.allclose(first, first[0], rtol=1e-9) and np.allclose(second, second[0], rtol=1e-9):
        return 1.0
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)  # of one kind without spread beside one with it
        return float(stats.ttest_ind(first, second, equal_var=False).pvalue)


def _over_runs(runs: Sequence[float]) -> dict[str, Any]:
    mean, error = float(np.mean(runs)), float(stats.sem(runs))
    half = float(stats.t.ppf(0.5 + CONFIDENCE / 2, len(runs) - 1)) * error
    return {"value": mean, "low": mean - half, "high": mean + half, "runs": list(runs)}


def format_kinds(found: dict[str, Any], metrics: Mapping[str, str]) -> str:
    """Formats the result of `compare_kinds` as Markdown: a table with a row a kind and a column for each of the metrics (by
    their units), whose cells are "16.4 (15.1 to 17.7; p 0.03)", p against the reference; below it the verdict in a line."""

    def cell(score: dict[str, Any], unit: str) -> str:
        p_value = f"; p {score['p_holm']:.2g}" if "p_holm" in score else ""
        value, low, high = (f"{score[name]:.{DECIMALS.get(unit, 1)}f}" for name in ("value", "low", "high"))
        return f"{value} ({low} to {high}{p_value})"

    kinds = found["kinds"]
    rows = [[name, *(cell(kinds[name][metric], unit) for metric, unit in metrics.items())] for name in kinds]
    table = format_grid(["kind", *(f"{titled(metric)} ({unit})" for metric, unit in metrics.items())], rows)
    return f"{table}\n\n{kinds_verdict(found, found['lower_is_better'])}"
