"""Prefers "I cannot tell" where the microphones cannot tell the direction: above from below on a plane of microphones, front
from behind on a line. What is rejected is an answer as true to the recording as the right one."""

from spatial_llm.data.preference.kinds.kind import DOUBTS, Draft, Given, PairKind
from spatial_llm.questions.knowable import answers_alike


def make(given: Given) -> Draft | None:
    """Returns the pair; None if the microphones tell the answer."""
    record = given.record
    if record.about is None or len(record.about.sources) != 1 or given.source is None or not given.source.is_placed:
        return None
    alike = answers_alike(record.question_type, record.about, given.value, given.source, record.format)
    return Draft(given.pick(DOUBTS), given.pick(alike)) if alike else None


KIND = PairKind("unknowable_direction", "a direction that the microphones cannot tell", make)
