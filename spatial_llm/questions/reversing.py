"""Derives the true answer for a recording that is played backwards: the same question about motion the other way.

Only what the answer itself tells is derived: where something is at its end was where it begins, but the answer about its end
does not hold that place.
"""

from typing import Any

from spatial_llm.answers.kinds.motion import DIRECTIONS
from spatial_llm.questions.types import FAMILY_OF, VALUE_KINDS

UNCHANGED = (
    "MOVES",
    "ANY_MOVES",
    "COUNT_MOVING",
    "FASTER",
    "THINK_FASTER",
)  # how much something moves does not depend on the way


def reverse(question_type: str, value: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the true value of a question after its recording is reversed in time; None if the answer does not tell it.

    Directions of motion are opposite, a listener turns the other way. Questions that need neither times nor motion keep
    their answers.

    Args:
        question_type: type of the question.
        value: true value of its answer, as `parse_value` returns it.
    """
    if question_type in UNCHANGED:
        return value
    if VALUE_KINDS[question_type] == "motion":
        return {"motion": DIRECTIONS[value["motion"]]}
    if question_type == "LISTENER_TURN":
        return {"left_right": {"left": "right", "right": "left"}[value["left_right"]]}
    needs = FAMILY_OF[question_type].needs
    return None if "times" in needs or "motion" in needs else value
