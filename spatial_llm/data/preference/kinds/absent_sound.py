"""Rejects a place for a sound that is not there, and "there is none" for a sound that is."""

from spatial_llm.answers import parse_absent
from spatial_llm.data.preference.kinds.kind import Draft, Given, PairKind

_ABSENT, _PRESENT = "absent", "present"
_YES_NO = ("PRESENT", "PRESENT_AT_PLACE")


def make(given: Given) -> Draft | None:
    """Returns the pair; None if the question does not name a sound that may be absent."""
    value, record = given.value, given.record
    if record.question_type in _YES_NO:
        return Draft(value, value | {"yes": not value["yes"]}, (_PRESENT, _ABSENT) if value["yes"] else (_ABSENT, _PRESENT))
    if given.answer_kind != "location_or_absent":
        return None
    if "absent" in value:
        places = [text for text in given.elsewhere if parse_absent(text) is None]
        return Draft(value, given.pick(places), (_ABSENT, _PRESENT)) if places else None
    if given.source is None:
        return None
    return Draft(value, {"absent": given.source.label}, (_PRESENT, _ABSENT))


KIND = PairKind("absent_sound", "a place for a sound that is not there, or none for one that is", make)
