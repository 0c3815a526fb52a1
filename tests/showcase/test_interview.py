"""What is asked about a scene, what is true of it, and where answers say that the sounds are."""

import pytest

from spatial_llm.questions.types import parse_value
from spatial_llm.shipped.render import read_shipped
from spatial_llm.showcase.interview import Asked, believed_places, format_interview, interview


class Knowing:
    """Answers every question as it was told to."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    def ask(self, audio: object, question: str, max_new_tokens: int) -> str:
        return self.answers.get(question, "")


@pytest.mark.parametrize(("scene", "path"), read_shipped(), ids=lambda value: getattr(value, "id", ""))
def test_the_truth_is_that_of_the_scene(scene, path):
    silent = interview(Knowing({}), scene, path)
    assert len({each.question for each in silent}) == len(silent) and all(each.answer == "" for each in silent)
    asked = interview(Knowing({each.question: each.truth for each in silent}), scene, path)
    assert all(each.answer == each.truth and parse_value(each.question_type, each.answer) for each in asked)
    for place, known in zip(believed_places(asked, len(scene.sources)), scene.truth.sources, strict=True):
        assert place == pytest.approx((known.azimuth_deg, known.distance_m), abs=0.51)
    assert believed_places(silent, len(scene.sources)) == [None] * len(scene.sources)
    assert format_interview(asked).count("answer: ") == len(asked)


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
