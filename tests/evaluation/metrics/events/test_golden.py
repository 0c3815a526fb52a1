"""Counts and scores of events are those of sed_eval 0.2.1, the reference implementation, on seven lists and on all together.

How tests/golden/sed_eval.json was made, once, in an environment of its own (numpy 1.26, dcase_util 0.2.20): the lists, drawn
at random or written by hand, went through

    EventBasedMetrics(labels, t_collar=collar, percentage_of_length=0.5, event_matching_type="optimal")
    SegmentBasedMetrics(labels, time_resolution=segment)

with labels bell, dog, rain and siren: one `evaluate(reference, predicted)` a list, or for "all" one a list in turn. `counts`
and `overall` are the sums and `results()["overall"]` of these objects, `classes` their counts by class; NaN is null. No two
times of the lists are a collar apart or on the border of a segment, because there rounding decides in sed_eval.
"""

import json
from pathlib import Path

import pytest

from spatial_llm.evaluation.metrics.events.collars import COLLARS_S, found_events
from spatial_llm.evaluation.metrics.events.event import Event, checked_events
from spatial_llm.evaluation.metrics.events.segments import SEGMENTS_S, active_segments
from spatial_llm.evaluation.scoring.event_scores import score_events

GOLDEN = json.loads((Path(__file__).parents[3] / "golden" / "sed_eval.json").read_text(encoding="utf-8"))
CASES = {
    name: tuple(
        checked_events([Event(label, *times) for *times, label in case[side]], name) for side in ("reference", "predicted")
    )
    for name, case in GOLDEN["cases"].items()
}


def scores_of(name):
    chosen = CASES if name == "all" else {name: CASES[name]}
    sides = [{key: case[side] for key, case in chosen.items()} for side in (0, 1)]
    return {key: entry["value"] for key, entry in score_events(*sides, resamples=1)["metrics"].items()}


def test_the_settings_are_those_of_the_golden_values():
    assert {str(collar_s) for collar_s in COLLARS_S} == set(GOLDEN["event"])
    assert {str(segment_s) for segment_s in SEGMENTS_S} == set(GOLDEN["segment"])


@pytest.mark.parametrize("collar_s", COLLARS_S)
@pytest.mark.parametrize("name", CASES)
def test_events_found_by_class(name, collar_s):
    golden, counts = GOLDEN["event"][str(collar_s)][name], found_events(*CASES[name], collar_s)
    for label, expected in golden["classes"].items():
        assert counts.get(label, (0, 0, 0)) == (expected["Ntp"], expected["Nref"], expected["Nsys"])
    assert sum(found for found, _, _ in counts.values()) == golden["counts"]["Ntp"]


@pytest.mark.parametrize("segment_s", SEGMENTS_S)
@pytest.mark.parametrize("name", CASES)
def test_active_segments_by_class(name, segment_s):
    golden, counts = GOLDEN["segment"][str(segment_s)][name], active_segments(*CASES[name], segment_s)
    for label, expected in golden["classes"].items():
        assert counts.classes.get(label, (0, 0, 0)) == (expected["Ntp"], expected["Nref"], expected["Nsys"])
    assert counts[1:] == tuple(golden["counts"][key] for key in ("S", "D", "I"))


@pytest.mark.parametrize("name", [*CASES, "all"])
def test_scores(name):
    found = scores_of(name)
    for golden, prefix in ((GOLDEN["event"], "event"), (GOLDEN["segment"], "segment")):
        for length_s, cases in golden.items():
            end, overall, counts = f"{1000 * float(length_s):.0f}ms", cases[name]["overall"], cases[name]["counts"]
            # F1 is NaN in sed_eval where nothing is predicted or nothing sounds; ours is 0 if either does
            assert found[f"{prefix}_F1_{end}"] == pytest.approx(100 * (overall["f_measure"] or 0))
            if prefix == "event":
                for key in ("precision", "recall"):
                    expected = overall[key]
                    assert found[f"event_{key}_{end}"] == (None if expected is None else pytest.approx(100 * expected))
            elif counts["Nref"]:
                assert found[f"segment_ER_{end}"] == pytest.approx(overall["error_rate"])
            else:  # a division by nearly nothing in sed_eval
                assert found[f"segment_ER_{end}"] is None and overall["error_rate"] > 1e15


def test_the_lists_hold_the_odd_cases():
    reference, predicted = CASES["touching and overlapping"]
    assert any(a.offset_s == b.onset_s and a.label == b.label for a in reference for b in reference)
    assert not CASES["nothing predicted"][1] and not CASES["nothing sounds"][0]
    assert len(predicted) == 5 and len(CASES["crowded"][0]) == 40
