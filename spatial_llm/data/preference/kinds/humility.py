"""Prefers "I cannot tell" over a value in answers to questions of the family `humility` whose answer nobody can know, and
the true value over "I cannot tell" where it can be known, as often: the family says which."""

from spatial_llm.answers.kinds.or_unknown import CANNOT_TELL, UNKNOWN
from spatial_llm.data.preference.kinds.kind import Draft, Given, PairKind

_VALUE, _DOUBT = "value", "doubt"


def make(given: Given) -> Draft | None:
    """Returns the pair; None if no question of this type was answered with a value elsewhere, or the value states a distance
    that the level would have to tell, which is not known."""
    if not given.level_is_known and "distance_m" in given.value:
        return None
    if given.value != UNKNOWN:
        return Draft(given.value, CANNOT_TELL, (_VALUE, _DOUBT))
    values = given.confident_elsewhere()
    return Draft(CANNOT_TELL, given.pick(values), (_DOUBT, _VALUE)) if values else None


KIND = PairKind("humility", 'a value that nobody can know, or "I cannot tell" where one can', make, of_unknown=True)
