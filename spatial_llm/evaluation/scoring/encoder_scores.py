"""Scores of an encoder as a record: mAP, ER20, MAE and DER on a frozen manifest, with bootstrap intervals, beside the
published rows; and the weights of its feature attention.

Note: published encoder scores cannot be repeated exactly, because the released evaluation of Spatial-AST and DSpAST draws a
random room for each clip without a seed. Ours are made on a manifest whose recordings are fixed and which is named by its
hash.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.encoders.configuration_dspast import BRANCHES
from spatial_llm.encoders.metrics import ERROR_DEG, encoder_scores, localization_errors, sides
from spatial_llm.evaluation.names import titled
from spatial_llm.evaluation.published import published_scores
from spatial_llm.evaluation.statistics.bootstrap import CONFIDENCE, Bootstrap, macro_average_precision, mean_of
from spatial_llm.evaluation.text_tables import format_grid
from spatial_llm.evaluation.verdicts import encoder_verdict

BENCHMARK = "encoder test (17148 clips; rooms drawn at random)"
RULES = {
    "mAP": "macro average precision (%) over the event classes that have a positive",
    "ER20": f"share (%) of recordings whose direction is more than {ERROR_DEG:g} degrees off, great circle",
    "MAE_deg": "mean great-circle error in degrees",
    "DER": "share (%) of recordings whose distance is more than one class (0.5 m) off",
    "left_right": "share (%) of recordings on the right side of left and right",
    "front_behind": "share (%) of recordings on the right side of front and behind",
    "above_below": "share (%) of recordings on the right side of above and below",
    "eight_way": "share (%) of recordings on the right side of left and right, front and behind, above and below",
}


def score_encoder(
    outputs: dict[str, NDArray], labels: dict[str, NDArray], resamples: int = 1000, seed: int = 0
) -> dict[str, dict[str, Any]]:
    """Scores N recordings; returns by name `value`, `low`, `high` (None below two recordings) and `published` rows.

    Args:
        outputs: logits "event" (N, classes), "distance", "azimuth", "elevation" (N, their classes).
        labels: "event" (N, classes) multi-hot, the others (N,) class indices.
        resamples: number of bootstrap resamples over recordings; the interval holds the middle 95 % of them.
        seed: of the resamples.
    """
    point = encoder_scores(outputs, labels)
    error_deg, distance_wrong = localization_errors(outputs, labels)
    side = sides(outputs, labels)
    all_sides = np.logical_and.reduce(list(side.values()))
    measures = {
        "mAP": (100.0, point["event_map"], macro_average_precision(outputs["event"], labels["event"] > 0)),
        "ER20": (100.0, point["er20"], mean_of(error_deg > ERROR_DEG)),
        "MAE_deg": (1.0, point["mae_deg"], mean_of(error_deg)),
        "DER": (100.0, point["der"], mean_of(distance_wrong)),
        **{name: (100.0, point[name], mean_of(side[name])) for name in ("left_right", "front_behind", "above_below")},
        "eight_way": (100.0, all_sides.mean(), mean_of(all_sides)),
    }
    rows = np.arange(len(error_deg))
    bootstrap, published = Bootstrap(rows, resamples, seed), published_scores(BENCHMARK)
    scores = {}
    for name, (scale, value, statistic) in measures.items():
        low, high = bootstrap.interval(statistic, rows, CONFIDENCE)
        scores[name] = {
            "value": float(scale * value),
            "low": None if np.isnan(low) else scale * low,
            "high": None if np.isnan(high) else scale * high,
            "rule": RULES[name],
            "published": [row.to_dict() for row in published if row.metric == name],
        }
    return scores


def attention_summary(attention: NDArray, cues: Sequence[str]) -> dict[str, dict[str, dict[str, float]]]:
    """Converts (N, 3 branches, F cues) to branch -> cue -> mean and standard deviation over the recordings."""
    mean, deviation = attention.mean(axis=0), attention.std(axis=0)
    return {
        branch: {cue: {"mean": float(mean[b, c]), "std": float(deviation[b, c])} for c, cue in enumerate(cues)}
        for b, branch in enumerate(BRANCHES)
    }


def plot_attention(summary: dict[str, dict[str, dict[str, float]]], path: str | Path) -> None:
    """Plots the summary as bars, one group a branch (figure 2 of arXiv 2509.13927), and writes the picture."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.subplots()
    cues = list(next(iter(summary.values())))
    width = 0.8 / len(cues)
    for index, cue in enumerate(cues):
        places = np.arange(len(summary)) + (index - (len(cues) - 1) / 2) * width
        of_cue = [weights[cue] for weights in summary.values()]
        axes.bar(places, [w["mean"] for w in of_cue], width, yerr=[w["std"] for w in of_cue], label=cue, capsize=2)
    axes.set_xticks(range(len(summary)), list(summary))
    axes.set_ylim(0, 1)
    axes.set_ylabel("feature attention")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(cues), fontsize="small", frameon=False)
    figure.savefig(path, dpi=150)


def _interval(metric: dict[str, Any]) -> str:
    return "-" if metric["low"] is None else f"{metric['low']:.2f} to {metric['high']:.2f}"


def format_encoder_table(report: dict[str, Any]) -> str:
    """Formats the report of eval/encoder.py as Markdown, the verdict in the last line."""
    metrics = report["metrics"]
    ours = [[titled(name), f"{m['value']:.2f}", _interval(m), m["rule"]] for name, m in metrics.items()]
    systems = list(dict.fromkeys(row["system"] for metric in metrics.values() for row in metric["published"]))
    beside = []
    for name, metric in metrics.items():
        known = {row["system"]: f"{row['value']:.2f}" for row in metric["published"]}
        beside.append([titled(name), f"{metric['value']:.2f}", *(known.get(system, "-") for system in systems)])
    parts = [
        "# Encoder scores",
        f"{report['recordings']} recordings, manifest sha256 {report['provenance']['manifest_sha256']}. Intervals: "
        f"{CONFIDENCE:.0%} of {report['resamples']} bootstrap resamples of the recordings, seed {report['seed']}.",
        format_grid(["metric", "value", "interval", "rule"], ours),
        f"## Beside published scores: {BENCHMARK}",
        "Comparable only where the manifest holds these 17,148 clips, and then within the chance of its rooms.",
        format_grid(["metric", "ours", *systems], beside),
        encoder_verdict(report),
    ]
    return "\n\n".join(parts) + "\n"
