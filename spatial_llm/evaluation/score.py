"""predictions.jsonl -> scores: which metric applies to which questions, and what stands beside it. No model is needed.

Peculiar: the truth is read from the record's answer by the same parsers as the prediction. A record whose own answer
does not parse is left out of its metric and counted there as `unreadable_truths` (there are none in our manifests).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from spatial_llm.answers import Location, parse_value
from spatial_llm.data.spatialsoundqa import read_label_csv
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation import metrics
from spatial_llm.evaluation.items import EvaluationSet, Item
from spatial_llm.evaluation.metrics import Score
from spatial_llm.evaluation.predictions import read_predictions, read_run
from spatial_llm.evaluation.published import published_scores
from spatial_llm.provenance import provenance

Embed = Callable[[Sequence[str]], NDArray]

PROTOCOLS = {
    "bat": "BAT (arXiv 2402.01591). A, C: average precision over the label set, cosine of answer and label as the score "
    "(the embedding is part of the protocol), mean over labels with a positive. B, D: direction_acc = all three "
    "direction words right; DER = distance more than 0.5 m off, or unparsed. E: exactly yes or no; E_acc = plain mean "
    "of direction and distance.",
    "dspast": "As the text of DSpAST words it (arXiv 2509.13927): mean cosine of answer and true answer.",
    "exact": "Question families of this library: the value read from the answer is the true one; how near a wrong one is "
    "does not count.",
    "diagnostic": "In no published table: single axes, and the questions of type E that are not yes or no.",
}
RANDOM_RULE = (
    "Expected score, in closed form, of answering each item with the true answer of an item drawn at random from the "
    "same metric's items; for average precision, of a random order."
)


def score(
    predictions: str | Path,
    evaluation_set: EvaluationSet,
    embed: Embed,
    embedding: str,
    label_csv: str | Path | None = None,
) -> dict[str, Any]:
    """Scores a predictions.jsonl against its questions.

    Args:
        predictions: path of predictions.jsonl.
        evaluation_set: the questions it was made for.
        embed: texts to unit vectors (texts, width).
        embedding: the name of that embedding, part of the protocol of A and C.
        label_csv: class_labels_indices_subset.csv or alike, for the label set of A and C; default that of the release,
            or the labels that occur in the answers.

    Returns:
        the content of scores.json: `metrics` (name to value, unit, n, unparsed, random, protocol, published rows), and
        what they were made with.

    Raises:
        ManifestError: predictions and questions do not belong together (see `read_predictions`), or a true label is not
            in the label set.
    """
    texts = read_predictions(predictions, evaluation_set.items, evaluation_set.sha256)
    label_csv = label_csv or evaluation_set.label_csv
    scores, unreadable = score_texts(evaluation_set.items, texts, embed, read_label_csv(label_csv) if label_csv else None)
    published = defaultdict(list)
    for row in published_scores():
        published[row.metric].append(row)
    table = {}
    for name, value in scores.items():
        protocol = _protocol(name, embedding)
        table[name] = asdict(value) | {"protocol": protocol, "published": []}
        for row in published[name]:
            comparable = evaluation_set.benchmark == row.benchmark and row.protocol == protocol
            table[name]["published"].append(row.to_dict() | {"comparable": comparable})
    return {
        "benchmark": evaluation_set.benchmark,
        "label_set": "given" if label_csv else "labels of the answers",
        "metrics": table,
        "protocols": PROTOCOLS,
        "provenance": provenance() | {"manifest_sha256": evaluation_set.sha256},
        "random": RANDOM_RULE,
        "run": read_run(predictions),
        "unreadable_truths": unreadable,
    }


def score_texts(
    items: Sequence[Item], texts: Sequence[str], embed: Embed, labels: Sequence[str] | None = None
) -> tuple[dict[str, Score], dict[str, int]]:
    """All metrics that the items allow, by name ("A_mAP", "B_DER", "E_acc", ...).

    Args:
        items: the questions.
        texts: the predicted answers, in the same order.
        embed: texts to unit vectors.
        labels: the label set of A and C; None for the labels that occur in their answers.

    Returns:
        scores by name, and the number of records left out, by question type, because their own answer does not parse.
    """
    groups: dict[str, list[tuple[Item, str, dict]]] = defaultdict(list)
    unreadable = Counter()
    for item, text in zip(items, texts, strict=True):
        truth = parse_value(item.question_type, item.answer)
        if truth is None:
            unreadable[item.question_type] += 1
        else:
            groups[item.question_type].append((item, text, truth))
    labels = _label_set(groups, labels)
    scores: dict[str, Score] = {}
    for question_type in sorted(groups):
        _, group_texts, truths = zip(*groups[question_type], strict=True)
        scores |= _score_group(question_type, group_texts, truths, labels, embed)
    if {"E_direction_acc", "E_distance_acc"} <= scores.keys():
        scores["E_acc"] = metrics.mean_of(scores["E_direction_acc"], scores["E_distance_acc"])
    return dict(sorted(scores.items())), dict(unreadable)


def _score_group(
    question_type: str, texts: Sequence[str], truths: Sequence[dict], labels: Sequence[str], embed: Embed
) -> dict[str, Score]:
    """The metrics of all items of one question type."""
    match question_type:
        case "CLASSIFICATION" | "MIXUP_SINGLE_CLASSIFICATION":
            letter = "A" if question_type == "CLASSIFICATION" else "C"
            found = metrics.score_labels(texts, [truth["labels"] for truth in truths], labels, embed)
            return {f"{letter}_{name}": value for name, value in found.items()}
        case "DOA" | "MIXUP_SINGLE_DOA":
            letter = "B" if question_type == "DOA" else "D"
            found = metrics.score_locations(texts, [Location(**truth) for truth in truths])
            return {f"{letter}_{name}": value for name, value in found.items()}
        case "MIXUP_DIRECTION":
            return {"E_direction_acc": metrics.score_yes_no(texts, [truth["yes"] for truth in truths])}
        case "MIXUP_DISTANCE_BOTH":
            return {"E_distance_acc": metrics.score_yes_no(texts, [truth["yes"] for truth in truths])}
        case "MIXUP_NONBINARY_DIRECTION":
            words = [next(iter(truth.values())) for truth in truths]
            return {"E_nonbinary_direction_acc": metrics.score_direction_words(texts, words)}
        case "MIXUP_NONBINARY_DISTANCE":
            distances = [truth["distance_m"] for truth in truths]
            return {"E_nonbinary_distance_DER": metrics.score_distances(texts, distances)}
        case "MIXUP_NONBINARY_SOURCE":
            names = [truth["labels"] for truth in truths]
            return {"E_nonbinary_source_acc": metrics.score_label_sets(texts, names)}
        case _:
            return {f"{question_type}_exact": metrics.score_exact(question_type, texts, truths)}


def _label_set(groups: dict[str, list[tuple[Item, str, dict]]], labels: Sequence[str] | None) -> list[str]:
    """The given labels, or those of the answers; every true label of A and C must be among them."""
    true = [
        (item, name)
        for question_type in ("CLASSIFICATION", "MIXUP_SINGLE_CLASSIFICATION")
        for item, _, truth in groups.get(question_type, [])
        for name in truth["labels"]
    ]
    if labels is None:
        return sorted({name for _, name in true})
    known = {label.lower() for label in labels}
    for item, name in true:
        if name not in known:
            raise ManifestError(f"record {item.id!r}: label {name!r} is not in the label set of {len(known)}; give its CSV.")
    return list(labels)


def _protocol(name: str, embedding: str) -> str:
    if name.endswith("_mean_cosine"):
        return f"dspast, {embedding}"
    if name.endswith("_mAP"):
        return f"bat, {embedding}"
    if name.endswith("_exact"):
        return "exact"
    diagnostic = "nonbinary" in name or name.endswith(("left_right_acc", "front_behind_acc", "above_below_acc"))
    return "diagnostic" if diagnostic else "bat"
