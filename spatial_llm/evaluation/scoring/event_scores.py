"""Scores lists of events against the truth: every metric of `metrics.events`, its interval over recordings, and a table.

Each metric is a ratio of two sums over the recordings, so that a bootstrap resample of recordings is a weighted sum. Macro
scores are the plain mean of such ratios over the classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.metrics.events.collars import COLLARS_S, LENGTH_SHARE, found_events
from spatial_llm.evaluation.metrics.events.event import Event
from spatial_llm.evaluation.metrics.events.overlaps import IOU_THRESHOLDS, hallucinated, overlaps
from spatial_llm.evaluation.metrics.events.segments import SEGMENTS_S, active_segments
from spatial_llm.evaluation.metrics.events.tracks import FRAME_S, Followed, follow
from spatial_llm.evaluation.metrics.measures import ROUNDING
from spatial_llm.evaluation.metrics.metric import Percent, interval_of
from spatial_llm.evaluation.names import titled
from spatial_llm.evaluation.statistics.bootstrap import (
    CONFIDENCE,
    Bootstrap,
    Statistic,
    mean_ratio_of_sums,
    ratio_of_sums,
)
from spatial_llm.evaluation.text_tables import format_grid, interval, number
from spatial_llm.evaluation.verdicts import events_verdict

Events = Mapping[str, Sequence[Event]]
PROTOCOL = (
    "Events as in sed_eval 0.2.1 (Mesaros et al. 2016): a predicted event is right if its class is, its onset is within the "
    f"collar, and its offset within the collar or {LENGTH_SHARE:.0%} of the event's length, the larger; as many pairs as "
    "possible, one to one. A segment is active if an event reaches into it. macro: mean over the classes that occur. "
    f"Overlaps in time: pairs within a class, best sum. Directions: frames of {FRAME_S:g} s, pairs within a class (CLEAR "
    "MOT)."
)


@dataclass(frozen=True)
class _Measured:
    """Holds a metric before its value is computed: unit, whether higher is better, its rule, and the statistic."""

    unit: str
    higher_is_better: bool
    rule: str
    statistic: Statistic


def score_events(reference: Events, predicted: Events, resamples: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Scores the events of all recordings.

    Args:
        reference, predicted: the events of each recording by its name, from `event.checked_events`; an empty list for a
            recording without any. Of a single recording the names may differ.
        resamples: number of bootstrap resamples over the recordings.
        seed: of the resamples.

    Returns:
        metrics: by name `value`, `low`, `high` (None where undefined, or below two recordings), `unit`, `higher_is_better`,
            `rule`; classes: by label the numbers of reference and predicted events, and the F1 of each collar (None where
            undefined); counts; protocol; recordings, resamples, seed.

    Raises:
        ManifestError: a recording is only on one side, or there is none.
    """
    recordings = _paired(reference, predicted)
    pairs = list(recordings.values())
    labels = sorted({event.label for pair in pairs for events in pair for event in events})
    measures, classes = _collar_measures(pairs, labels)
    measures |= _segment_measures(pairs, labels) | _overlap_measures(pairs)
    invented = np.array([hallucinated(*pair) for pair in pairs])
    followed = np.array([follow(*pair) for pair in pairs])
    measures |= _invented_measures(invented) | _track_measures(followed)
    rows, bootstrap = np.arange(len(pairs)), Bootstrap(list(recordings), resamples, seed)
    metrics = {
        name: interval_of(each.statistic, rows, bootstrap, CONFIDENCE)
        | {"unit": each.unit, "higher_is_better": each.higher_is_better, "rule": each.rule}
        for name, each in measures.items()
    }
    of_tracks = Followed(*followed.sum(axis=0).tolist())
    counts = {
        "reference_events": sum(len(pair[0]) for pair in pairs),
        "predicted_events": int(invented[:, 0].sum()),
        "hallucinated_label": int(invented[:, 1].sum()),
        "hallucinated_time": int(invented[:, 2].sum()),
        "events_with_direction": int(of_tracks.events),
        "direction_frames": int(of_tracks.frames),
        "matched_frames": int(of_tracks.matched),
        "identity_switches": int(of_tracks.switches),
    }
    about = {"recordings": len(pairs), "resamples": resamples, "seed": seed, "protocol": PROTOCOL}
    return about | {"metrics": metrics, "classes": classes, "counts": counts}


def _paired(reference: Events, predicted: Events) -> dict[str, tuple[Sequence[Event], Sequence[Event]]]:
    """Returns both sides of each recording, in order of their names."""
    if len(reference) == len(predicted) == 1:  # the one is about the other, whatever the names of the two files
        return {name: (own, *predicted.values()) for name, own in reference.items()}
    for side, other, words in (
        (
            predicted,
            reference,
            "is in the reference and not in the prediction; if nothing was heard, give it without events",
        ),
        (reference, predicted, "is in the prediction and not in the reference; take it out, or give the truth about it"),
    ):
        missing = sorted(set(other) - set(side))
        if missing:
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            raise ManifestError(f"recording {missing[0]!r}{more} {words}.")
    if not reference:
        raise ManifestError("there is no recording to score; give at least one.")
    return {name: (reference[name], predicted[name]) for name in sorted(reference)}


