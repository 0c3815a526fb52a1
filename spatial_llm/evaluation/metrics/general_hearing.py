"""General hearing: free answers to questions about sounds, scored as LTU (arXiv 2305.10790) and PAL (arXiv 2506.10423) do.

An answer is a caption in free words. With classes, the embedding of "sound of <caption>" is compared with that of "sound
of <label>" for each label of a set, and the nearest one is what was heard: accuracy (ESC-50, VocalSound) and micro-F1
(DCASE 2017). With several labels, the cosine is the score of the label, and average precision ranks the answers by it
(FSD50K). Captions are compared with true ones by CIDEr (AudioCaps, Clotho), see `captions`.

Both works embed by text-embedding-ada-002, a service; here it is all-MiniLM-L6-v2 or another model, whose name is part of
the protocol. So no value may stand beside a published one. Source: github.com/YuanGongND/ltu, src/ltu/eval/eval_{vs,dcase,
fsd50k,audiocaps}.py and src/ltu_as/eval/eval_esc.py. In those the one label that is predicted and the one that is true make
micro-F1 equal to accuracy, which is kept; of recordings with several labels it counts them all. Deviations: a label without
a positive has no average precision and is left out of the mean, and what precedes the last colon of an answer ("Audio
caption:") is left out for FSD50K too, where the script cuts at these two words.
"""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.metrics.captions import cider_of_items, tuple_f1
from spatial_llm.evaluation.metrics.chance import expected_average_precision
from spatial_llm.evaluation.metrics.metric import Metric, Percent
from spatial_llm.evaluation.metrics.protocols import HEARING_CAPTIONS, HEARING_CLASSES, HEARING_LABELS
from spatial_llm.evaluation.metrics.scored_run import Group, ScoredRun
from spatial_llm.evaluation.statistics.bootstrap import macro_average_precision, mean_of, ratio_of_sums
from spatial_llm.questions.families.own import OPEN
from spatial_llm.sentences.embedding import Embed

CAPTION = "CAPTION"
BY_EMBEDDING = (HEARING_CLASSES, HEARING_LABELS)


def general_hearing_metrics(
    run: ScoredRun, asked: Collection[str], embed: Embed, embedding: str, labels: Sequence[str] | None
) -> list[Metric]:
    """Returns the metrics of the protocols of general hearing among those that are `asked`.

    Args:
        run: the answers.
        asked: protocols by name.
        embed: texts to unit vectors (texts, width).
        embedding: its name, part of the protocol.
        labels: the label set; None for the labels that occur.

    Raises:
        ManifestError: a free question about a recording whose labels are not known, or are not in the set.
        SpatialLLMError: pycocoevalcap is needed and not installed.
    """
    metrics: list[Metric] = []
    if OPEN in run.groups and set(asked) & set(BY_EMBEDDING):
        metrics += _by_embedding(run, run.groups[OPEN], asked, embed, embedding, labels)
    if HEARING_CAPTIONS in asked:
        metrics += [_cider(run, run.groups[name]) for name in (OPEN, CAPTION) if name in run.groups]
        if CAPTION in run.groups:
            metrics.append(_tuples(run, run.groups[CAPTION]))
    return metrics


def hearing_texts(run: ScoredRun, asked: Collection[str], labels: Sequence[str] | None) -> list[str]:
    """Returns all texts that `general_hearing_metrics` embeds."""
    if OPEN not in run.groups or not set(asked) & set(BY_EMBEDDING):
        return []
    rows = run.groups[OPEN].rows
    said = [heard_text(run.texts[row]) for row in rows]
    return list(dict.fromkeys([*map(label_text, _set_of(run, rows, labels)), *said]))


def heard_text(text: str) -> str:
    """Returns an answer as it is embedded: "Audio caption: A dog barks." -> "sound of a dog barks."."""
    return f"sound of {text.rpartition(':')[2].strip().lower()}"


def label_text(label: str) -> str:
    """Returns a label as it is embedded: "Dog_bark" -> "sound of dog bark"."""
    return f"sound of {_plain(label)}"


def _plain(label: str) -> str:
    return label.replace("_", " ").lower()


