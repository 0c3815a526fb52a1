"""What answers are worth, in a table; and that nothing is worth more than the truth."""

import math

import pytest

from spatial_llm.data.record import Record
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.types import QUESTION_TYPES, parse_value
from spatial_llm.training.preference.rewards import reward
from spatial_llm.training.preference.settings import GrpoSettings, RewardSettings
from tests.evaluation.fixtures_ours import our_records

DOUBT = "I cannot tell from this recording."


def asked(question_type: str, answer: str) -> Record:
    truth = parse_value(question_type, answer)
    return Record("r", "c", QUESTION_TYPES[question_type], question_type, "?", answer, truth or {}, "train", 32_000)


@pytest.mark.parametrize(
    ("question_type", "answer", "text", "total"),
    [
        ("AZIMUTH_DEG", "30 degrees", "30 degrees", 1.1),
        ("AZIMUTH_DEG", "30 degrees", "50 degrees", math.exp(-1) + 0.1),
        ("AZIMUTH_DEG", "170 degrees", "-170 degrees", math.exp(-1) + 0.1),
        ("AZIMUTH_DEG", "30 degrees", "thirty degrees to the left", 1.0),  # the value, not in the form
        ("AZIMUTH_DEG", "30 degrees", "30", -0.5),  # no unit
        ("AZIMUTH_DEG", "30 degrees", "bell", -0.5),
        ("AZIMUTH_DEG", "30 degrees", "", -0.5),
        ("AZIMUTH_DEG", "30 degrees", DOUBT, 0.0),
        ("AZIMUTH_DEG", DOUBT, DOUBT, 1.1),
        ("AZIMUTH_DEG", DOUBT, "30 degrees", 0.0),
        ("AZIMUTH_DEG", DOUBT, "bell", -0.5),
        ("DISTANCE", "2m", "2.5m", math.exp(-1) + 0.1),
        ("DISTANCE", "2m", "two meters", 1.0),
        ("DOA", "left, front, above; 2m", "right, front, above; 2m", 0.75 + 0.1),
        ("DOA", "left, front, above; 2m", "left, front, above", -0.5),
        ("WRONG_PLACE", "Yes", "No", 0.1),
        ("WRONG_PLACE", "Yes", "yes", 1.1),
        ("WRONG_PLACE", "Yes", "Yes, it is.", 1.0),
        ("CLASSIFICATION", "bell; siren", "bell", 2 / 3 + 0.1),
        ("ABSENT", "There is no bell", "left, front, above; 2m", 0.1),
        ("COUNT_SOURCES", "2", "3", math.exp(-1) + 0.1),
    ],
)
def test_the_table(question_type, answer, text, total):
    assert reward(asked(question_type, answer), text, RewardSettings(), ("bell", "siren")).total == pytest.approx(total)


def test_verdicts():
    found = reward(asked("AZIMUTH_DEG", "30 degrees"), "45 degrees", RewardSettings())
    assert (found.right, found.unparsed, found.refused) == (True, False, False)
    found = reward(asked("AZIMUTH_DEG", "30 degrees"), "95 degrees", RewardSettings())
    assert (found.right, found.unparsed, found.refused) == (False, False, False)
    found = reward(asked("AZIMUTH_DEG", "30 degrees"), "nowhere", RewardSettings())
    assert (found.right, found.unparsed, found.refused) == (False, True, False)
    found = reward(asked("AZIMUTH_DEG", DOUBT), DOUBT, RewardSettings())
    assert (found.right, found.unparsed, found.refused) == (True, False, True)


def test_the_true_answer_is_worth_most_for_every_type():
    records, settings = our_records(60), RewardSettings()
    texts: dict[str, set[str]] = {}
    for record in records:
        texts.setdefault(record.question_type, set()).add(record.answer)
    types = set()
    for record in records:
        best = reward(record, record.answer, settings)
        assert best.total == pytest.approx(1.1) and best.right
        others = [reward(record, text, settings).total for text in sorted(texts[record.question_type])[:12]]
        assert max(others) <= best.total + 1e-9 and reward(record, "", settings).total < min([*others, 0.0])
        types.add(record.question_type)
    assert len(types) > 30


def test_weights_are_those_that_are_set_and_silence_is_never_worth_more():
    settings = RewardSettings(right=2.0, form=0.5, unparsed=-1.0, refused=0.3)
    record = asked("DISTANCE", "2m")
    worth = [reward(record, text, settings).total for text in ("2m", "two meters", "?", DOUBT)]
    assert worth == pytest.approx([2.5, 2.0, -1.0, 0.3])
    for given in ({"unparsed": 0.1}, {"refused": -0.7}):
        with pytest.raises(SpatialLLMError, match="says nothing may not be worth more"):
            RewardSettings(**given)
    with pytest.raises(SpatialLLMError, match="2 or more"):
        GrpoSettings(samples=1)
    with pytest.raises(SpatialLLMError, match=r"grpo\.clip is 0\.1 with inner_epochs 1"):
        GrpoSettings(clip=0.1)
