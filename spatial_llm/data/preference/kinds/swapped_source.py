"""Rejects the answer that is true of another source of the recording: its place, or its name."""

from spatial_llm.answers import AXES
from spatial_llm.data.preference.kinds.kind import Draft, Given, PairKind
from spatial_llm.data.record import labels_of
from spatial_llm.questions.knowable import value_at

_PLACES = (*AXES, "distance_m", "azimuth_deg", "elevation_deg", "clock_hour")


def make(given: Given) -> Draft | None:
    """Returns the pair; None if the question is not about one of several sources."""
    about = given.record.about
    if about is None or len(about.sources) != 1 or len(given.sources) < 2:
        return None
    others = [index for index in range(len(given.sources)) if index != about.sources[0]]
    index = given.pick(others)
    if "labels" in given.value:
        value = given.value | {"labels": sorted(labels_of(given.record)[index])}  # with the steps, if it is thought out
        if not value["labels"]:
            return None
    else:
        source = given.sources[index]
        if source is None or not source.is_placed or not set(_PLACES) & given.value.keys():
            return None
        value = value_at(given.value, source.after_turn(about.turn_deg))
    return Draft(given.value, value) if given.wrong(value) else None


KIND = PairKind("swapped_source", "the place or name of another source", make)
