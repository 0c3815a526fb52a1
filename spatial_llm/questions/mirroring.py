"""Derives the true answer for the mirror image of a scene: the same question after left and right are exchanged."""

from collections.abc import Sequence
from typing import Any

from spatial_llm.answers import KINDS
from spatial_llm.questions.about import About
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.types import FAMILY_OF, VALUE_KINDS


def mirror(
    question_type: str, about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None = None
) -> dict[str, Any] | None:
    """Returns the true value of a question after the ears of its recording are swapped; None if it is not known.

    Directions are mirrored; labels, counts, distances, elevations, times and rooms stay. A question that names a side, a
    place or a turn asks something else of the mirror image, and its family computes the truth.

    Args:
        question_type: type of the question.
        about: meaning of the question.
        value: true value of its answer, as `parse_value` returns it.
        sources: all sources of the scene, not mirrored, in its order; None where they are not all known.
    """
    own = FAMILY_OF[question_type].mirror.get(question_type)
    return KINDS[VALUE_KINDS[question_type]].mirror(value) if own is None else own(about, value, sources)
