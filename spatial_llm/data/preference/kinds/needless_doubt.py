"""Rejects "I cannot tell" where the answer can be known, as often as it is preferred elsewhere: a model that learned only to
prefer it would decline everything."""

from spatial_llm.data.preference.kinds import unknowable_direction, unknowable_distance
from spatial_llm.data.preference.kinds.kind import DOUBTS, Draft, Given, PairKind


def make(given: Given) -> Draft | None:
    """Returns the pair; None if the answer cannot be known."""
    if "unknown" in given.value or (not given.level_is_known and "distance_m" in given.value):
        return None
    if unknowable_direction.make(given) is not None:
        return None
    return Draft(given.value, given.pick(DOUBTS))


KIND = PairKind(
    "needless_doubt",
    '"I cannot tell" although it can be told',
    make,
    as_often_as=(unknowable_direction.KIND.name, unknowable_distance.KIND.name),
)
