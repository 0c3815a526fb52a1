"""Rejects front for behind and behind for front, the confusion of two ears."""

from spatial_llm.answers import AXES
from spatial_llm.data.preference.kinds.kind import Draft, Given, PairKind, flipped
from spatial_llm.geometry import wrap_azimuth_deg

_OTHER = dict(zip(AXES["front_behind"], reversed(AXES["front_behind"]), strict=True))


def make(given: Given) -> Draft | None:
    """Returns the pair; None if the answer tells neither front nor behind."""
    value, about = given.value, given.record.about
    if "front_behind" in value:
        return flipped(given, {**value, "front_behind": _OTHER[value["front_behind"]]})
    if "azimuth_deg" in value:
        return flipped(given, {**value, "azimuth_deg": float(wrap_azimuth_deg(180.0 - value["azimuth_deg"]))})
    if "clock_hour" in value:
        return flipped(given, {**value, "clock_hour": (6 - value["clock_hour"]) % 12 or 12})
    if "yes" in value and about is not None and about.axis == "front_behind":
        return flipped(given, value | {"yes": not value["yes"]})
    return None


KIND = PairKind("front_back", "front for behind", make)
