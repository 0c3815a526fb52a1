"""Hallucination by kind of question, against scikit-learn and by hand."""

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from spatial_llm.evaluation.metrics.hallucination import KINDS, RULES, hallucination_measures
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap

YES, NO, UNPARSED = {"yes": True}, {"yes": False}, None
PLACE = {"left_right": "left", "front_behind": "front", "above_below": "above", "distance_m": 2.0}


def values(types, parsed, truths):
    measures = hallucination_measures(types, parsed, truths)
    bootstrap = Bootstrap(range(len(types)), resamples=20)
    return {name: bootstrap.value(measure.statistic, measure.rows) for name, measure in measures.items()}, measures


def test_by_hand() -> None:
    types = ["PRESENT", "ABSENT", "ABSENT", "PRESENT_AT_PLACE", "WRONG_PLACE", "WRONG_PLACE", "DOA"]
    truths = [NO, {"absent": "bell"}, PLACE, NO, NO, YES, PLACE]
    # absent: one no found, one missed (a place for a sound that is not there), one false, one unparsed
    parsed = [NO, PLACE, {"absent": "dog"}, UNPARSED, YES, YES, PLACE]
    found, measures = values(types, parsed, truths)
    assert list(measures["absent_sound_f1_no"].rows) == [0, 1, 2, 3]
    assert list(measures["wrong_place_f1_no"].rows) == [4, 5]
    assert found["absent_sound_accuracy"] == 1 / 4 and found["wrong_place_accuracy"] == 1 / 2
    assert found["absent_sound_precision_no"] == 1 / 2
    assert found["absent_sound_recall_no"] == 1 / 3
    assert found["absent_sound_f1_no"] == pytest.approx(0.4)
    assert found["absent_sound_yes_rate"] == 1 / 4
    # a model that agrees to everything
    assert (found["wrong_place_f1_no"], found["wrong_place_yes_rate"]) == (0.0, 1.0)
    assert np.isnan(found["wrong_place_precision_no"])
    assert not any(name.startswith("swapped") for name in found)
    assert measures["absent_sound_recall_no"].random == 0.75 and measures["wrong_place_yes_rate"].random == 0.5


def test_agrees_with_scikit_learn_and_intervals_apply() -> None:
    rng = np.random.default_rng(0)
    types = rng.choice([name for names in KINDS.values() for name in names], size=400)
    due = rng.random(400) < 0.5
    said = np.where(rng.random(400) < 0.2, ~due, due)
    as_value = {True: NO, False: YES}
    found, measures = values(types, [as_value[bool(no)] for no in said], [as_value[bool(no)] for no in due])
    assert len(found) == len(KINDS) * len(RULES)
    bootstrap = Bootstrap(range(400), resamples=200)
    for kind, names in KINDS.items():
        rows = np.isin(types, names)
        for rule, function in (("f1_no", f1_score), ("precision_no", precision_score), ("recall_no", recall_score)):
            assert found[f"{kind}_{rule}"] == pytest.approx(function(due[rows], said[rows]))
            measure = measures[f"{kind}_{rule}"]
            low, high = bootstrap.interval(measure.statistic, measure.rows)
            assert low < found[f"{kind}_{rule}"] < high
        assert found[f"{kind}_accuracy"] == pytest.approx(np.mean(due[rows] == said[rows]))
        # and by a loop over the items
        both = no = no_due = 0
        for row in np.flatnonzero(rows):
            both, no, no_due = both + (said[row] and due[row]), no + said[row], no_due + due[row]
        assert found[f"{kind}_f1_no"] == pytest.approx(2 * both / (no + no_due))
        assert (found[f"{kind}_precision_no"], found[f"{kind}_recall_no"]) == (
            pytest.approx(both / no), pytest.approx(both / no_due)
        )  # fmt: skip
        assert found[f"{kind}_yes_rate"] == pytest.approx(1 - said[rows].mean())


def test_the_random_values_are_those_of_guessing() -> None:
    """Answers drawn from the true ones, 400 times."""
    rng = np.random.default_rng(1)
    due = rng.random(300) < 0.3
    truths = [NO if no else YES for no in due]
    drawn = [values(["SWAPPED"] * 300, [truths[i] for i in rng.integers(300, size=300)], truths) for _ in range(100)]
    for name, measure in drawn[0][1].items():
        assert np.mean([found[name] for found, _ in drawn]) == pytest.approx(measure.random, abs=0.02)
