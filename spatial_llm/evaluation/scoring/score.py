"""Turns predictions.jsonl into scores.json and items.jsonl: every metric that the questions allow, by both readings, with
its interval, beside chance, controls and published scores. No model is needed.

Note: the truth is read from the record's answer by the strict parsers. A record whose own answer does not parse is left out
of its metrics and counted as `unreadable_truths` (our manifests have none). A prediction that does not parse is wrong; it is
counted and never dropped.

One answer on its way to one line of scores.json: `metrics.extract` reads "left, front, above; 2m" into columns (three words,
an octant, a distance in metres), once strictly and once leniently. `metrics.scored_run` groups the items by question type.
Each specification of the type in `metrics.type_metrics` applies a measure of `metrics.measures` to the columns of answers
and truths, which gives one number for each item ("distance_wrong": 0). `metrics.compute` makes a `Metric` of them ("B_DER"),
whose value is a `Statistic` of the items' weights, and the bootstrap over recordings gives its interval.
"""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spatial_llm.data.record import Record
from spatial_llm.data.spatialsoundqa.release import read_label_csv
from spatial_llm.evaluation.benchmarks import ChoiceSet
from spatial_llm.evaluation.metrics import (
    Metric,
    ScoredRun,
    compute_metrics,
    context_of,
    embedded_texts,
    interval_of,
    measures_of_items,
    read_answers,
    rule_of,
)
from spatial_llm.evaluation.predicting.evaluation_set import EvaluationSet
from spatial_llm.evaluation.predicting.predictions import prediction_line, read_predictions, read_run
from spatial_llm.evaluation.published import NO_MODEL, PublishedScore, decoding_name, published_scores
from spatial_llm.evaluation.scoring.choices import score_choices
from spatial_llm.evaluation.scoring.control_scores import control_scores, read_controls
from spatial_llm.evaluation.scoring.settings import DEFAULTS, ScoreSettings
from spatial_llm.evaluation.statistics.bootstrap import CONFIDENCE, Bootstrap
from spatial_llm.provenance import provenance
from spatial_llm.sentences.embedding import Embed, EmbedOnce

RANDOM_RULE = (
    "Expected score, in closed form, of answering each item with the true answer of an item drawn at random from the "
    "same metric's items; for average precision, of a random order."
)
# The room-response policy names the responses of a recording; none is drawn at random when scoring.
RESPONSES = {
    "official_bat": "pairs of the release, each with the whole response that its question names",
    "checkpoint_matched": "pairs of the release, each with the first 2 s of the response that its question names",
    "simulated": "simulated scenes, each with the responses that its manifest fixes",
    "recorded": "recordings as they are, no response added",
}
_PUBLISHED_RESPONSES = "official_bat"


def score(
    predictions: str | Path,
    evaluation_set: EvaluationSet,
    embed: Embed,
    embedding: str,
    label_csv: str | Path | None = None,
    settings: ScoreSettings = DEFAULTS,
) -> dict[str, Any]:
    """Returns the content of scores.json alone; see `score_run`."""
    return score_run(predictions, evaluation_set, embed, embedding, label_csv, settings)[0]