def _collar_measures(pairs: Sequence, labels: Sequence[str]) -> tuple[dict[str, _Measured], dict[str, Any]]:
    found, classes = {}, {label: {} for label in labels}
    for collar_s in COLLARS_S:
        counts = np.zeros((len(pairs), len(labels), 3))
        for row, pair in enumerate(pairs):
            for label, numbers in found_events(*pair, collar_s).items():
                counts[row, labels.index(label)] = numbers
        right, own, told = np.moveaxis(counts, -1, 0)
        end, within = _in_ms(collar_s), f"of events, collar {collar_s:g} s"
        found |= {
            f"event_F1_{end}": _share(2 * right.sum(axis=1), (own + told).sum(axis=1), f"F1 {within}"),
            f"event_precision_{end}": _share(right.sum(axis=1), told.sum(axis=1), f"share right {within}"),
            f"event_recall_{end}": _share(right.sum(axis=1), own.sum(axis=1), f"share found {within}"),
            f"event_macro_F1_{end}": _Measured(
                "%", True, f"F1 {within}, mean over the classes", Percent(mean_ratio_of_sums(2 * right, own + told))
            ),
        }
        for index, label in enumerate(labels):
            r, o, t = counts[:, index].sum(axis=0)
            classes[label] |= {"reference": int(o), "predicted": int(t), f"event_F1_{end}": float(200 * r / (o + t))}
    return found, classes


def _segment_measures(pairs: Sequence, labels: Sequence[str]) -> dict[str, _Measured]:
    found = {}
    for segment_s in SEGMENTS_S:
        counts, wrong = np.zeros((len(pairs), len(labels), 3)), np.zeros(len(pairs))
        for row, pair in enumerate(pairs):
            segments = active_segments(*pair, segment_s)
            wrong[row] = segments.substitutions + segments.deletions + segments.insertions
            for label, numbers in segments.classes.items():
                counts[row, labels.index(label)] = numbers
        right, own, told = np.moveaxis(counts, -1, 0)
        end, within = _in_ms(segment_s), f"of segments of {segment_s:g} s"
        found |= {
            f"segment_F1_{end}": _share(2 * right.sum(axis=1), (own + told).sum(axis=1), f"F1 {within}"),
            f"segment_macro_F1_{end}": _Measured(
                "%", True, f"F1 {within}, mean over the classes", Percent(mean_ratio_of_sums(2 * right, own + told))
            ),
            f"segment_ER_{end}": _Measured(
                "", False, f"substitutions, deletions and insertions {within} over the active ones of the reference",
                ratio_of_sums(wrong, own.sum(axis=1)),
            ),
        }  # fmt: skip
    return found


def _overlap_measures(pairs: Sequence) -> dict[str, _Measured]:
    each = [overlaps(*pair) for pair in pairs]
    events = [len(pair.iou) for pair in each]
    found = {
        "temporal_iou": _share(
            [pair.iou.sum() for pair in each], events, "mean intersection over union of reference events, 0 where unpaired"
        )
    }
    for share in IOU_THRESHOLDS:
        reached = [np.sum(pair.iou >= share - ROUNDING) for pair in each]
        rule = f"share of reference events whose intersection is at least {share:.0%} of the union"
        found[f"recall_iou_{100 * share:.0f}"] = _share(reached, events, rule)
    late_s = [np.nansum(pair.onset_error_s) for pair in each]
    paired = [np.sum(~np.isnan(pair.onset_error_s)) for pair in each]
    rule = "mean absolute error of the onset, over reference events with a pair that overlaps"
    return found | {"event_onset_error": _Measured("s", False, rule, ratio_of_sums(late_s, paired))}


def _invented_measures(invented: np.ndarray) -> dict[str, _Measured]:
    predicted, absent, apart = invented.T
    of = "share of predicted events"
    return {
        "hallucinated": _share(absent + apart, predicted, f"{of} that overlap no reference event of their class", False),
        "hallucinated_label": _share(absent, predicted, f"{of} whose class is nowhere in the recording", False),
        "hallucinated_time": _share(apart, predicted, f"{of} whose class is there, at other times only", False),
    }


def _track_measures(followed: np.ndarray) -> dict[str, _Measured]:
    sums = Followed(*followed.T)
    return {
        "direction_error": _Measured(
            "deg", False, "mean angle between paired directions, over frames", ratio_of_sums(sums.error_deg, sums.matched)
        ),
        "direction_coverage": _share(
            sums.matched, sums.frames, "share of the frames of reference events with a direction that have a pair"
        ),
        "identity_switches": _Measured(
            "", False, "switches to another predicted source, per reference event", ratio_of_sums(sums.switches, sums.events)
        ),
        "track_distance_error": _share(
            sums.distance_error, sums.distance_frames, "mean error of the distance as a share of the true one", False
        ),
    }


def _share(above: Any, below: Any, rule: str, higher_is_better: bool = True) -> _Measured:
    return _Measured("%", higher_is_better, rule, Percent(ratio_of_sums(above, below)))


def _in_ms(time_s: float) -> str:
    return f"{1000 * time_s:.0f}ms"


def format_event_scores(report: Mapping[str, Any]) -> str:
    """Formats the content of scores.json as Markdown, the verdict in the last line."""
    rows = [
        [titled(name), number(entry["value"], entry["unit"]), interval(entry, entry["unit"]), entry["rule"]]
        for name, entry in report["metrics"].items()
    ]
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in report["counts"].items())
    parts = [
        "# Scores of events",
        f"{report['recordings']} recordings. Intervals: {CONFIDENCE:.0%} of {report['resamples']} bootstrap resamples of "
        f"the recordings, seed {report['seed']}.",
        format_grid(["metric", "value", "interval", "rule"], rows),
        f"Counts: {counts}.",
        report["protocol"],
        events_verdict(report),
    ]
    return "\n\n".join(parts) + "\n"
