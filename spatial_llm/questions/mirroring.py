"""What is true of the mirror image of a scene: the same question, its answer once left and right are exchanged."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from spatial_llm.answers import VALUE_KINDS, Location
from spatial_llm.geometry import direction_to_vector, direction_words, wrap_azimuth_deg
from spatial_llm.questions.about import About
from spatial_llm.questions.facts import HeardScene, HeardSource, same_place
from spatial_llm.questions.families.relation import labels_beside
from spatial_llm.questions.margins import Margins

Value = dict[str, Any]
Mirror = Callable[[About, Value, Sequence[HeardSource] | None], Value | None]
_MIRROR = {"left": "right", "right": "left"}
_MARGINS = Margins()


def mirror(question_type: str, about: About, value: Value, sources: Sequence[HeardSource] | None = None) -> Value | None:
    """The true value of a question once the ears of its recording are swapped, as `parse_value` would return it; None
    where it is not known.

    Args:
        question_type, about, value: of the question, and its true answer.
        sources: of the scene, not mirrored, in its order; None where they are not all known.
    """
    own = _OWN.get(question_type)
    return mirror_value(VALUE_KINDS[question_type], value) if own is None else own(about, value, sources)


def mirror_value(kind: str, value: Value) -> Value:
    """A value of a kind with left and right exchanged: labels, counts, distances, elevations, times and rooms stay."""
    match kind:
        case "location" | "direction_word" | "location_or_absent":
            return _mirrored_words(value)
        case "locations":
            places = [_mirrored_words(place) for place in value["locations"]]
            return {"locations": sorted(places, key=lambda place: tuple(place.values()))}
        case "azimuth":
            return {"azimuth_deg": _wrapped(-value["azimuth_deg"])}
        case "clock":
            return {"clock_hour": -value["clock_hour"] % 12 or 12}
        case _:
            return value


def _mirrored_words(place: Value) -> Value:
    return {key: _MIRROR[word] if key == "left_right" else word for key, word in place.items()}


def _wrapped(azimuth_deg: float) -> float:
    return float(wrap_azimuth_deg(azimuth_deg)) + 0.0


def _claim_of_side(about: About, value: Value, sources: Sequence[HeardSource] | None) -> Value:
    """A claim of left or right that was true is false in the mirror image, and the other way round: the writer asks it of
    sources that are clearly on one side, or on opposite ones."""
    return {"yes": not value["yes"]} if about.axis == "left_right" else value


def _swapped(about: About, value: Value, sources: Sequence[HeardSource] | None) -> Value:
    """Is X at one place, and Y at another? No means that each is at the other's. In the mirror image that is so only if
    the two places mirror each other; and what was true is false, since both places have changed sides."""
    first, second = about.places
    return {"yes": not value["yes"] and _mirrored_place(first) == second}


def _turned(about: About, value: Value, sources: Sequence[HeardSource] | None) -> Value:
    """A source at azimuth a is at b = a - turn after the turn; its mirror image, at -a, is then at -b - 2 turn. Twice a turn
    is a multiple of 90 degrees, so words can be mirrored as exactly as degrees."""
    if "azimuth_deg" in value:
        return {"azimuth_deg": _wrapped(-value["azimuth_deg"] - 2 * about.turn_deg)}
    middle_deg = {("left", "front"): 45, ("left", "behind"): 135, ("right", "behind"): -135, ("right", "front"): -45}
    azimuth_deg = -middle_deg[value["left_right"], value["front_behind"]] - 2 * about.turn_deg
    left_right, front_behind, _ = direction_words(direction_to_vector(azimuth_deg, 0.0))
    return value | {"left_right": left_right, "front_behind": front_behind}


def _class_at_place(about: About, value: Value, sources: Sequence[HeardSource] | None) -> Value | None:
    """Which class sounds at the place: another source than before, if any. Known where this question would be asked about
    the mirror image: exactly one source is clearly there, and no other can be taken for it."""
    if sources is None:
        return None
    images = [source.mirror_image() for source in sources]
    (place,) = about.places
    there = [image for image in images if image.location == place and image.all_clear(_MARGINS.axis_margin_deg)]
    if len(there) != 1 or any(same_place(there[0], other) for other in images if other is not there[0]):
        return None
    return {"labels": [there[0].label]}


def _present_at_place(about: About, value: Value, sources: Sequence[HeardSource] | None) -> None:
    """Not known. It would be: nearly always no, since what was at the place has changed sides. A model that never listens
    and says no would then be right, and a kind of question is mirrored only where what is left is no easier to guess."""
    return None


def _beside(about: About, value: Value, sources: Sequence[HeardSource] | None) -> Value | None:
    """Which classes are on that side of the reference: those that were on the other one. Known where this question would be
    asked about the mirror image: there are such sources, and of each source it is clear on which side it is."""
    if about.axis != "left_right":
        return value
    if sources is None or about.reference is None:
        return None
    images = HeardScene(tuple(source.mirror_image() for source in sources))
    labels = labels_beside(_MARGINS, images, images.sources[about.reference], about.side)
    return {"labels": sorted(labels)} if labels else None


def _mirrored_place(place: Location) -> Location:
    return replace(place, left_right=_MIRROR[place.left_right])


_OWN: dict[str, Mirror] = {
    "MIXUP_DIRECTION": _claim_of_side,
    "WRONG_PLACE": _claim_of_side,
    "SWAPPED": _swapped,
    "ROTATED": _turned,
    "ROTATED_AZIMUTH": _turned,
    "MIXUP_SINGLE_CLASSIFICATION": _class_at_place,
    "MIXUP_NONBINARY_SOURCE": _beside,
    "RELATION_LEFT": _beside,
    "RELATION_RIGHT": _beside,
    "RELATION_FRONT": _beside,
    "RELATION_BEHIND": _beside,
    "PRESENT_AT_PLACE": _present_at_place,
}
