"""Rejects a distance that is half a metre off, the step of distances in BAT.

Half a metre from the true answer is still within the tolerance of the scores (DER), because answers are rounded. So the
distance is rejected on the side on which it is more than half a metre from where the source really is.
"""

from spatial_llm.answers.closeness import DISTANCE_TOLERANCE_M, ROUNDING
from spatial_llm.data.preference.kinds.kind import Draft, Given, PairKind, way_of
from spatial_llm.data.preference.kinds.one_metre import off_by

STEP_M = 0.5


def make(given: Given) -> Draft | None:
    """Returns the pair; None if the answer has no distance, or that of the source is not known."""
    if given.source is None or given.source.distance_m is None:
        return None
    true_m = given.source.distance_m
    far = [value for value in off_by(given, STEP_M) if abs(value["distance_m"] - true_m) > DISTANCE_TOLERANCE_M + ROUNDING]
    return Draft(given.value, far[0], way_of(given.value, far[0])) if far else None


KIND = PairKind("half_metre", "a distance that is half a metre off", make)
