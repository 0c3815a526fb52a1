"""predictions.jsonl of a benchmark of others -> scores.json and items.jsonl in the form that ours have: the benchmark's own
rule, with intervals over recordings and with controls beside.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.answers import is_refusal, parse_choice
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.benchmarks.choice_scores import ChoiceMetric, ChoiceScores
from spatial_llm.evaluation.benchmarks.choices import ChoiceSet
from spatial_llm.evaluation.benchmarks.mmau_pro import MMAU_PRO, score_mmau_pro
from spatial_llm.evaluation.benchmarks.mmau_pro import PROTOCOLS as MMAU_PROTOCOLS
from spatial_llm.evaluation.benchmarks.star_bench import PROTOCOLS as STAR_PROTOCOLS
from spatial_llm.evaluation.benchmarks.star_bench import STAR_BENCH, score_star_bench
from spatial_llm.evaluation.control_scores import NOTES
from spatial_llm.evaluation.embedding import Embed
from spatial_llm.evaluation.metrics import family_name, interval_of
from spatial_llm.evaluation.metrics.metric import Metric, Percent
from spatial_llm.evaluation.predictions import control_names, prediction_line, read_control, read_predictions, read_run
from spatial_llm.evaluation.statistics import Bootstrap, mean_of
from spatial_llm.provenance import provenance

RANDOM_RULE = "Expected score of choosing an option blindly, anew in each item."
RESPONSES = {"recorded": "recordings as they are, no response added"}
Rule = Callable[[ChoiceSet, Sequence[str]], ChoiceScores]


def score_choices(
    predictions: str | Path,
    questions: ChoiceSet,
    embed: Embed,
    embedding: str,
    protocols: Sequence[str] | None,
    task: dict[str, Any] | None,
    reading: str,
    controls: Sequence[str],
    resamples: int,
    seed: int,
    confidence: float,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The content of scores.json and the lines of items.jsonl; arguments as in `score.score_run`.

    Raises:
        ManifestError: predictions and questions do not belong together, or a control is damaged; see `read_predictions`.
    """
    texts = read_predictions(predictions, questions.items, questions.sha256)
    rule = _rule_of(questions, embed, embedding)
    bootstrap = Bootstrap([item.recording_id for item in questions.items], resamples, seed)
    scores = rule(questions, texts)
    wanted = {
        name: metric
        for name, metric in scores.metrics.items()
        if protocols is None or family_name(metric.entry["protocol"]) in protocols
    }
    refused = np.array([is_refusal(text) for text in texts])
    report = {
        "benchmark": questions.benchmark,
        "confidence": confidence,
        "controls_missing": sorted(set(controls) - set(control_names(predictions))),
        "controls": {
            name: _control(predictions, name, questions, texts, rule, wanted, resamples, seed, confidence)
            for name in control_names(predictions)
        },
        "items": len(questions.items),
        "label_set": None,
        "metrics": {
            name: metric.entry
            | _interval(metric, metric.right, bootstrap, confidence)
            | {"refused": int(refused[metric.rows].sum()), "lenient": _lenient(metric, bootstrap, confidence)}
            for name, metric in wanted.items()
        },
        "protocols": dict(sorted(scores.protocols.items())),
        "provenance": provenance() | {"manifest_sha256": questions.sha256},
        "random": RANDOM_RULE,
        "reading": reading,
        "recordings": bootstrap.recordings,
        "resamples": resamples,
        "responses": RESPONSES,
        "run": read_run(predictions),
        "seed": seed,
        "task": task,
        "unreadable_truths": {},
    }
    return report, _lines(questions, texts, scores, refused)


