"""Compares two runs on the same questions, metric by metric: is the difference more than the luck of these recordings?

Note: both runs are compared on the same recordings, so that what makes a recording hard cancels out; two intervals may
overlap although the difference is certain. The interval of the difference draws the same recordings for both runs; the
p-value exchanges whole recordings between them. Many metrics are tested at once, so each p-value is also given as Holm's
step-down method adjusts it over all tested metrics. Where a measure is right or wrong, the items on which the runs disagree
are counted. Source: `statistics`; for the Reliability Gain Index `reliability`, with the first run as the one before the
treatment.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.data.spatialsoundqa.release import read_label_csv
from spatial_llm.errors import SpatialLLMError
from spatial_llm.evaluation.benchmarks import ChoiceSet
from spatial_llm.evaluation.metrics import (
    Metric,
    compute_metrics,
    declined_of,
    embedded_texts,
    read_answers,
    reliability,
    right_of,
    rule_of,
)
from spatial_llm.evaluation.names import titled
from spatial_llm.evaluation.predicting.evaluation_set import EvaluationSet
from spatial_llm.evaluation.predicting.predictions import read_predictions, read_run
from spatial_llm.evaluation.predicting.tasks import Reading
from spatial_llm.evaluation.scoring.choices import as_metrics, refusals, rule_for
from spatial_llm.evaluation.scoring.settings import ScoreSettings
from spatial_llm.evaluation.statistics.bootstrap import CONFIDENCE, Bootstrap, Statistic, holm
from spatial_llm.evaluation.text_tables import format_grid
from spatial_llm.evaluation.verdicts import comparison_verdict
from spatial_llm.provenance import provenance
from spatial_llm.sentences.embedding import Embed, EmbedOnce

RULES = {
    "difference": "second run minus first, with the interval of its bootstrap over recordings (the same draw for both)",
    "p_value": "two-sided approximate randomization test: whole recordings exchanged between the runs by lot",
    "p_holm": "p_value adjusted for the number of metrics that differ at all (Holm's step-down method), the diagnostics by "
    "themselves and the others by themselves",
    "unparsed": "answers that the reading cannot read: means of errors leave them out, so a run that answers less may "
    "seem to err less",
    "discordant": "items that only the first run, or only the second, has right",
    "rgi": reliability.RGI_RULE,
}


# No p-value is below 1 / (resamples + 1), which is then corrected for over a hundred metrics.
DEFAULTS = ScoreSettings(resamples=10_000)


@dataclass(frozen=True, eq=False)
class Run:
    """One run's answers as numbers.

    Attributes:
        metrics: metrics of the whole set.
        right: (items,) 1 or 0 by the main measure of each item's question type, NaN where it has none.
        refused: (items,) bool: whether the answer states that it cannot tell, rightly or not.
    """

    metrics: Sequence[Metric]
    right: NDArray
    refused: NDArray


def compare_predictions(
    first: str | Path,
    second: str | Path,
    evaluation_set: EvaluationSet | ChoiceSet,
    embed: Embed,
    embedding: str,
    label_csv: str | Path | None = None,
    settings: ScoreSettings = DEFAULTS,
) -> dict[str, Any]:
    """Returns the content of compare.json: that of `compare`, and what it was made with.

    Args:
        first, second: paths of two predictions.jsonl; the Reliability Gain Index takes the first as the run before.
        evaluation_set: the questions that both answer.
        embed, embedding, label_csv: as in `score.score_run`.
        settings: see `ScoreSettings`; its number of resamples is also that of exchanges in the randomization test.

    Raises:
        ManifestError: one of them was made for other questions, or is damaged (see `read_predictions`).
        MissingVectorsError: texts have no vector in a file of vectors.
    """
    items, sha256 = evaluation_set.items, evaluation_set.sha256
    bootstrap = Bootstrap([item.recording_id for item in items], settings.resamples, settings.seed)
    about = {
        "benchmark": evaluation_set.benchmark,
        "provenance": provenance() | {"manifest_sha256": sha256},
        "runs": {"first": read_run(first), "second": read_run(second)},
        "task": settings.task,
    }
    if isinstance(evaluation_set, ChoiceSet):
        rule, runs = rule_for(evaluation_set, embed, embedding), []
        for path in (first, second):
            texts = read_predictions(path, items, sha256)
            scores, refused = rule(evaluation_set, texts), refusals(texts)
            runs.append(Run(_asked_for(as_metrics(scores, refused), settings), scores.right.astype(np.float64), refused))
        rules = {"label_set": None, "protocols": scores.protocols, "unreadable_truths": {}}
        return compare(*runs, bootstrap, settings.reading) | about | rules
    answers = [read_answers(items, read_predictions(path, items, sha256)) for path in (first, second)]
    label_csv = label_csv or evaluation_set.label_csv
    labels = read_label_csv(label_csv) if label_csv else None
    embed = EmbedOnce(embed)
    asked = settings.protocols or ()
    embed.prepare([embedded_texts(run, labels, asked) for run in answers])
    runs = []
    for run in answers:
        wanted = _asked_for(compute_metrics(run, embed, embedding, labels, asked).values(), settings)
        runs.append(Run(wanted, right_of(run, settings.reading), declined_of(run, settings.reading)))
    # Metrics of answers in degrees, for questions about words, exist only in a run that has such answers.
    both = set.intersection(*({metric.name for metric in run.metrics} for run in runs))
    runs = [replace(run, metrics=[metric for metric in run.metrics if metric.name in both]) for run in runs]
    rules = {
        "label_set": "given" if label_csv else "labels of the answers",
        "protocols": dict(sorted({rule_of(metric.protocol) for metric in runs[0].metrics})),
        "unreadable_truths": answers[0].unreadable_truths,
    }
    return compare(*runs, bootstrap, settings.reading) | about | rules


def _asked_for(metrics: Iterable[Metric], settings: ScoreSettings) -> list[Metric]:
    return [metric for metric in metrics if settings.asks_for(metric.protocol)]


def compare(
    first: Run, second: Run, bootstrap: Bootstrap, reading: Reading = "strict", confidence: float = CONFIDENCE
) -> dict[str, Any]:
    """Returns the differences of two runs on the same questions, ready for JSON; what is undefined is None.

    Args:
        first, second: runs with the same metrics of the same items.
        bootstrap: over the recordings of the whole set.
        reading: how answers are read.
        confidence: of the intervals.

    Returns:
        `metrics`: name -> first, second, difference, low, high, p_value, p_holm, n, recordings, unit, higher_is_better,
            protocol, discordant; `rgi`: value, low, high, counts; `rules`.

    Raises:
        SpatialLLMError: the runs do not have the same metrics of the same items.
    """
    _check_same(first, second)
    metrics = {}
    for one, two in zip(first.metrics, second.metrics, strict=True):
        pair = one.by(reading), two.by(reading)
        found = {key: _json(value) for key, value in asdict(bootstrap.paired(*pair, one.rows, confidence)).items()}
        metrics[one.name] = found | {
            "discordant": _discordant(*pair, one.higher_is_better),
            "higher_is_better": one.higher_is_better,
            "n": len(one.rows),
            "protocol": one.protocol,
            "recordings": bootstrap.recordings_of(one.rows),
            "unit": one.unit,
            "unparsed": {"first": one.unparsed_by(reading), "second": two.unparsed_by(reading)},
        }
    _adjust(metrics)
    return {
        "confidence": confidence,
        "items": len(first.right),
        "metrics": dict(sorted(metrics.items())),
        "reading": reading,
        "recordings": bootstrap.recordings,
        "resamples": bootstrap.resamples,
        "rgi": _gain(first, second, bootstrap, confidence),
        "rules": RULES,
        "seed": bootstrap.seed,
    }


def _adjust(metrics: dict[str, dict[str, Any]]) -> None:
    """Puts p_holm into each entry. The many diagnostics must not hide what the metrics of the protocols show, and where
    both runs gave the same answers there is nothing to test."""
    for diagnostic in (False, True):
        family = [entry for entry in metrics.values() if entry["protocol"].startswith("diagnostic") == diagnostic]
        same = [entry["difference"] == entry["low"] == entry["high"] == 0 for entry in family]
        p_values = [
            float("nan") if alike or entry["p_value"] is None else entry["p_value"]
            for entry, alike in zip(family, same, strict=True)
        ]
        for entry, adjusted in zip(family, holm(p_values), strict=True):
            entry["p_holm"] = _json(adjusted)


def _gain(first: Run, second: Run, bootstrap: Bootstrap, confidence: float) -> dict[str, Any]:
    """Returns what became of refusals from the first run to the second, on the items that have a verdict."""
    rows = np.flatnonzero(~np.isnan(first.right))
    gain, counts = reliability.reliability_gain(first.right[rows], first.refused[rows], second.refused[rows])
    low, high = bootstrap.interval(gain, rows, confidence)
    return {"value": _json(bootstrap.value(gain, rows)), "low": _json(low), "high": _json(high), "counts": asdict(counts)}


def _discordant(one: Statistic, two: Statistic, higher_is_better: bool) -> dict[str, int] | None:
    """Counts the items on which the runs disagree, for a measure that is 0 or 1 (or 0 or 100 %) for each item."""
    if one.values is None or two.values is None:
        return None
    values = np.stack([one.values, two.values])
    known = values[~np.isnan(values)]
    if not any(np.isin(known, (0.0, whole)).all() for whole in (1.0, 100.0)):
        return None
    first, second = values if higher_is_better else -values
    return {"only_first_right": int(np.sum(first > second)), "only_second_right": int(np.sum(second > first))}


def _check_same(first: Run, second: Run) -> None:
    names = [[metric.name for metric in run.metrics] for run in (first, second)]
    if names[0] != names[1]:
        only = sorted({*names[0]} ^ {*names[1]})
        raise SpatialLLMError(f"the runs differ in their metrics ({', '.join(only)}); score both by the same task.")
    for one, two in zip(first.metrics, second.metrics, strict=True):
        if not np.array_equal(one.rows, two.rows) or one.protocol != two.protocol:
            raise SpatialLLMError(f"{one.name}: the runs have other items or another protocol; score both by the same task.")


def _json(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def format_comparison(report: dict[str, Any]) -> str:
    """Formats the report of `compare_predictions` as Markdown: one table a protocol, and last the verdict in a line."""
    settings = {name: run or {} for name, run in report["runs"].items()}
    keys = sorted({*settings["first"], *settings["second"]})
    differ = [key for key in keys if settings["first"].get(key) != settings["second"].get(key)]
    parts = [
        "# Two runs compared",
        f"Questions: {report['benchmark'] or 'a manifest of ours'}, sha256 {report['provenance']['manifest_sha256'][:12]}. "
        f"The runs differ in: {', '.join(differ) or 'nothing that their run.json tells'}.",
        f"{report['items']} questions about {report['recordings']} recordings; {report['reading']} reading; intervals "
        f"{report['confidence']:.0%} of {report['resamples']} resamples of the recordings, seed {report['seed']}.",
    ]
    by_protocol = defaultdict(dict)
    for name, entry in report["metrics"].items():
        by_protocol[entry["protocol"]][name] = entry
    for protocol, entries in sorted(by_protocol.items()):
        parts += [f"## Protocol: {protocol}", _table(entries)]
    gain = report["rgi"]
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in gain["counts"].items())
    said = f"RGI from the first run to the second: {_number(gain['value'])} ({_interval(gain)}); {counts}."
    parts += [
        "## Refusals",
        "The second run refuses nothing." if gain["value"] is None else said,
        "\n".join(f"- {name}: {text}" for name, text in (report["rules"] | report["protocols"]).items()),
        comparison_verdict(report),
    ]
    return "\n\n".join(parts) + "\n"


def _table(entries: dict[str, dict[str, Any]]) -> str:
    runs = ("first", "second")
    tests = ["p", "p (Holm)", *(f"only {run} right" for run in runs)]
    header = ["metric", "unit", *runs, "difference", "interval", *tests, "n", *(f"unparsed, {run}" for run in runs)]
    rows = []
    for name, entry in entries.items():
        values = [_number(entry[key]) for key in (*runs, "difference")]
        p_values = [_number(entry[key]) for key in ("p_value", "p_holm")]
        only = [(entry["discordant"] or {}).get(f"only_{run}_right", "-") for run in runs]
        rows.append(
            [
                titled(name),
                entry["unit"] or "-",
                *values,
                _interval(entry),
                *p_values,
                *only,
                entry["n"],
                *(entry["unparsed"][run] for run in runs),
            ]
        )
    return format_grid(header, rows)


def _interval(entry: dict[str, Any]) -> str:
    return "-" if entry["low"] is None else f"{_number(entry['low'])} to {_number(entry['high'])}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