def _by_embedding(
    run: ScoredRun,
    group: Group,
    asked: Collection[str],
    embed: Embed,
    embedding: str,
    labels: Sequence[str] | None,
) -> list[Metric]:
    rows, names = group.rows, _set_of(run, group.rows, labels)
    targets = _targets(run, rows, names)
    vectors = embed([label_text(name) for name in names])
    # Each distinct answer once: equal answers must tie exactly, and two rows of one matrix product need not.
    texts = [heard_text(run.texts[row]) for row in rows]
    distinct = list(dict.fromkeys(texts))
    at = {text: index for index, text in enumerate(distinct)}
    cosines = (embed(distinct) @ vectors.T)[[at[text] for text in texts]]
    right = targets[np.arange(len(rows)), cosines.argmax(axis=1)].astype(np.float64)
    counts = targets.sum(axis=1)
    metrics = []
    details = {"labels": len(names)}
    if HEARING_CLASSES in asked:
        protocol = f"{HEARING_CLASSES}, {embedding}"
        share = targets.mean(axis=0)
        if (counts == 1).all():
            rule = "share of the answers whose nearest label by cosine is that of the recording"
            chance = 100 * float(np.square(share).sum())
            metrics.append(_metric(run, rows, "embedding_acc", protocol, rule, Percent(mean_of(right)), chance, details))
        rule = "F1 of the label nearest by cosine, over all labels of all recordings: 2 hits / (answers + true labels)"
        f1 = Percent(ratio_of_sums(2 * right, 1.0 + counts))
        metrics.append(_metric(run, rows, "embedding_micro_F1", protocol, rule, f1, None, details))
    if HEARING_LABELS in asked:
        there = targets.any(axis=0)
        rule = "average precision of each label over the answers ranked by cosine, mean over the labels that occur"
        precision = Percent(macro_average_precision(cosines, targets))
        chance = 100 * expected_average_precision(targets[:, there])
        more = details | {"labels_averaged": int(there.sum())}
        metrics.append(_metric(run, rows, "embedding_mAP", f"{HEARING_LABELS}, {embedding}", rule, precision, chance, more))
    return metrics


def _set_of(run: ScoredRun, rows: NDArray[np.intp], labels: Sequence[str] | None) -> list[str]:
    if labels is not None:
        return list(labels)
    return sorted({_plain(name) for row in rows for name in _labels_of(run, row)})


def _labels_of(run: ScoredRun, row: int) -> Sequence[str]:
    item = run.items[row]
    found = None if item.known is None else item.known.labels
    if not found:
        raise ManifestError(
            f"record {item.id!r}: its labels are not known, and protocols {' and '.join(BY_EMBEDDING)} compare answers with "
            "them: import the set with its labels (known.labels), or score it by hearing_captions."
        )
    return found


def _targets(run: ScoredRun, rows: NDArray[np.intp], names: Sequence[str]) -> NDArray[np.bool_]:
    column = {_plain(name): index for index, name in enumerate(names)}
    targets = np.zeros((len(rows), len(names)), dtype=bool)
    for place, row in enumerate(rows):
        for label in _labels_of(run, row):
            if _plain(label) not in column:
                raise ManifestError(
                    f"record {run.items[row].id!r}: label {label!r} is not in the label set of {len(names)}; give its CSV."
                )
            targets[place, column[_plain(label)]] = True
    return targets


def _cider(run: ScoredRun, group: Group) -> Metric:
    items = [run.items[row] for row in group.rows]
    values = cider_of_items(
        [run.texts[row] for row in group.rows], [item.answer for item in items], [item.recording_id for item in items]
    )
    rule = "mean of CIDEr with all captions of the recording, 0 to 10, words as `captions.words_of_caption` has them"
    name = group.metrics.prefix
    return _metric(run, group.rows, "CIDEr", HEARING_CAPTIONS, rule, mean_of(values), None, {}, name, "CIDEr")


def _tuples(run: ScoredRun, group: Group) -> Metric:
    def values(reading: str) -> list[float]:
        said = [run.readings[reading][row].value for row in group.rows]
        true = [run.truths[row].value for row in group.rows]
        return [
            tuple_f1(None if one is None else one["events"], other["events"]) for one, other in zip(said, true, strict=True)
        ]

    rule = "mean F1 of the tuples sound, side, distance, angle and time that both captions say; not SPICE"
    strict, lenient = (Percent(mean_of(values(reading))) for reading in ("strict", "lenient"))
    return _metric(
        run, group.rows, "scene_tuple_F1", HEARING_CAPTIONS, rule, strict, None, {}, group.metrics.prefix, lenient=lenient
    )


def _metric(
    run: ScoredRun,
    rows: NDArray[np.intp],
    suffix: str,
    protocol: str,
    rule: str,
    statistic: object,
    random: float | None,
    details: dict[str, int],
    prefix: str = OPEN,
    unit: str = "%",
    lenient: object = None,
) -> Metric:
    return Metric(
        name=f"{prefix}_{suffix}",
        protocol=protocol,
        unit=unit,
        higher_is_better=True,
        rule=rule,
        rows=rows,
        strict=statistic,
        lenient=lenient,
        random=random,
        unparsed=run.unparsed(rows, "strict"),
        lenient_unparsed=None if lenient is None else run.unparsed(rows, "lenient"),
        refused=int(run.refused[rows].sum()),
        details=details,
    )
