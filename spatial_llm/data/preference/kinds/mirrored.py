"""Rejects the answer that would be true of the mirror image: left for right."""

from spatial_llm.data.preference.kinds.kind import Draft, Given, PairKind, flipped
from spatial_llm.questions.mirroring import mirror


def make(given: Given) -> Draft | None:
    """Returns the pair; None if the mirror image has the same answer, or its answer is not known."""
    record = given.record
    if record.about is None:
        return None
    sources = None if None in given.sources else given.sources
    value = mirror(record.question_type, record.about, given.value, sources)
    return None if value is None else flipped(given, value)


KIND = PairKind("mirrored", "left for right", make)
