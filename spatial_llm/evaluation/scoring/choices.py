"""predictions.jsonl of a benchmark of others -> scores.json and items.jsonl in the form that ours have: the benchmark's own
rule, with intervals over recordings; beside it the same model on damaged recordings, the question alone, and chance.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.answers import is_refusal, parse_choice
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.benchmarks import BENCHMARKS, Benchmark
from spatial_llm.evaluation.benchmarks.choice_scores import ChoiceMetric, ChoiceScores
from spatial_llm.evaluation.benchmarks.choices import ChoiceSet
from spatial_llm.evaluation.benchmarks.question_only import NOTE, question_only_choices
from spatial_llm.evaluation.metrics import interval_of
from spatial_llm.evaluation.metrics.metric import Metric, Percent
from spatial_llm.evaluation.predicting.predictions import (
    control_names,
    prediction_line,
    read_control,
    read_predictions,
    read_run,
)
from spatial_llm.evaluation.scoring.control_scores import NOTES, QUESTION_ONLY
from spatial_llm.evaluation.scoring.settings import ScoreSettings
from spatial_llm.evaluation.statistics.bootstrap import CONFIDENCE, Bootstrap, mean_of
from spatial_llm.provenance import provenance
from spatial_llm.sentences.embedding import Embed

RANDOM_RULE = "Expected score of choosing an option blindly, anew in each item."
RESPONSES = {"recorded": "recordings as they are, no response added"}
Rule = Callable[[ChoiceSet, Sequence[str]], ChoiceScores]


def score_choices(
    predictions: str | Path, questions: ChoiceSet, embed: Embed, embedding: str, settings: ScoreSettings
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Returns the content of scores.json and the lines of items.jsonl; arguments as in `score.score_run`.

    Raises:
        ManifestError: predictions and questions do not belong together, or a control is damaged; see `read_predictions`.
    """
    texts = read_predictions(predictions, questions.items, questions.sha256)
    rule = rule_for(questions, embed, embedding)
    bootstrap = Bootstrap([item.recording_id for item in questions.items], settings.resamples, settings.seed)
    scores = rule(questions, texts)
    wanted = {name: metric for name, metric in scores.metrics.items() if settings.asks_for(metric.entry["protocol"])}
    refused = refusals(texts)
    controls = _controls(predictions, questions, texts, rule, wanted, settings)
    report = settings.about(list(controls)) | {
        "benchmark": questions.benchmark,
        "controls": controls,
        "items": len(questions.items),
        "label_set": None,
        "metrics": {
            name: metric.entry
            | interval_of(Percent(mean_of(metric.right)), metric.rows, bootstrap, CONFIDENCE)
            | {"refused": int(refused[metric.rows].sum()), "lenient": _lenient(metric, bootstrap)}
            for name, metric in wanted.items()
        },
        "protocols": dict(sorted(scores.protocols.items())),
        "provenance": provenance() | {"manifest_sha256": questions.sha256},
        "random": RANDOM_RULE,
        "recordings": bootstrap.recordings,
        "responses": RESPONSES,
        "run": read_run(predictions),
        "unreadable_truths": {},
    }
    return report, _lines(questions, texts, scores, refused)


def rule_for(questions: ChoiceSet, embed: Embed, embedding: str) -> Rule:
    """Returns the benchmark's own rule as a function of questions and texts. Raises ManifestError for a benchmark without
    one."""
    benchmark = _benchmark_of(questions)
    return lambda some, texts: benchmark.score(some, texts, embed, embedding, parse_choice)


def _benchmark_of(questions: ChoiceSet) -> Benchmark:
    by_title = {benchmark.title: benchmark for benchmark in BENCHMARKS.values()}
    if questions.benchmark not in by_title:
        raise ManifestError(f"no rule to score {questions.benchmark!r} by; known are {' and '.join(by_title)}.")
    return by_title[questions.benchmark]


def refusals(texts: Sequence[str]) -> np.ndarray:
    """Returns (items,) bool: whether the answer is a refusal."""
    return np.array([is_refusal(text) for text in texts], dtype=bool)


def as_metrics(scores: ChoiceScores, refused: np.ndarray) -> list[Metric]:
    """Returns the metrics in the form that `compare` takes; `refused`: (items,) bool."""
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
    return metrics


def _lenient(metric: ChoiceMetric, bootstrap: Bootstrap) -> dict[str, Any] | None:
    if metric.lenient_right is None:
        return None
    return metric.entry["lenient"] | interval_of(Percent(mean_of(metric.lenient_right)), metric.rows, bootstrap, CONFIDENCE)


def _controls(
    predictions: str | Path,
    questions: ChoiceSet,
    texts: Sequence[str],
    rule: Rule,
    wanted: Collection[str],
    settings: ScoreSettings,
) -> dict[str, Any]:
    """Returns the controls for scores.json, by name: those beside the predictions, and the question alone."""

    def scored(rows: Sequence[int], said: Sequence[str]) -> dict[str, Any]:
        """Returns the metrics of texts for the items at `rows`, and those of the real run on the same items."""
        some = replace(questions, items=[questions.items[row] for row in rows])
        of_control, of_real = rule(some, said).metrics, rule(some, [texts[row] for row in rows]).metrics
        bootstrap = Bootstrap([item.recording_id for item in some.items], settings.resamples, settings.seed)

        def value(metric: ChoiceMetric) -> dict[str, Any]:
            return interval_of(Percent(mean_of(metric.right)), metric.rows, bootstrap, CONFIDENCE)

        metrics = {
            metric: value(found)
            | {"n": found.entry["n"], "unparsed": found.entry["unparsed"], "same_items": value(of_real[metric])}
            for metric, found in of_control.items()
            if metric in wanted
        }
        return {"metrics": metrics, "recordings": bootstrap.recordings}

    found = {}
    for name in control_names(predictions):
        rows, said = read_control(predictions, name, questions.items, questions.sha256)
        found[name] = {"from": "model", "note": NOTES.get(name, "")} | scored(rows, said)
    guessed = question_only_texts(questions, settings.seed)
    found[QUESTION_ONLY] = {"from": "question", "note": NOTE} | scored(range(len(guessed)), guessed)
    return dict(sorted(found.items()))


def question_only_texts(questions: ChoiceSet, seed: int) -> list[str]:
    """Returns the choices of a guesser that uses the questions alone, in the form that the benchmark's own rule parses."""
    chosen = question_only_choices(questions.items, seed)
    spell = _benchmark_of(questions).option_as_answer
    return [spell(item, index) for item, index in zip(questions.items, chosen, strict=True)]


def _lines(questions: ChoiceSet, texts: Sequence[str], scores: ChoiceScores, refused: np.ndarray) -> list[dict[str, Any]]:
    """Returns the lines of items.jsonl. `measures.right` follows the benchmark's rule; strict and lenient follow our
    parsers."""
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
