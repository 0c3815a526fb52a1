"""The question types of all families: the type of their records, the kind of value that answers them, and how their answers
are parsed and written.

The types "A" to "E" and their question types are those of SpatialSoundQA; the other types are ours, named as their family.
The type "open" is that of questions of one's own with free answers.
"""

import re
from collections.abc import Collection
from typing import Any, Literal

from spatial_llm import answers
from spatial_llm.answers import Reading
from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.families import FAMILIES, own

FAMILY_OF = {question_type: family for family in (*FAMILIES, own.FAMILY) for question_type in family.types}
QUESTION_TYPES = {question_type: family.type for question_type, family in FAMILY_OF.items()}
VALUE_KINDS = {question_type: family.types[question_type] for question_type, family in FAMILY_OF.items()}
# Types of options that select questions by type, such as `types: [A, span]`.
QuestionType = Literal[tuple(dict.fromkeys(QUESTION_TYPES.values()))]
_WORD = re.compile(r"\w+")


def parse_value(
    question_type: str, text: str, reading: Reading = "strict", known: Collection[str] | None = None
) -> dict[str, Any] | None:
    """Returns the value that an answer states, by its question type, in the form of a record's `truth`; None if unparsed.
    `answers.read` documents the form of each kind of value.

    Lenient: names in a text that states the opposite of the question are no answer: "the bell is farther" to "which is
    nearer?".

    Args:
        question_type: a key of QUESTION_TYPES.
        text, reading, known: see `answers.read`.

    Raises:
        SpatialLLMError: an unknown question type or reading; never on any text.
    """
    kind = _kind_of(question_type)
    own, opposite = FAMILY_OF[question_type].opposites.get(question_type, ((), ()))
    if opposite and reading == "lenient":
        words = set(_WORD.findall(text.lower()))
        if words.intersection(opposite) and not words.intersection(own):
            return None
    return answers.read(kind, text, reading, known)


def format_value(question_type: str, value: dict[str, Any]) -> str:
    """Returns the value as the answer text; `parse_value` is the inverse.

    Raises:
        SpatialLLMError: an unknown question type, or a value that is not one of its kind.
    """
    return answers.write(_kind_of(question_type), value)


def _kind_of(question_type: str) -> str:
    if question_type not in VALUE_KINDS:
        raise SpatialLLMError(f"question_type is {question_type!r}; known are {', '.join(QUESTION_TYPES)}.")
    return VALUE_KINDS[question_type]
