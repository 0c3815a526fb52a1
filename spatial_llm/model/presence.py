"""Asks a model whether it hears a sound before what it says of that sound is believed.

A model that was taught places of sounds that are there names a place for any sound. One that was also taught "is there such
a sound?" knows better when it is asked so.
"""

from typing import TYPE_CHECKING

from spatial_llm.questions.matching import Match
from spatial_llm.questions.types import parse_value

if TYPE_CHECKING:
    from spatial_llm.model.heard import Heard
    from spatial_llm.model.pipeline import SpatialLLM

QUESTION_TYPE = "PRESENT"
# An answer to one of these may itself say that a sound is not there: "No", "There is no bell", "I cannot tell".
_MAY_SAY_SO = ("PRESENT_AT_PLACE", "ABSENT", "LOCATION_IF_KNOWN", "DISTANCE_IF_KNOWN", "SPAN_IF_KNOWN")
_LONGEST = 16  # tokens of yes or no, even if a sentence follows
_NOT_HEARD = "the model does not hear"


def notes_on_absence(model: "SpatialLLM", heard: "Heard", match: Match | None, asked: str, text: str) -> list[str]:
    """Returns a note for each sound named in a question that the model does not hear when it is asked for that sound alone.

    It asks once for each sound of a recording, in the taught wording and greedily; what it was told stays in
    `heard.presence`. Without taught questions, or if it was not taught to say what is there, there are no notes.

    Args:
        model: answers.
        heard: the recording.
        match: what was found for the question.
        asked: the question as it is put to the model.
        text: its answer; of one that itself says that the sound is not there, nothing is left to say.
    """
    matcher = model.matcher
    if matcher is None or match is None or match.outcome == "far" or match.question_type == QUESTION_TYPE:
        return []
    if match.question_type in _MAY_SAY_SO and _denies(match.question_type, text):
        return []
    of_type = matcher.taught.of_types((QUESTION_TYPE,))
    # Of one that was taught about one sound alone, or with more in it, another sound cannot be asked.
    taught = next((question for question in of_type if question.slots == {"x"}), None)
    if taught is None:
        return []
    notes = []
    for label in matcher.named(asked):
        question = taught.wordings[0].format(x=label)
        if label not in heard.presence:
            told = model.plain_answer(heard, question, len(question), max_new_tokens=_LONGEST)  # of any length
            said = parse_value(QUESTION_TYPE, told)
            heard.presence[label] = said is None or said["yes"]  # what cannot be read is no reason to warn
        if not heard.presence[label]:
            notes.append(f"{_NOT_HEARD} the sound {label!r}: it answers No to {question!r}")
    return notes


def _denies(question_type: str, text: str) -> bool:
    value = parse_value(question_type, text)
    return value is None or value.get("yes") is False or "absent" in value or "unknown" in value


def is_on_absence(note: str) -> bool:
    """Returns whether a note of an answer is one of `notes_on_absence`."""
    return note.startswith(_NOT_HEARD)