def score_run(
    predictions: str | Path,
    evaluation_set: EvaluationSet | ChoiceSet,
    embed: Embed,
    embedding: str,
    label_csv: str | Path | None = None,
    settings: ScoreSettings = DEFAULTS,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Scores a predictions.jsonl against its questions, and the controls in the folder `controls` beside it.

    Args:
        predictions: path of predictions.jsonl.
        evaluation_set: the questions it was made for.
        embed: texts to unit vectors (texts, width).
        embedding: the name of that embedding, which is part of the protocol of A and C.
        label_csv: class_labels_indices_subset.csv or a similar file, for the label set of A and C; default: that of the
            release, or the labels that occur in the answers.
        settings: see `ScoreSettings`.

    Returns:
        the content of scores.json, and the lines of items.jsonl in the order of the questions.

    Raises:
        ManifestError: predictions and questions do not belong together (see `read_predictions`), a control is damaged, or a
            true label is not in the label set.
        MissingVectorsError: texts have no vector in a file of vectors.
    """
    if isinstance(evaluation_set, ChoiceSet):
        return score_choices(predictions, evaluation_set, embed, embedding, settings)
    items = evaluation_set.items
    run = read_answers(items, read_predictions(predictions, items, evaluation_set.sha256))
    controls = read_controls(predictions, evaluation_set.sha256, run, settings.seed)
    label_csv = label_csv or evaluation_set.label_csv
    labels = read_label_csv(label_csv) if label_csv else None
    embed = EmbedOnce(embed)
    asked = settings.protocols or ()
    embed.prepare([embedded_texts(one, labels, asked) for one in (run, *(control.run for control in controls.values()))])

    def metrics_of(answers: ScoredRun) -> dict[str, Metric]:
        found = compute_metrics(answers, embed, embedding, labels, asked)
        return {name: metric for name, metric in found.items() if settings.asks_for(metric.protocol)}

    metrics, bootstrap = metrics_of(run), Bootstrap([item.recording_id for item in items], settings.resamples, settings.seed)
    said = read_run(predictions)
    policies = _responses(items, said)
    comparable = evaluation_set.benchmark if policies == [_PUBLISHED_RESPONSES] else None
    published = _published(comparable, decoding_name(said))
    report = settings.about(list(controls)) | {
        "benchmark": evaluation_set.benchmark,
        "controls": {
            name: control_scores(control, run, metrics_of, settings.resamples, settings.seed, CONFIDENCE, settings.reading)
            for name, control in controls.items()
        },
        "items": len(items),
        "label_set": "given" if label_csv else "labels of the answers",
        "metrics": {name: _entry(metric, bootstrap, published[name], settings.reading) for name, metric in metrics.items()},
        "protocols": dict(sorted({rule_of(metric.protocol) for metric in metrics.values()})),
        "provenance": provenance() | {"manifest_sha256": evaluation_set.sha256},
        "random": RANDOM_RULE,
        "recordings": bootstrap.recordings,
        "responses": {policy: RESPONSES[policy] for policy in policies},
        "run": said,
        "unreadable_truths": run.unreadable_truths,
    }
    return report, item_lines(run, settings.reading)


def item_lines(run: ScoredRun, reading: str = "strict") -> list[dict[str, Any]]:
    """Returns the lines of items.jsonl: question, answers, both readings, the measures of each item by `reading`, and
    where and in what surroundings the source is."""
    lines = []
    rows = zip(run.items, run.texts, run.truths, measures_of_items(run, reading), strict=True)
    for row, (item, text, truth, measures) in enumerate(rows):
        values = {reading: found[row].value for reading, found in run.readings.items()}
        where = truth.where if truth is not None else None
        context = {
            "context": context_of(item, truth),
            "measures": measures,
            "refused": bool(run.refused[row]),
            "where": where,
        }
        lines.append(prediction_line(item, text) | values | context)
    return lines


def _entry(
    metric: Metric, bootstrap: Bootstrap, published: Sequence[tuple[PublishedScore, bool]], reading: str
) -> dict[str, Any]:
    """Returns one metric in scores.json. `published`: rows of its name, and whether their questions and recordings were
    these."""
    entry: dict[str, Any] = interval_of(metric.strict, metric.rows, bootstrap, CONFIDENCE)
    lenient = None
    if metric.lenient is not None:
        values = metric.strict.values, metric.lenient.values
        same = values[0] is not None and np.array_equal(*values, equal_nan=True)
        lenient = dict(entry) if same else interval_of(metric.lenient, metric.rows, bootstrap, CONFIDENCE)
        lenient["unparsed"] = metric.lenient_unparsed
    if lenient is not None and reading == "lenient":
        entry = {key: lenient[key] for key in entry}
    names = ("refused", "unit", "higher_is_better", "protocol", "rule", "random")
    entry |= {name: getattr(metric, name) for name in names}
    return entry | {
        "details": dict(metric.details),
        "unparsed": metric.unparsed_by(reading),
        "lenient": lenient,
        "n": len(metric.rows),
        "published": [row.to_dict() | {"comparable": ok and row.protocol == metric.protocol} for row, ok in published],
        "recordings": bootstrap.recordings_of(metric.rows),
    }


def _published(benchmark: str | None, decoding: str) -> dict[str, list[tuple[PublishedScore, bool]]]:
    """Returns the published rows by metric, and whether each is of this benchmark and was decoded like this."""
    rows = defaultdict(list)
    for row in published_scores():
        rows[row.metric].append((row, row.benchmark == benchmark and row.decoding in (decoding, NO_MODEL)))
    return rows


def _responses(items: Sequence[Record], run: dict[str, Any] | None) -> list[str]:
    """Returns the room-response policies of the recordings: the policy that predict was given, or else those of the
    records."""
    told = (run or {}).get("responses", "as_recorded")
    found = set()
    for item in items:
        if item.pairs is not None:
            found.add(item.protocol if told == "as_recorded" else told)
        else:
            found.add("recorded" if item.scene is None else "simulated")
    return sorted(found)
