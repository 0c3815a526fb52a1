"""What is true of the mirror image of a scene: the same question, its answer once left and right are exchanged."""

from collections.abc import Sequence
from typing import Any

from spatial_llm.answers import VALUE_KINDS
from spatial_llm.geometry import wrap_azimuth_deg
from spatial_llm.questions.about import MIRROR_WORD, About
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.families import FAMILIES

_OWN = {question_type: own for family in FAMILIES for question_type, own in family.mirror.items()}


def mirror(
    question_type: str, about: About, value: dict[str, Any], sources: Sequence[HeardSource] | None = None
) -> dict[str, Any] | None:
    """Return the true value of a question once the ears of its recording are swapped; None where it is not known.

    Directions are mirrored; labels, counts, distances, elevations, times and rooms stay. A question that names a side, a
    place or a turn asks something else of the mirror image, and its family says what is then true.

    Args:
        question_type: of the question.
        about: meaning of the question.
        value: true value of its answer, as `parse_value` returns it.
        sources: all sources of the scene, not mirrored, in its order; None where they are not all known.
    """
    own = _OWN.get(question_type)
    return mirror_value(VALUE_KINDS[question_type], value) if own is None else own(about, value, sources)


def mirror_value(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    """Return a value of a kind with left and right exchanged."""
    match kind:
        case "location" | "direction_word" | "location_or_absent":
            return _mirror_words(value)
        case "locations":
            places = [_mirror_words(place) for place in value["locations"]]
            return {"locations": sorted(places, key=lambda place: tuple(place.values()))}
        case "azimuth":
            return {"azimuth_deg": float(wrap_azimuth_deg(-value["azimuth_deg"])) + 0.0}
        case "clock":
            return {"clock_hour": -value["clock_hour"] % 12 or 12}
        case _:
            return value


def _mirror_words(place: dict[str, Any]) -> dict[str, Any]:
    return {key: MIRROR_WORD[word] if key == "left_right" else word for key, word in place.items()}
