"""Prefers "I cannot tell" where a distance is asked of recordings whose level is not known, on which distances rest. What is
rejected is the distance of another recording."""

from spatial_llm.data.preference.kinds.kind import DOUBTS, Draft, Given, PairKind


def make(given: Given) -> Draft | None:
    """Returns the pair; None if the level is known, or no distance alone is asked for."""
    if given.level_is_known or given.answer_kind != "distance":
        return None
    wrong = given.confident_elsewhere()
    return Draft(given.pick(DOUBTS), given.pick(wrong)) if wrong else None


KIND = PairKind("unknowable_distance", "a distance although the level is not known", make)
