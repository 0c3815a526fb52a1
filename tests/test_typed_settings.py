"""One of several dataclasses by its type: what is chosen, and what each refusal says."""

from dataclasses import dataclass

import pytest

from spatial_llm.errors import SpatialLLMError
from spatial_llm.ranges import Checked, Count, Positive
from spatial_llm.typed_settings import read_kind


@dataclass
class Round(Checked):
    radius: Positive = 1.0


@dataclass
class Square(Checked):
    side: Positive
    corners: Count = 4


KINDS = {"round": Round, "square": Square}


def test_the_type_chooses_and_the_rest_are_its_fields() -> None:
    assert read_kind({"type": "round"}, KINDS, "shape") == Round()
    assert read_kind({"type": "square", "side": 2.0}, KINDS, "shape") == Square(2.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"type": "oval"}, r"shape\.type is 'oval'; expected one of round, square"),
        (None, r"shape\.type is None"),
        ({"type": "round", "side": 1.0}, r"shape\.side is no field of round; its fields are radius"),
        ({"type": "round", "raduis": 1.0}, "did you mean radius"),
        ({"type": "round", "radius": "1"}, r"shape\.radius is '1'"),
        ({"type": "round", "radius": 0.0}, "radius is 0"),
        ({"type": "square"}, r"needs shape\.side; give it"),
    ],
)
def test_refusals(given: object, words: str) -> None:
    with pytest.raises(SpatialLLMError, match=words):
        read_kind(given, KINDS, "shape")
