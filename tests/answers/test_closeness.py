"""How near a value is to the truth: the same verdict as the scores give, 1 for the truth alone, less for more error."""

import math

import numpy as np
import pytest

from spatial_llm.answers import KINDS
from spatial_llm.answers.closeness import is_right, nearness
from spatial_llm.evaluation.metrics.extract import columns_of
from spatial_llm.evaluation.metrics.type_metrics import metrics_of
from spatial_llm.questions.types import VALUE_KINDS, format_value, parse_value
from tests.evaluation.fixtures_ours import moving_records, our_records

PLACE = {"left_right": "left", "front_behind": "front", "above_below": "above", "distance_m": 2.0}


def written_values() -> dict[str, list[dict]]:
    """True values by question type, as the families write them."""
    found: dict[str, list[dict]] = {}
    for record in (*our_records(120), *moving_records(80)):
        found.setdefault(record.question_type, []).append(parse_value(record.question_type, record.answer))
    return found


def test_right_is_what_the_main_measure_of_the_scores_counts():
    """Places apart, whose main measure is the direction alone."""
    compared = 0
    for question_type, values in written_values().items():
        kind = VALUE_KINDS[question_type]
        if (
            kind in ("location", "location_or_absent", "locations", "timed_caption")
            or "unknown" in kind
            or "thought" in kind
        ):
            continue
        codes: dict[str, int] = {}
        said, true = values[:40], values[1:41]
        said = said[: len(true)]
        columns = [columns_of(question_type, each, codes) for each in (said, true)]
        measured = metrics_of(question_type).right.of(*columns)
        found = [is_right(kind, one, truth) for one, truth in zip(said, true, strict=True)]
        clear = ~np.isnan(measured)
        assert np.array_equal(measured[clear] == 1, np.array(found)[clear]), question_type
        compared += int(clear.sum())
    assert compared > 400


def test_the_truth_is_right_and_nearest_for_every_kind():
    kinds = set()
    for question_type, values in written_values().items():
        kind = VALUE_KINDS[question_type]
        kinds.add(kind)
        for value in values[:10]:
            again = parse_value(question_type, format_value(question_type, value))
            assert is_right(kind, again, value) and nearness(kind, again, value) == 1.0
            assert all(0 <= nearness(kind, other, value) <= 1 for other in values[:10])
    assert {kind for kind in KINDS if "unknown" not in kind} - {"text"} <= kinds


@pytest.mark.parametrize(
    ("kind", "value", "truth", "right", "near"),
    [
        ("azimuth", {"azimuth_deg": -170.0}, {"azimuth_deg": 170.0}, True, math.exp(-1)),
        ("azimuth", {"azimuth_deg": 30.0}, {"azimuth_deg": 71.0}, False, math.exp(-41 / 20)),
        ("elevation", {"elevation_deg": -10.0}, {"elevation_deg": 30.0}, False, math.exp(-2)),
        ("clock", {"clock_hour": 12}, {"clock_hour": 1}, False, math.exp(-1.5)),
        ("distance", {"distance_m": 2.3}, {"distance_m": 1.8}, True, math.exp(-1)),
        ("distance", {"distance_m": 2.4}, {"distance_m": 1.8}, False, math.exp(-1.2)),
        ("location", PLACE | {"distance_m": 3.0}, PLACE, False, (3 + math.exp(-2)) / 4),
        ("location", PLACE | {"left_right": "right"}, PLACE, False, 0.75),
        ("location", PLACE | {"distance_m": 2.5}, PLACE, True, (3 + math.exp(-1)) / 4),
        ("location_or_absent", {"absent": "bell"}, PLACE, False, 0.0),
        ("location_or_absent", {"absent": "bell"}, {"absent": "bell"}, True, 1.0),
        ("labels", {"labels": ["bell"]}, {"labels": ["bell", "dog"]}, False, 2 / 3),
        ("count", {"count": 3}, {"count": 2}, False, math.exp(-1)),
        ("duration", {"duration_s": 1.2}, {"duration_s": 1.0}, True, math.exp(-1)),
        ("duration", {"duration_s": 1.0}, {"duration_s": 0.0}, False, 0.0),
        ("moment", {"time_s": 1.6}, {"time_s": 1.0}, False, math.exp(-1.2)),
        ("span", {"onset_s": 0.0, "offset_s": 1.0}, {"onset_s": 0.5, "offset_s": 1.0}, True, 0.5),
        ("span", {"onset_s": 0.0, "offset_s": 1.0}, {"onset_s": 2.0, "offset_s": 3.0}, False, 0.0),
        ("yes_no", {"yes": True}, {"yes": False}, False, 0.0),
        ("order", {"order": ["a", "b"]}, {"order": ["b", "a"]}, False, 0.0),
    ],
)
def test_values_by_hand(kind, value, truth, right, near):
    assert is_right(kind, value, truth) is right
    assert nearness(kind, value, truth) == pytest.approx(near)