def choice_metrics(
    questions: ChoiceSet, texts: Sequence[str], embed: Embed, embedding: str
) -> tuple[list[Metric], np.ndarray, np.ndarray]:
    """The metrics of a run as `compare` takes them, and of each item whether it is right by the rule and whether it refuses.

    Raises:
        ManifestError: see `score_choices`.
    """
    scores = _rule_of(questions, embed, embedding)(questions, texts)
    refused = np.array([is_refusal(text) for text in texts])
    metrics = []
    for name, found in scores.metrics.items():
        entry, lenient = found.entry, found.lenient_right
        metrics.append(
            Metric(
                name=name,
                **{key: entry[key] for key in ("protocol", "unit", "higher_is_better", "rule", "random", "unparsed")},
                rows=found.rows,
                strict=Percent(mean_of(found.right)),
                lenient=None if lenient is None else Percent(mean_of(lenient)),
                lenient_unparsed=None if lenient is None else entry["lenient"]["unparsed"],
                refused=int(refused[found.rows].sum()),
            )
        )
    return metrics, scores.right.astype(np.float64), refused


def choice_protocols(questions: ChoiceSet) -> dict[str, str]:
    """What the protocols of a benchmark's metrics mean."""
    return dict(STAR_PROTOCOLS if questions.benchmark == STAR_BENCH else MMAU_PROTOCOLS)


def _rule_of(questions: ChoiceSet, embed: Embed, embedding: str) -> Rule:
    match questions.benchmark:
        case str(name) if name == STAR_BENCH:
            return lambda some, texts: score_star_bench(some, texts, parse_choice)
        case str(name) if name == MMAU_PRO:
            return lambda some, texts: score_mmau_pro(some, texts, embed, embedding, parse_choice)
        case name:
            raise ManifestError(f"no rule to score {name!r} by; known are {STAR_BENCH} and {MMAU_PRO}.")


def _interval(metric: ChoiceMetric, right: np.ndarray, bootstrap: Bootstrap, confidence: float) -> dict[str, Any]:
    return interval_of(Percent(mean_of(right)), metric.rows, bootstrap, confidence)


def _lenient(metric: ChoiceMetric, bootstrap: Bootstrap, confidence: float) -> dict[str, Any] | None:
    if metric.lenient_right is None:
        return None
    return metric.entry["lenient"] | _interval(metric, metric.lenient_right, bootstrap, confidence)


def _control(
    predictions: str | Path,
    name: str,
    questions: ChoiceSet,
    texts: Sequence[str],
    rule: Rule,
    wanted: dict[str, ChoiceMetric],
    resamples: int,
    seed: int,
    confidence: float,
) -> dict[str, Any]:
    """A control as scores.json has it, with the real run on the same items beside."""
    rows, said = read_control(predictions, name, questions.items, questions.sha256)
    some = replace(questions, items=[questions.items[row] for row in rows])
    of_control, of_real = rule(some, said).metrics, rule(some, [texts[row] for row in rows]).metrics
    bootstrap = Bootstrap([item.recording_id for item in some.items], resamples, seed)
    metrics = {
        metric: _interval(found, found.right, bootstrap, confidence)
        | {
            "n": found.entry["n"],
            "unparsed": found.entry["unparsed"],
            "same_items": _interval(of_real[metric], of_real[metric].right, bootstrap, confidence),
        }
        for metric, found in of_control.items()
        if metric in wanted
    }
    return {"from": "model", "metrics": metrics, "note": NOTES.get(name, ""), "recordings": bootstrap.recordings}


def _lines(questions: ChoiceSet, texts: Sequence[str], scores: ChoiceScores, refused: np.ndarray) -> list[dict[str, Any]]:
    """`measures.right` is by the benchmark's rule; strict and lenient are what our parsers read."""
    lines = []
    for row, (item, text) in enumerate(zip(questions.items, texts, strict=True)):
        readings = {name: _option(item.choices, parse_choice(text, item.choices, name)) for name in ("strict", "lenient")}
        measured = {
            "context": {"labels": [], "sources": None, "rt60_s": None, "drr_db": None, "snr_db": None},
            "measures": {"right": float(scores.right[row])},
            "refused": bool(refused[row]),
            "where": None,
        }
        lines.append(prediction_line(item, text) | readings | measured)
    return lines


def _option(choices: Sequence[str], index: int | None) -> dict[str, str] | None:
    return None if index is None else {"choice": choices[index]}
