"""Rejects a distance that is one metre off."""

from spatial_llm.answers.kind import Value
from spatial_llm.data.preference.kinds.kind import Draft, Given, PairKind, flipped

NEAREST_M = 0.5  # no nearer distance is given as an answer


def off_by(given: Given, step_m: float) -> list[Value]:
    """Returns the value with its distance longer and shorter by a step, in random order; none where it has no distance."""
    if "distance_m" not in given.value:
        return []
    values = [{**given.value, "distance_m": round(given.value["distance_m"] + way * step_m, 6)} for way in (1, -1)]
    values = [value for value in values if value["distance_m"] >= NEAREST_M]
    return [values[index] for index in given.rng.permutation(len(values))]


def make(given: Given) -> Draft | None:
    """Returns the pair; None if the answer has no distance."""
    values = off_by(given, 1.0)
    return flipped(given, values[0]) if values else None


KIND = PairKind("one_metre", "a distance that is one metre off", make)
