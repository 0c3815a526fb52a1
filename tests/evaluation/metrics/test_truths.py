"""Where the source asked about is: found in the scene, agreeing with the answer; unknown rather than guessed."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from spatial_llm.answers import AXES, KINDS
from spatial_llm.data.record import Pair
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.metrics import context_of, mirrored_truths, read_truths
from spatial_llm.evaluation.metrics.metric import Percent, median_of
from spatial_llm.evaluation.statistics.bootstrap import mean_of
from spatial_llm.geometry import direction_to_vector, direction_words
from spatial_llm.questions.about import places_apart
from spatial_llm.questions.types import VALUE_KINDS, format_value
from spatial_llm.scenes.scene import place_at
from tests.evaluation.fixtures_ours import moving_records, our_records

OF_ONE_SOURCE = (
    "CLASSIFICATION", "DOA", "MIXUP_SINGLE_DOA", "AZIMUTH_DEG", "AZIMUTH_CLOCK", "ELEVATION_DEG", "DISTANCE", "ROTATED",
    "ROTATED_AZIMUTH", "DURATION", "SPAN", "WRONG_PLACE",
)  # fmt: skip


@pytest.fixture(scope="module")
def pairs():
    records = our_records(400)
    return list(zip(records, read_truths(records), strict=True))


@pytest.mark.parametrize("kind", OF_ONE_SOURCE)
def test_every_question_about_one_source_finds_it(pairs, kind):
    found = [truth.where for record, truth in pairs if record.question_type == kind]
    assert found and None not in found


def test_the_place_agrees_with_the_answer(pairs):
    checked = Counter()
    for record, truth in pairs:
        if truth.source is None:
            continue
        value, source = truth.value, truth.source
        if "left_right" in value and "distance_m" in value:
            form = "words"
            words = direction_words(direction_to_vector(source.azimuth_deg, source.elevation_deg, source.distance_m))
            assert words == tuple(value[axis] for axis in AXES), record.id
        elif "azimuth_deg" in value:
            form = "degrees"
            assert abs((source.azimuth_deg - value["azimuth_deg"] + 180) % 360 - 180) <= 0.5 + 1e-9
        elif "distance_m" in value:
            form = "metres"
            assert source.distance_m == pytest.approx(value["distance_m"], abs=0.051)
        else:
            continue
        checked[form] += 1
        before = truth.where  # in the listener's own frame, whatever the question turns
        assert any(
            before["azimuth_deg"] == pytest.approx(true.azimuth_deg) and before["distance_m"] == true.distance_m
            for true in record.scene.truth.sources
        )
    assert checked.total() > 800 and len(checked) == 3 and min(checked.values()) > 100, checked


def test_relations_counts_and_rooms_have_no_place(pairs):
    kinds = ("MIXUP_DIRECTION", "COUNT_SOURCES", "ROOM_SIZE", "SAME_CLASS", "SWAPPED", "ONSET_ORDER")
    assert all(truth.where is None for record, truth in pairs if record.question_type in kinds)
    absent = [truth for record, truth in pairs if record.question_type == "PRESENT" and truth.value == {"yes": False}]
    assert absent and all(truth.where is None for truth in absent)


def test_a_released_pair_is_found_by_its_place_and_unknown_without_one(pairs):
    record = next(record for record, _ in pairs if record.question_type == "MIXUP_SINGLE_DOA")
    there = {"azimuth_deg": 60.0, "elevation_deg": 20.0, "distance_m": 2.1}
    other = {"azimuth_deg": -60.0, "elevation_deg": 20.0, "distance_m": 2.1}
    two = (Pair("a", "r", ("dog",), **other), Pair("b", "s", None, **there))
    item = replace(
        record, about=None, scene=None, pairs=two, question="Where is the sound of the cat?", answer="left, front, above; 2m"
    )
    assert read_truths([item])[0].where == pytest.approx(there)
    assert context_of(item, None) == {"sources": 2, "rt60_s": None, "drr_db": None, "snr_db": None, "labels": ["dog"]}
    unknown = replace(item, pairs=(two[0], Pair("b", "s")))
    assert read_truths([unknown])[0].where is None


def test_mirrored_truths_exchange_the_sides_and_leave_out_what_is_unknown(pairs):
    chosen = [(record, truth) for record, truth in pairs if record.question_type in ("DOA", "ROTATED")]
    records, truths = map(list, zip(*chosen, strict=True))
    records[0] = replace(records[0], question_type="MIXUP_SINGLE_CLASSIFICATION", question="What is on the left?")
    found = mirrored_truths(records, truths)
    assert found[0] is None
    for before, after in zip(truths[1:], found[1:], strict=True):
        assert after.where["azimuth_deg"] == pytest.approx(-before.where["azimuth_deg"])
        assert after.where["elevation_deg"] == before.where["elevation_deg"]
        assert after.asked == before.asked != ()


def test_an_answer_that_does_not_parse_is_no_truth(pairs):
    record = replace(pairs[0][0], answer="", truth={})
    assert read_truths([record]) == [None]


def test_the_median_is_numpys_of_rows_that_stand_so_often():
    rng = np.random.default_rng(0)
    values = np.round(rng.normal(size=31), 1)
    values[3] = np.nan
    weights = rng.integers(0, 4, size=(50, 31))
    wanted = [np.nanmedian(np.repeat(values, row)) for row in weights]
    np.testing.assert_allclose(median_of(values)(weights), wanted, atol=1e-12)
    assert np.isnan(median_of(values)(np.zeros((1, 31)))[0]) and np.isnan(median_of([np.nan])(np.ones((1, 1)))[0])
    even = median_of([1.0, 2.0, 4.0, 8.0])
    assert even(np.ones((1, 4)))[0] == 3.0 and even(np.array([[1, 1, 0, 0]]))[0] == 1.5


def test_percent_scales_values_and_stacks():
    share = Percent(mean_of([0.0, 1.0]))
    both = share.stacked(Percent(mean_of([1.0, 1.0])))
    assert share.values.tolist() == [0.0, 100.0] and both(np.ones((1, 4)))[0] == 75.0 and both.items == 4


OF_A_TIME = ("MOTION_START", "MOTION_END", "MOTION_AT", "MOTION_AZIMUTH_AT", "AFTER_TURN")


def test_what_moves_is_where_it_is_at_the_time_of_the_question():
    records = moving_records()
    seen = Counter()
    for record, truth in zip(records, read_truths(records), strict=True):
        source = truth.source
        if record.question_type in OF_A_TIME:
            there = place_at(record.scene.listener, record.scene.sources[truth.asked[0]], record.about.time_s)
            assert (source.azimuth_deg, source.elevation_deg, source.distance_m) == pytest.approx(there)
            assert places_apart(truth.value, source) == [] and truth.where is not None
            seen[record.question_type] += 1
        elif source is not None and record.question_type != "STARTS_AT":  # which names the time as well
            assert source.is_placed and not record.scene.sources[truth.asked[0]].moves, "what moves has no one place"
        assert context_of(record, truth)["sources"] == len(record.scene.sources)
    assert set(seen) == set(OF_A_TIME)


def test_another_place_than_that_at_the_time_of_the_question_is_found():
    found = 0
    for record in moving_records():
        if record.question_type == "MOTION_START":
            value = record.truth | {"left_right": "left" if record.truth["left_right"] == "right" else "right"}
            with pytest.raises(ManifestError, match="left_right differ"):
                read_truths([replace(record, truth=value, answer=format_value("MOTION_START", value))])
            found += 1
    assert found > 10


def test_the_mirror_image_of_motion_is_known_from_the_record_and_from_the_wording():
    records = moving_records()
    for each in (records, [replace(record, about=None) for record in records]):
        truths = read_truths(each)
        for record, image in zip(each, mirrored_truths(each, truths), strict=True):
            if VALUE_KINDS[record.question_type] == "motion":
                assert image.value == KINDS["motion"].mirror(record.truth)
            if record.question_type == "CROSSES":
                assert image is None
