"""What is inferred of a question agrees with what its family recorded, wherever the inference finds anything."""

from collections import Counter
from dataclasses import replace

import pytest

from spatial_llm.evaluation.metrics import mirrored_truths, read_truths
from tests.evaluation.fixtures_ours import our_records


@pytest.fixture(scope="module")
def both():
    """Records of all types, and their truths with the meaning recorded, and inferred."""
    records = our_records(1000)
    others = [replace(record, about=None) for record in records]
    return records, read_truths(records), others, read_truths(others)


def test_the_inferred_source_is_the_recorded_one(both):
    gained = Counter()
    for record, recorded, inferred in zip(both[0], both[1], both[3], strict=True):
        assert recorded.turn_deg == inferred.turn_deg and recorded.onsets_s == inferred.onsets_s
        if inferred.source is None and recorded.source is not None:
            gained[record.question_type] += 1  # two sounds of one class, or the same words for both places
        else:
            assert recorded.source == inferred.source, record
            assert inferred.asked in ((), recorded.asked), record
    assert {"MIXUP_SINGLE_CLASSIFICATION", "PRESENT_AT_PLACE"} <= set(gained)
    assert not set(gained) & {"DOA", "AZIMUTH_DEG", "ROTATED", "SPAN", "WRONG_PLACE", "MIXUP_DIRECTION", "COUNT_SOURCES"}


def test_the_inferred_mirror_image_is_the_recorded_one(both):
    records, recorded, others, inferred = both
    pairs = zip(records, mirrored_truths(records, recorded), mirrored_truths(others, inferred), strict=True)
    gained = Counter()
    for record, known, found in pairs:
        if found is None:
            gained[record.question_type] += known is not None
        else:
            assert known.value == found.value, record
    assert gained["RELATION_LEFT"] > 0 and gained["PRESENT_AT_PLACE"] == 0
