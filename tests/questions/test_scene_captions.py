"""Captions of scenes: each view names what it is for and nothing else; wordings are those of the seed."""

import dataclasses

import numpy as np
import pytest

from spatial_llm.encoders.configuration_dspast import BRANCHES
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.scene_captions import (
    ASPECTS,
    DIRECTION,
    DISTANCE,
    FORMS,
    SOUND,
    STYLES,
    TIME,
    WHOLE,
    captions_of_view,
    scene_facts,
    write_caption,
)

BELL = HeardSource("bell", 35.0, 12.0, 2.4, 0.31, 1.87)
RAIN = HeardSource("rain", -120.0, -20.0, 0.9, 0.0, 2.0)
# Words that only a text about this aspect holds, in every style.
MARKS = {
    SOUND: ("bell",),
    DIRECTION: ("left", "right", "front", "ahead", "behind", "at the back", "above", "high", "below", "low"),
    DISTANCE: ("2.5", "1 m"),
    TIME: ("0.3", "1.9"),
}


def named(text: str) -> set[str]:
    """The aspects whose words stand in a text."""
    return {aspect for aspect, words in MARKS.items() if any(word in text for word in words)}


@pytest.mark.parametrize("style", range(STYLES))
@pytest.mark.parametrize("aspects", [(one,) for one in ASPECTS] + [(SOUND, TIME), (DIRECTION, DISTANCE), ASPECTS])
def test_a_caption_names_the_aspects_that_it_should_and_no_other(aspects: tuple[str, ...], style: int) -> None:
    caption = write_caption([BELL], aspects, style)
    assert named(caption.text) == set(aspects) == set(caption.named)


def test_the_words_of_each_style_are_those_of_the_place() -> None:
    texts = [write_caption([BELL], ASPECTS, style).text for style in range(STYLES)]
    assert texts[0] == "bell, left, front, above, 2.5 m away, from 0.3 s to 1.9 s"
    assert len(set(texts)) == STYLES
    for text in texts:
        assert "left" in text and ("front" in text or "ahead" in text) and ("above" in text or "high" in text)
        assert not any(word in text for word in ("right", "behind", "back", "below", "low"))
    mirrored = write_caption([BELL.mirror_image()], ASPECTS).text
    assert mirrored == texts[0].replace("left", "right")


def test_the_slices_of_dspast_are_taught_what_and_where_apart() -> None:
    told = {}
    for view in BRANCHES:
        captions = captions_of_view([BELL], view, 12, np.random.default_rng(0))
        told[view] = set().union(*(named(caption.text) for caption in captions))
    assert told == {"distance": {DISTANCE}, "direction": {DIRECTION}, "event": {SOUND, TIME}}
    whole = captions_of_view([BELL], WHOLE, 4, np.random.default_rng(0))
    assert [set(one.named) for one in whole] == [set(form) for form in FORMS[WHOLE]]
    assert any(named(one.text) == set(ASPECTS) for one in whole)


def test_wordings_are_those_of_the_seed() -> None:
    first, again, other = (captions_of_view([BELL], WHOLE, 8, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_several_sources_are_told_in_one_order() -> None:
    both = write_caption([RAIN, BELL], (SOUND, DISTANCE))
    assert both == write_caption([BELL, RAIN], (SOUND, DISTANCE))
    assert both.text == "bell, 2.5 m away; rain, 1 m away"
    assert scene_facts([RAIN, BELL]) == scene_facts([BELL, RAIN])
    near = dataclasses.replace(BELL, distance_m=2.6)
    assert scene_facts([BELL])[DISTANCE] == scene_facts([near])[DISTANCE] == "2.5 m away", "steps of 0.5 m"


def test_what_is_not_known_is_not_named() -> None:
    untimed = dataclasses.replace(BELL, onset_s=None, offset_s=None)
    assert write_caption([untimed], ASPECTS).named == (SOUND, DIRECTION, DISTANCE)
    assert scene_facts([untimed])[TIME] is None
    folded = dataclasses.replace(BELL, folded=True)
    assert write_caption([folded], (DIRECTION,)) is None
    assert [set(one.named) for one in captions_of_view([untimed], "event", 3, np.random.default_rng(0))] == [{SOUND}] * 3
    with pytest.raises(SpatialLLMError, match="nothing is known that a caption of 'direction'"):
        captions_of_view([folded], "direction", 2, np.random.default_rng(0))
    with pytest.raises(SpatialLLMError, match="'colour'; expected one of whole, distance, direction, event"):
        captions_of_view([BELL], "colour", 2, np.random.default_rng(0))
