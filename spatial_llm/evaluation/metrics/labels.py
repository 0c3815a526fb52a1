"""Computes the metrics that need an embedding: average precision of types A and C, and mean cosines, also of free answers.

Note: average precision over labels is not a mean cosine. Each generated answer is embedded whole, its cosine to each label
name is a score, and for each label the answers are ranked by it; no parser is involved. `mean_cosine` is what the text of
DSpAST's paper describes; it is reported under its own name. The official script averages over all 355 labels; on the
official files each has a positive. A label without a positive has no average precision and is left out. Source: BAT (arXiv
2402.01591) and the scoring script of its released recipe (`calculate_map.py`); DSpAST (arXiv 2509.13927).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from spatial_llm import answers
from spatial_llm.evaluation.metrics.chance import expected_average_precision
from spatial_llm.evaluation.metrics.metric import Metric, Percent
from spatial_llm.evaluation.metrics.protocols import BAT, DSPAST
from spatial_llm.evaluation.statistics.bootstrap import macro_average_precision, mean_of
from spatial_llm.sentences.embedding import Embed


def label_metrics(
    prefix: str,
    rows: NDArray[np.intp],
    texts: Sequence[str],
    truths: Sequence[Sequence[str]],
    refused: int,
    unparsed: int,
    labels: Sequence[str],
    embed: Embed,
    embedding: str,
) -> list[Metric]:
    """Returns `<prefix>_mAP` and `<prefix>_mean_cosine` of the items at `rows`.

    Args:
        texts: generated answers of these items.
        truths: lower-case labels of each item; all of them must occur in `labels`.
        refused, unparsed: number of answers that refuse, and of answers that are unparsed.
        labels: the label set in the spelling to embed; matched in lower case.
        embed: texts to unit vectors (texts, width).
        embedding: its name, part of the protocol.
    """
    column = {label.lower(): index for index, label in enumerate(labels)}
    targets = np.zeros((len(truths), len(labels)), dtype=bool)
    for row, names in enumerate(truths):
        targets[row, [column[name] for name in names]] = True
    label_vectors, truth_vectors = embed(labels), embed([answers.format_labels(names) for names in truths])
    # Each distinct answer once: equal answers must tie exactly, and two rows of one matrix product need not.
    distinct = list(dict.fromkeys(texts))
    at = {text: index for index, text in enumerate(distinct)}
    index = [at[text] for text in texts]
    distinct_vectors = embed(distinct)
    answer_vectors, similarity = distinct_vectors[index], (distinct_vectors @ label_vectors.T)[index]
    # an answer of several labels is embedded whole, so even the truth may score below 100
    of_truths = Percent(macro_average_precision(truth_vectors @ label_vectors.T, targets))(np.ones((1, len(truths))))
    averaged = int(targets.any(axis=0).sum())
    common = {"higher_is_better": True, "rows": rows, "lenient": None, "lenient_unparsed": None}
    return [
        Metric(
            name=f"{prefix}_mAP",
            protocol=f"{BAT}, {embedding}",
            unit="%",
            rule="average precision of each label over the answers ranked by cosine, mean over the labels",
            strict=Percent(macro_average_precision(similarity, targets)),
            random=100 * expected_average_precision(targets[:, targets.any(axis=0)]),
            unparsed=unparsed,
            refused=refused,
            details={"labels": len(labels), "labels_averaged": averaged, "of_true_answers": float(of_truths[0])},
            **common,
        ),
        cosine_metric(prefix, rows, answer_vectors, truth_vectors, refused, unparsed, f"{DSPAST}, {embedding}"),
    ]


def cosine_metric(
    prefix: str,
    rows: NDArray[np.intp],
    answer_vectors: NDArray,
    truth_vectors: NDArray,
    refused: int,
    unparsed: int,
    protocol: str,
) -> Metric:
    """Returns `<prefix>_mean_cosine` of the items at `rows`: of the unit vectors (items, width) of answers and truths."""
    return Metric(
        name=f"{prefix}_mean_cosine",
        protocol=protocol,
        unit="cosine",
        higher_is_better=True,
        rule="mean cosine of the answer and the true answer",
        rows=rows,
        strict=mean_of(np.sum(answer_vectors * truth_vectors, axis=1, dtype=np.float64)),
        lenient=None,
        # The mean cosine over all pairs of true answers is the squared length of their mean.
        random=float(np.sum(np.mean(truth_vectors, axis=0, dtype=np.float64) ** 2)),
        unparsed=unparsed,
        lenient_unparsed=None,
        refused=refused,
    )
