"""Scores of lists of events: sums over recordings, intervals over recordings, empty sides, recordings on one side."""

import json

import numpy as np
import pytest

from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.metrics.events.event import Event, TrackPoint, checked_events
from spatial_llm.evaluation.scoring.event_scores import format_event_scores, score_events

TRUTH = {
    "one": [
        Event("bell", 1.0, 2.0, (TrackPoint(1.0, 30.0, 0.0, 2.0),)),
        Event("dog", 3.0, 5.0, (TrackPoint(3.0, -90.0, 0.0, 1.0),)),
    ],
    "two": [Event("dog", 0.0, 1.0, (TrackPoint(0.0, 0.0, 0.0, 1.0),))],
    "three": [],
}
TOLD = {
    "one": [Event("bell", 1.1, 2.1, (TrackPoint(1.0, 40.0, 0.0, 3.0),)), Event("rain", 3.0, 5.0)],
    "two": [Event("dog", 0.5, 1.5, (TrackPoint(0.0, 20.0, 0.0, 1.0),)), Event("dog", 7.0, 8.0)],
    "three": [Event("bell", 0.0, 1.0)],
}


def checked(recordings):
    return {name: checked_events(events, name) for name, events in recordings.items()}


def values(report):
    return {name: entry["value"] for name, entry in report["metrics"].items()}


def test_worked_by_hand():
    report = score_events(checked(TRUTH), checked(TOLD), resamples=200)
    found = values(report)
    # 3 events, 5 predicted; within 0.2 s the bell, within 1 s the first dog of recording two as well
    assert found["event_F1_200ms"] == pytest.approx(100 * 2 * 1 / 8)
    assert (found["event_precision_200ms"], found["event_recall_200ms"]) == pytest.approx((20.0, 100 / 3))
    assert found["event_F1_1000ms"] == pytest.approx(100 * 2 * 2 / 8)
    # bell 2/3, dog 0 and 1/2, rain 0
    assert found["event_macro_F1_200ms"] == pytest.approx(100 * (2 / 3 + 0 + 0) / 3)
    assert found["event_macro_F1_1000ms"] == pytest.approx(100 * (2 / 3 + 2 / 4 + 0) / 3)
    assert report["classes"]["dog"] == {
        "reference": 2, "predicted": 2, "event_F1_200ms": 0.0, "event_F1_1000ms": 50.0
    }  # fmt: skip
    # active tenths: bell 10, dog 20 and 10; common: bell 9, dog 5
    assert found["segment_F1_100ms"] == pytest.approx(100 * 2 * 14 / (40 + 10 + 20 + 10 + 10 + 10))
    # one: bell 1 missed, 1 wrong, apart; dog for rain 20 substituted; two: 5 missed, 15 wrong, apart; three: 10 wrong
    assert found["segment_ER_100ms"] == pytest.approx((1 + 1 + 20 + 5 + 15 + 10) / 40)
    iou = [9 / 11, 0, 0.5 / 1.5]
    assert found["temporal_iou"] == pytest.approx(100 * np.mean(iou))
    assert [found[f"recall_iou_{share}"] for share in (30, 50, 70)] == pytest.approx([200 / 3, 100 / 3, 100 / 3])
    assert found["event_onset_error"] == pytest.approx((0.1 + 0.5) / 2)
    assert [found[f"hallucinated{end}"] for end in ("", "_label", "_time")] == pytest.approx([60.0, 40.0, 20.0])
    assert found["direction_error"] == pytest.approx((9 * 10 + 5 * 20) / 14)
    assert found["direction_coverage"] == pytest.approx(100 * 14 / 40)
    assert found["track_distance_error"] == pytest.approx(100 * 9 * 0.5 / 14)
    assert found["identity_switches"] == 0
    assert report["counts"] == {
        "reference_events": 3, "predicted_events": 5, "hallucinated_label": 2, "hallucinated_time": 1,
        "events_with_direction": 3, "direction_frames": 40, "matched_frames": 14, "identity_switches": 0,
    }  # fmt: skip
    assert format_event_scores(report).splitlines()[-1].startswith("Verdict: of 100 events, 33 (")


def test_the_truth_itself_scores_full():
    found = values(score_events(checked(TRUTH), checked(TRUTH), resamples=10))
    full = [name for name in found if "F1" in name or "precision" in name or "recall" in name or name.startswith("temporal")]
    assert {found[name] for name in [*full, "direction_coverage"]} == {100.0}
    assert {found[name] for name in found if name not in (*full, "direction_coverage")} == {0.0}


def test_an_interval_is_that_of_resampled_recordings():
    """The same recordings drawn by hand with numpy's generator, each as often as it is drawn."""
    rng = np.random.default_rng(1)
    truth = {str(index): [Event("bell", 1.0, 2.0)] * (1 + index % 3) for index in range(12)}
    told = {name: events[: rng.integers(len(events) + 1)] for name, events in truth.items()}
    entry = score_events(checked(truth), checked(told), resamples=500, seed=7)["metrics"]["event_recall_200ms"]
    own, right = ([len(side[name]) for name in sorted(truth)] for side in (truth, told))
    draws = np.random.default_rng(7)
    chosen = [draws.integers(12, size=12) for _ in range(500)]
    shares = [100 * np.sum(np.take(right, rows)) / np.sum(np.take(own, rows)) for rows in chosen]
    assert (entry["low"], entry["high"]) == pytest.approx(np.percentile(shares, [2.5, 97.5]))
    assert entry["value"] == pytest.approx(100 * sum(right) / sum(own))


@pytest.mark.parametrize(
    ("truth", "told", "words"),
    [
        ([], [], "no event is to be found; none is predicted"),
        ([], [Event("bell", 0.0, 1.0)], "no event is to be found; of 100 predicted, 100 are invented"),
        (
            [Event("bell", 0.0, 1.0)],
            [],
            "of 100 events, 0 are found with their times within 0.2 s and 0 within 1 s; none is",
        ),
        ([Event("bell", 0.0, 1.0, (TrackPoint(0.0, 0.0),))], [Event("bell", 0.0, 1.0)], "no direction is predicted"),
    ],
)
def test_empty_sides_have_a_verdict_and_are_json(truth, told, words):
    report = score_events(checked({"a": truth}), checked({"a": told}), resamples=5)
    assert words in format_event_scores(report)
    json.dumps(report, allow_nan=False)
    assert {entry["low"] for entry in report["metrics"].values()} == {None}  # of one recording


def test_a_single_recording_is_paired_whatever_its_names_and_others_by_name():
    one = checked({"reference": TRUTH["one"]})
    assert values(score_events(one, checked({"timeline": TRUTH["one"]}), 5))["event_F1_200ms"] == 100
    with pytest.raises(ManifestError, match=r"'five' \(and 1 more\) is in the reference and not in the prediction"):
        score_events(checked(TRUTH | {"five": []}), checked({"one": [], "three": []}), 5)
    with pytest.raises(ManifestError, match="'four' is in the prediction and not in the reference"):
        score_events(checked(TRUTH), checked(TOLD | {"four": []}), 5)
    with pytest.raises(ManifestError, match="no recording to score"):
        score_events({}, {}, 5)


def test_the_order_of_events_and_recordings_changes_nothing():
    back = [{name: events[::-1] for name, events in reversed(side.items())} for side in (TRUTH, TOLD)]
    assert score_events(*map(checked, back), 50) == score_events(checked(TRUTH), checked(TOLD), 50)
