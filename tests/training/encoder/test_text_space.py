"""What is asked of which channels: only those that tell of it, in words of one style, right wherever it is true."""

from types import SimpleNamespace

import numpy as np
import pytest

from spatial_llm.encoders.configuration_dspast import BRANCHES
from spatial_llm.errors import ManifestError
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.scene_captions import ASPECTS, DIRECTION, DISTANCE, SOUND, TIME, WHOLE
from spatial_llm.training.encoder.text_space import captions_about

BELL = HeardSource("bell", 35.0, 12.0, 2.4, 0.31, 1.87)
NEAR = HeardSource("bell", 35.0, 12.0, 1.0, 0.31, 1.87)
RAIN = HeardSource("rain", 50.0, 20.0, 2.6, 0.0, 2.0)
RECORDS = [SimpleNamespace(id=f"r{number}") for number in range(3)]
SOURCES = [[BELL], [NEAR], [RAIN]]


def test_each_aspect_is_asked_of_the_slices_that_tell_it() -> None:
    asked = {
        (SOUND,): {"event"},
        (DIRECTION, DISTANCE): {"distance", "direction"},
        (DISTANCE,): {"distance"},
        (SOUND, TIME): {"event"},
        ASPECTS: set(BRANCHES),
    }
    for aspects, views in asked.items():
        assert set(captions_about(RECORDS, SOURCES, BRANCHES, aspects).by_view) == views
        assert set(captions_about(RECORDS, SOURCES, (WHOLE,), aspects).by_view) == {WHOLE}


def test_texts_name_what_is_asked_for() -> None:
    queries = captions_about(RECORDS, SOURCES, BRANCHES, ASPECTS)
    assert queries.by_view["event"] == ["bell, from 0.3 s to 1.9 s"] * 2 + ["rain, from 0 s to 2 s"]
    assert queries.by_view["distance"] == ["2.5 m away", "1 m away", "2.5 m away"]
    assert queries.by_view["direction"] == ["left, front, above"] * 3
    assert queries.texts[1] == "bell, left, front, above, 1 m away, from 0.3 s to 1.9 s"
    assert captions_about(RECORDS, SOURCES, (WHOLE,), (SOUND,)).by_view[WHOLE] == ["bell", "bell", "rain"]


@pytest.mark.parametrize(
    ("aspects", "groups"),
    [((SOUND,), [0, 0, 1]), ((DISTANCE,), [0, 1, 0]), ((DIRECTION,), [0, 0, 0]), ((SOUND, DISTANCE), [0, 1, 2])],
)
def test_a_text_is_right_wherever_it_is_true(aspects: tuple[str, ...], groups: list[int]) -> None:
    for views in (BRANCHES, (WHOLE,)):
        queries = captions_about(RECORDS, SOURCES, views, aspects)
        np.testing.assert_array_equal(queries.right, np.equal.outer(groups, groups))
        assert [[one == other for other in queries.texts] for one in queries.texts] == queries.right.tolist()


def test_what_is_not_known_cannot_be_asked_for() -> None:
    untimed = [[HeardSource("bell", 35.0, 12.0, 2.4)], *SOURCES[1:]]
    assert captions_about(RECORDS, untimed, BRANCHES, (SOUND,)).texts == ["bell", "bell", "rain"]
    with pytest.raises(ManifestError, match="record 'r0': its time is not known"):
        captions_about(RECORDS, untimed, BRANCHES, (SOUND, TIME))
