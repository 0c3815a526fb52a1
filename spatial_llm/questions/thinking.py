"""Thinks a question out: the steps that lead from what is heard to its answer, each checked against the scene.

Each step holds by the numbers that are stated, not only by those of the scene: where two distances are equal after rounding,
nothing is thought out about them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from spatial_llm.answers.steps import Step, compared_in, follows, heard_in, holds
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.about import About
from spatial_llm.questions.facts import AXIS_NAMES, HeardSource, side_of
from spatial_llm.questions.margins import Margins

APART_M = 0.05 + 1e-6  # half of the step in which metres are stated
CLEAR_DEG = 1.0  # nearer to a plane, rounding may have changed the word


def heard(source: HeardSource, margins: Margins) -> Step:
    """Returns the step that states where a source is: the direction words that are clear, and its distance to a tenth of a
    metre if it is known."""
    words = {axis: source.word(axis) for axis in AXIS_NAMES if source.is_clear(axis, margins.axis_margin_deg)}
    far = {} if source.distance_m is None else {"distance_m": round(source.distance_m, 1)}
    return {"heard": source.label, **words, **far}


def heard_along(source: HeardSource, axis: str) -> Step:
    """Returns the step that states how far a source is to the left ("left_right") or the front ("front_behind"), in
    metres."""
    front_m, left_m, _ = source.xyz
    key, way_m = ("left_m", left_m) if axis == "left_right" else ("front_m", front_m)
    return {"heard": source.label, key: round(float(way_m), 1) + 0.0}


def compared(one: HeardSource, side: str, other: HeardSource | None = None) -> Step:
    """Returns the step that puts one source on a side of another, or of the listener."""
    return {"sound": one.label, "side": side} | ({} if other is None else {"than": other.label})


def is_sound(value: Mapping[str, Any]) -> bool:
    """Returns whether the comparisons of a value hold by its own statements, and its conclusion follows from them."""
    stated = heard_in(value["steps"])
    return all(holds(step, stated) for step in compared_in(value["steps"])) and follows(value, value)


def check_steps(value: Mapping[str, Any], sources: Sequence[HeardSource | None], about: About | None = None) -> None:
    """Checks each step of a true answer against the sources of its scene.

    Args:
        value: with `steps`.
        sources: all sources; None for one whose place is not known. What is not known of a source is not checked.
        about: meaning of the question, by whose side yes or no is checked. Sounds that two sources share are not checked.

    Raises:
        SpatialLLMError: a step is not read, names no source, is not true of the scene, or does not hold by the numbers
            stated before it, or the conclusion does not follow. The step is named.
    """
    stated = heard_in(value["steps"])
    for step in value["steps"]:
        wrong = _wrong(step, [source for source in sources if source is not None], None in sources)
        if not wrong and "side" in step and not holds(step, stated):
            wrong = "it does not hold by what the steps state of its sounds"
        if wrong:
            asked = "" if about is None else f" of a question about {about.to_dict()}"
            raise SpatialLLMError(f"step {step}{asked}: {wrong}; expected a step that is true of the scene.")
    claimed = about is not None and about.side is not None and "yes" in value
    if claimed and value["yes"] != all(step["side"] == about.side for step in compared_in(value["steps"])):
        raise SpatialLLMError(
            f"the conclusion of {dict(value)} does not follow from its comparisons: the question claims {about.side!r}."
        )
    if not follows(value, value):
        raise SpatialLLMError(f"the conclusion of {dict(value)} does not follow from its comparisons.")


def _wrong(step: Step, sources: Sequence[HeardSource], some_unknown: bool) -> str:
    """Returns what is wrong with a step, "" if nothing is."""
    if "unread" in step:
        return "it is in no form that is read"
    names = [step[key] for key in ("heard", "sound", "than") if key in step]
    found = {name: [source for source in sources if source.label == name] for name in names}
    missing = [name for name, those in found.items() if not those]
    if missing:
        return "" if some_unknown else f"{missing[0]!r} does not sound"
    if any(len(those) > 1 for those in found.values()):
        return ""
    if "heard" in step:
        return _misplaced(step, found[step["heard"]][0])
    one, *others = (found[name][0] for name in names)
    return "" if _is_true(step["side"], one, *others) else "it is not so in the scene"


def _misplaced(step: Step, source: HeardSource) -> str:
    axes = [
        axis for axis in AXIS_NAMES if axis in step and source.is_clear(axis, CLEAR_DEG) and step[axis] != source.word(axis)
    ]
    numbers = {"distance_m": source.distance_m}
    if source.is_placed:
        numbers |= dict(zip(("front_m", "left_m"), source.xyz.tolist(), strict=False))
    apart = [
        name for name, true in numbers.items() if name in step and true is not None and abs(step[name] - true) > APART_M
    ]
    return f"{', '.join([*axes, *apart])} differ from the scene" if axes or apart else ""


def _is_true(side: str, one: HeardSource, other: HeardSource | None = None) -> bool:
    """Returns whether a comparison is true of two sources, or one of a source; True if that is not known."""
    if side in ("faster", "slower"):
        return True  # of places alone it is not known
    if side in ("nearer", "farther"):
        if one.distance_m is None or other.distance_m is None:
            return True
        return one.distance_m != other.distance_m and (one.distance_m < other.distance_m) == (side == "nearer")
    axis, first = _AXIS[side]
    if other is None:
        return not one.knows(axis) or one.word(axis) == side
    if not (one.knows(axis) and other.knows(axis)):
        return True
    return side_of(one, other, axis, 0.0, 0.0) == (1 if first else -1)


_AXIS = {
    "left": ("left_right", True),
    "right": ("left_right", False),
    "front": ("front_behind", True),
    "behind": ("front_behind", False),
    "above": ("above_below", True),
    "below": ("above_below", False),
}
