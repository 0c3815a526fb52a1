"""The meaning of a question, kept beside its wording: the sources, axis, side, turn, place or time that it asks about, and
the class it names that does not sound.

The family that writes a question writes its `About`. A manifest line carries it, so that nothing has to be inferred from the
English text later. Data from elsewhere has none.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from pydantic import ConfigDict

from spatial_llm.answers import AXES, Location
from spatial_llm.errors import SpatialLLMError
from spatial_llm.geometry import azimuth_of_hour, wrap_azimuth_deg
from spatial_llm.questions.facts import AXIS_NAMES, HeardSource

Axis = Literal["left_right", "front_behind", "above_below", "distance"]
Side = Literal["left", "right", "front", "behind", "above", "below", "nearer", "farther"]
SIDES: dict[str, tuple[str, str]] = {**AXES, "distance": ("nearer", "farther")}
AXIS_OF_SIDE = {side: axis for axis, sides in SIDES.items() for side in sides}


@dataclass(frozen=True)
class About:
    """Holds what one question asks. Fields that a question does not need stay at their default.

    Attributes:
        sources: indices, into the sources of the scene, of those whose class, place, time or relation is the answer, in the
            order of the question (SAME_CLASS, ONSET_ORDER: of the answer). Empty for questions about the recording as a
            whole (counts, the room) or about an absent sound. All other families write it.
        reference: index of the source that the question names when it asks for those beside it. Relation questions whose
            answer is a class write it (MIXUP_NONBINARY_SOURCE, RELATION_*), and FASTER, of the slower one.
        axis: the axis along which the question compares, an axis of direction words or "distance". Relations, NEAREST,
            FARTHEST, WRONG_PLACE and CROSSES write it.
        side: the end of that axis which the question names (CROSSES: to which the sound moves). Questions that write `axis`
            write it too, except MIXUP_NONBINARY_DIRECTION, whose answer it is.
        turn_deg: by how many degrees the question turns the listener, positive to the left. The family rotated writes it.
        places: the places that the question names, in its order. MIXUP_SINGLE_CLASSIFICATION and PRESENT_AT_PLACE write one
            place, SWAPPED the claimed places of the first and the second source.
        time_s: the time, in seconds from the beginning of the recording, that the question names or means. STARTS_AT writes
            it, and questions for the place of a source where something moves (MOTION_START, _END, _AT, _AZIMUTH_AT,
            AFTER_TURN): their answer is where the source is then.
        absent: the class that the question names although it does not sound. PRESENT, PRESENT_AT_PLACE and ABSENT write it.
    """

    sources: tuple[int, ...] = ()
    reference: int | None = None
    axis: Axis | None = None
    side: Side | None = None
    turn_deg: float = 0.0
    places: tuple[Location, ...] = ()
    time_s: float | None = None
    absent: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields that are not at their default, as JSON values."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        given = {name: value for name, value in given.items() if value != _NOTHING[name]}
        if "sources" in given:
            given["sources"] = list(self.sources)
        if "places" in given:
            given["places"] = [place.to_dict() for place in self.places]
        return given


_NOTHING = {field.name: field.default for field in fields(About)}
for _kind in (Location, About):
    _kind.__pydantic_config__ = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def check_about(about: About, labels: Sequence[Collection[str]], truth: dict[str, Any]) -> None:
    """Checks a meaning against its recording and its answer.

    Args:
        about: the meaning.
        labels: the classes of each source of the recording, in its order; empty where the record does not list them.
        truth: the value of the true answer.

    Raises:
        SpatialLLMError: an index is not that of a source or occurs twice, the side is not one of the axis, the absent class
            does sound, or the sources are not those of the classes in the answer.
    """
    indices = [*about.sources, *([] if about.reference is None else [about.reference])]
    wrong = [index for index in indices if not 0 <= index < len(labels)]
    if wrong or len(set(indices)) < len(indices):
        raise SpatialLLMError(
            f"sources are {list(about.sources)}, reference is {about.reference}; expected different indices into the "
            f"{len(labels)} sources of the recording, from 0."
        )
    if about.side is not None and (about.axis is None or about.side not in SIDES[about.axis]):
        raise SpatialLLMError(f"side is {about.side!r} and axis {about.axis!r}; expected a side of the axis: {SIDES}.")
    if not -180 < about.turn_deg <= 180 or (about.time_s is not None and about.time_s < 0):
        raise SpatialLLMError(
            f"turn_deg is {about.turn_deg}, time_s {about.time_s}; expected degrees in (-180, 180] and seconds from 0 on."
        )
    if about.absent is not None and any(about.absent in names for names in labels):
        raise SpatialLLMError(
            f"absent is {about.absent!r}, which is the class of a source; expected one that does not sound."
        )
    if truth.get("absent", about.absent) != about.absent:
        raise SpatialLLMError(f"absent is {about.absent!r}, the answer says {truth['absent']!r}; expected the same.")
    order = truth.get("order", ())
    ordered = [labels[index] for index in about.sources] if len(order) == len(about.sources) else []
    if all(ordered) and any(name not in names for name, names in zip(order, ordered, strict=False)):
        raise SpatialLLMError(
            f"sources {list(about.sources)} are of the classes {[list(names) for names in ordered]}, the answer's order is "
            f"{list(order)}; expected the same order."
        )
    named = {name for key in ("labels", "order") for name in truth.get(key, ())}
    meant = {name for index in about.sources for name in labels[index]}
    listed = bool(about.sources) and all(labels[index] for index in about.sources)
    if named and listed and named != meant:
        raise SpatialLLMError(
            f"sources {list(about.sources)} are of the classes {sorted(meant)}, the answer names {sorted(named)}; expected "
            "the sources of the answer."
        )


# Half of the steps in which answers give a number, and a little more.
_MOST_APART = {"distance_m": 0.3, "azimuth_deg": 1.0, "elevation_deg": 1.0}
_HALF_AN_HOUR_DEG = 15.0  # of the clock
_CLEAR_DEG = 1.0  # nearer to a plane, rounding may have changed the word


def check_place(about: About, truth: dict[str, Any], source: HeardSource) -> None:
    """Checks that the place in a true answer is that of the source which the question is about.

    Args:
        about: the meaning, with one source.
        truth: the value of the true answer; only its places are checked.
        source: that source, as the question places it (after a turn, turned).

    Raises:
        SpatialLLMError: the answer gives the place of another source, or after another turn.
    """
    wrong = places_apart(truth, source)
    if wrong:
        place = (
            f"{', '.join(source.words)} (azimuth {source.azimuth_deg:.0f}, elevation {source.elevation_deg:.0f} degrees, "
            f"{source.distance_m:.2f} m)"
            if source.is_placed
            else f"a place known in part ({source})"
        )
        raise SpatialLLMError(
            f"source {about.sources[0]}, after a turn of {about.turn_deg:g} degrees, is at {place}, the answer gives "
            f"{truth}: {', '.join(wrong)} differ; expected the place of that source."
        )


def places_apart(value: dict[str, Any], source: HeardSource) -> list[str]:
    """Returns the keys of a value whose word or number is not that of a source, or is not known of it; keys that name no
    place are ignored."""
    wrong = [
        axis
        for axis in AXIS_NAMES
        if axis in value
        and (not source.knows(axis) or (source.is_clear(axis, _CLEAR_DEG) and value[axis] != source.word(axis)))
    ]
    around = source.azimuth_deg is not None and not source.folded
    for name, most in _MOST_APART.items():
        if name in value and (getattr(source, name) is None or (name == "azimuth_deg" and not around)):
            wrong.append(name)
        elif name in value:
            apart = abs(value[name] - getattr(source, name))
            if name == "azimuth_deg":
                apart = min(apart, 360 - apart)
            wrong += [name] if apart > most else []
    if "clock_hour" in value and not around:
        wrong.append("clock_hour")
    elif "clock_hour" in value:
        apart = abs(float(wrap_azimuth_deg(azimuth_of_hour(value["clock_hour"]) - source.azimuth_deg)))
        wrong += ["clock_hour"] if apart > _HALF_AN_HOUR_DEG + _CLEAR_DEG else []
    return wrong
