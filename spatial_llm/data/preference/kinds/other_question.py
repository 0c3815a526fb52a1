"""Rejects the right answer to another question about the recording: true, but not what was asked."""

from spatial_llm.answers import is_refusal
from spatial_llm.data.preference.kinds.kind import Draft, Given, PairKind
from spatial_llm.questions.types import parse_value


def make(given: Given) -> Draft | None:
    """Returns the pair; None if no other answer is wrong here."""
    asked = given.record
    found = []
    for question, answer in given.beside:
        value = parse_value(asked.question_type, answer)
        if is_refusal(answer):  # it may be right of another question that the recording does not tell, and is no answer here
            continue
        if question != asked.question and (value is None or given.wrong(value)):
            found.append(answer)
    return Draft(given.value, given.pick(sorted(set(found)))) if found else None


KIND = PairKind("other_question", "the right answer to another question", make)
