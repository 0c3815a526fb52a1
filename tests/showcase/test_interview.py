"""What is asked about a scene, what is true of it, and where answers say that the sounds are."""

import pytest

from spatial_llm.questions.types import parse_value
from spatial_llm.shipped.render import read_shipped
from spatial_llm.showcase.interview import Asked, believed_places, format_interview, interview


class Knowing:
    """Answers every question as it was told to."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    def listen(self, audio: object) -> "Knowing":
        return self

    def ask(self, questions: list[str], max_new_tokens: int) -> list[str]:
        return [self.answers.get(question, "") for question in questions]


@pytest.mark.parametrize(("scene", "path"), read_shipped(), ids=lambda value: getattr(value, "id", ""))
def test_the_truth_is_that_of_the_scene(scene, path):
    silent = interview(Knowing({}), scene, path)
    assert len({each.question for each in silent}) == len(silent) and all(each.answer == "" for each in silent)
    asked = interview(Knowing({each.question: each.truth for each in silent}), scene, path)
    assert all(each.answer == each.truth and parse_value(each.question_type, each.answer) for each in asked)
    for place, known in zip(believed_places(asked, len(scene.sources)), scene.truth.sources, strict=True):
        assert place == pytest.approx((known.azimuth_deg, known.distance_m), abs=0.51)
    assert believed_places(silent, len(scene.sources)) == [None] * len(scene.sources)
    assert all(each.right for each in asked) and not any(each.right for each in silent)
    shown = format_interview(asked)
    assert shown.count("answer: ") == shown.count("✓") == len(asked)
    assert shown.endswith(f"\n  {len(asked)} of {len(asked)} right")
    assert format_interview(silent).count("✗") == len(asked)


def test_of_two_sources_the_comparisons_are_true():
    (scene, path) = read_shipped()[2]
    truths = {each.question_type: each.truth for each in interview(Knowing({}), scene, path)}
    assert truths["MIXUP_DIRECTION"] == "No", "the siren is on the right, the alarm on the left"
    assert truths["MIXUP_DISTANCE_BOTH"] == "Yes", "the siren is at 1.4 m, the alarm at 2.6 m"


def test_words_stand_in_for_numbers_that_cannot_be_read():
    words = Asked("DOA", "?", "left, behind, above; 2.5m", "", 0)
    assert believed_places([words], 1) == [(pytest.approx(135.0), 2.5)]
    assert believed_places([Asked("AZIMUTH_DEG", "?", "100 degrees", "", 0), words], 1) == [(100.0, 2.5)]
    assert believed_places([Asked("AZIMUTH_DEG", "?", "100 degrees", "", 0)], 1) == [None], "no distance"
    assert believed_places([words], 2) == [(pytest.approx(135.0), 2.5), None]


@pytest.mark.parametrize(
    ("question_type", "answer", "truth", "right"),
    [
        ("AZIMUTH_DEG", "-163 degrees", "177 degrees", True),  # 20 degrees apart, across the back
        ("AZIMUTH_DEG", "-162 degrees", "177 degrees", False),
        ("AZIMUTH_DEG", "on the left", "177 degrees", False),
        ("DOA", "left, front, above; 1.8m", "left, front, above; 2.3m", True),
        ("DOA", "left, front, above; 3m", "left, front, above; 2m", False),
        ("DOA", "left, front, below; 2m", "left, front, above; 2m", False),
        ("CLASSIFICATION", "bell; alarm", "alarm; bell", True),
        ("CLASSIFICATION", "bell", "alarm; bell", False),
        ("MIXUP_DIRECTION", "No", "No", True),
        ("MIXUP_DIRECTION", "No", "Yes", False),
    ],
)
def test_an_answer_is_right_by_the_tolerances_of_the_scores(question_type, answer, truth, right):
    assert Asked(question_type, "?", answer, truth).right is right
