"""Computes all metrics that the questions of a set allow, from the answers of one run. Extract, then measure: two steps."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from spatial_llm import answers
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.metrics import chance
from spatial_llm.evaluation.metrics.cross_type import hearing_metrics
from spatial_llm.evaluation.metrics.extract import READINGS, Columns
from spatial_llm.evaluation.metrics.general_hearing import general_hearing_metrics, hearing_texts
from spatial_llm.evaluation.metrics.labels import cosine_metric, label_metrics
from spatial_llm.evaluation.metrics.measures import Measure
from spatial_llm.evaluation.metrics.metric import Metric, Percent, median_of
from spatial_llm.evaluation.metrics.protocols import BAT, TEXT
from spatial_llm.evaluation.metrics.scored_run import Group, ScoredRun
from spatial_llm.evaluation.metrics.spec import Spec
from spatial_llm.evaluation.statistics.bootstrap import (
    Statistic,
    balanced_accuracy,
    mean_of,
    mean_of_means,
    pearson,
    rmse,
    spearman,
)
from spatial_llm.questions.families.own import OPEN
from spatial_llm.sentences.embedding import Embed

_EMBEDDED = ("CLASSIFICATION", "MIXUP_SINGLE_CLASSIFICATION")


def compute_metrics(
    run: ScoredRun,
    embed: Embed | None,
    embedding: str = "",
    labels: Sequence[str] | None = None,
    asked: Collection[str] = (),
) -> dict[str, Metric]:
    """Returns all metrics by name ("A_mAP", "B_DER", "E_acc", ...), sorted. The questions determine which metrics there are,
    with one exception: metrics of answers in degrees to questions about direction words exist only if there is such an
    answer.

    Args:
        run: the result of `read_answers`.
        embed: maps texts to unit vectors, for types A and C and free answers; None leaves out the metrics that need it.
        embedding: its name.
        labels: the label set of A and C, and of general hearing; None for the labels that occur in true answers.
        asked: protocols that a task asks for; those of general hearing are computed only if they are among them.

    Raises:
        ManifestError: a true label of A, of C or of general hearing is not in the label set.
    """
    metrics = [
        _metric(run, group, spec) for group in run.groups.values() for spec in group.metrics.specs if _applies(group, spec)
    ]
    if embed is not None:
        metrics += _embedded(run, embed, embedding, _label_set(run, labels))
        metrics += general_hearing_metrics(run, asked, embed, embedding, labels)
    metrics += hearing_metrics(run)
    halves = [metric for metric in metrics if metric.name in ("E_direction_acc", "E_distance_acc")]
    if len(halves) == 2:
        metrics.append(_average(*halves))
    return {metric.name: metric for metric in sorted(metrics, key=lambda metric: metric.name)}


def embedded_texts(run: ScoredRun, labels: Sequence[str] | None = None, asked: Collection[str] = ()) -> list[str]:
    """Returns all texts that `compute_metrics` embeds: labels, true answers and answers of types A and C, true answers and
    answers to free questions, and what general hearing embeds; arguments as there."""
    own = run.groups[OPEN].rows if OPEN in run.groups else []
    free = [text for row in own for text in (run.items[row].answer, run.texts[row])] + hearing_texts(run, asked, labels)
    groups = [run.groups[name] for name in _EMBEDDED if name in run.groups]
    if not groups:
        return list(dict.fromkeys(free))
    rows = [row for group in groups for row in group.rows]
    true = [answers.format_labels(run.truths[row].value["labels"]) for row in rows]
    return list(dict.fromkeys([*_label_set(run, labels), *true, *(run.texts[row] for row in rows), *free]))


def measures_of_items(run: ScoredRun, reading: str = "strict") -> list[dict[str, float | None]]:
    """Returns the measures of each item in a reading, by name; None if an answer or a truth has none."""
    found: list[dict[str, float | None]] = [{} for _ in run.items]
    for group in run.groups.values():
        for name, each in sorted(group.metrics.measures.items()):
            applies = ~np.isnan(each.of(group.truth, group.truth))
            values = np.where(applies, each.of(group.answers[reading], group.truth), np.nan)
            for row, value in zip(group.rows, values.tolist(), strict=True):
                found[row][name] = None if np.isnan(value) else round(value, 6)
    return found


def _embedded(run: ScoredRun, embed: Embed, embedding: str, labels: Sequence[str]) -> list[Metric]:
    metrics = []
    for question_type in (*_EMBEDDED, OPEN):
        if question_type in run.groups:
            group = run.groups[question_type]
            texts = [run.texts[row] for row in group.rows]
            counts = int(run.refused[group.rows].sum()), run.unparsed(group.rows, "strict")
            if question_type == OPEN:
                vectors = embed(texts), embed([run.items[row].answer for row in group.rows])
                metrics.append(cosine_metric(group.metrics.prefix, group.rows, *vectors, *counts, f"{TEXT}, {embedding}"))
            else:
                true = [run.truths[row].value["labels"] for row in group.rows]
                metrics += label_metrics(group.metrics.prefix, group.rows, texts, true, *counts, labels, embed, embedding)
    return metrics


def _applies(group: Group, spec: Spec) -> bool:
    said = not spec.only_if_present or any(not np.isnan(group.answers[name][spec.measure.reads]).all() for name in READINGS)
    return said and not np.isnan(spec.measure.of(group.truth, group.truth)).all()


def _metric(run: ScoredRun, group: Group, spec: Spec) -> Metric:
    some = np.flatnonzero(~np.isnan(spec.measure.of(group.truth, group.truth)))
    truth = _take(group.truth, some)
    strict, lenient = (_take(group.answers[reading], some) for reading in READINGS)
    return Metric(
        name=f"{group.metrics.prefix}_{spec.suffix}",
        protocol=spec.protocol,
        unit=spec.unit,
        higher_is_better=spec.higher_is_better,
        rule=spec.rule,
        rows=group.rows[some],
        strict=_statistic(spec, spec.measure.of(strict, truth), truth),
        lenient=_statistic(spec, spec.measure.of(lenient, truth), truth),
        random=None if spec.only_if_present or not spec.by_chance else _expected(spec, truth),
        unparsed=int(np.isnan(strict[spec.measure.reads]).sum()),
        lenient_unparsed=int(np.isnan(lenient[spec.measure.reads]).sum()),
        refused=int(run.refused[group.rows[some]].sum()),
    )


def _statistic(spec: Spec, values: NDArray, truth: Columns) -> Statistic:
    true = truth[spec.measure.reads]
    statistic = {
        "mean": lambda: mean_of(values),
        "median": lambda: median_of(values),
        "rmse": lambda: rmse(values),
        "balanced": lambda: balanced_accuracy(values, true),
        "pearson": lambda: pearson(values, true),
        "spearman": lambda: spearman(values, true),
    }[spec.aggregate]()
    return Percent(statistic) if spec.unit == "%" else statistic


def _expected(spec: Spec, truth: Columns) -> float | None:
    formulae: dict[str, Callable[[Measure, Columns], float | None]] = {
        "mean": chance.expected_mean,
        "median": chance.expected_median,
        "rmse": chance.expected_root_mean,
        "balanced": lambda measure, truth: chance.expected_balanced_accuracy(truth[measure.reads]),
        "pearson": lambda measure, truth: 0.0,
        "spearman": lambda measure, truth: 0.0,
    }
    value = formulae[spec.aggregate](spec.measure, truth)
    return 100.0 * value if value is not None and spec.unit == "%" else value


def _average(first: Metric, second: Metric) -> Metric:
    """Returns the plain average of two shares, as BAT averages the two halves of type E."""
    rows = np.concatenate([first.rows, second.rows])

    def both(one: Statistic, two: Statistic) -> Statistic:
        table = np.full((len(rows), 2), np.nan)
        table[: len(first.rows), 0], table[len(first.rows) :, 1] = one.values, two.values
        return mean_of_means(table)

    return Metric(
        name="E_acc",
        protocol=BAT,
        unit="%",
        higher_is_better=True,
        rule="plain mean of E_direction_acc and E_distance_acc",
        rows=rows,
        strict=both(first.strict, second.strict),
        lenient=both(first.lenient, second.lenient),
        random=(first.random + second.random) / 2,
        unparsed=first.unparsed + second.unparsed,
        lenient_unparsed=first.lenient_unparsed + second.lenient_unparsed,
        refused=first.refused + second.refused,
    )


def _take(columns: Columns, rows: NDArray) -> Columns:
    return {name: column[rows] for name, column in columns.items()}


def _label_set(run: ScoredRun, labels: Sequence[str] | None) -> list[str]:
    """Returns the given labels, or those of the true answers. Raises ManifestError if a true label of A or C is missing."""
    true = [
        (run.items[row], name)
        for question_type in _EMBEDDED
        if question_type in run.groups
        for row in run.groups[question_type].rows
        for name in run.truths[row].value["labels"]
    ]
    if labels is None:
        return sorted({name for _, name in true})
    known = {label.lower() for label in labels}
    for item, name in true:
        if name not in known:
            raise ManifestError(f"record {item.id!r}: label {name!r} is not in the label set of {len(known)}; give its CSV.")
    return list(labels)
