"""Defines an answer: text, together with the question that it answers."""

from collections.abc import Sequence
from typing import Any

from spatial_llm.errors import SpatialLLMError
from spatial_llm.questions.matching import Match


class Answer(str):
    """Holds the text of an answer, and is that text.

    Attributes:
        question: the question as it was given.
        asked: the question as it was put to the model.
        taught: the taught question that is nearest to it; None if it is not known what the model was taught.
        question_type: the type of that question; "" without one.
        similarity: how near it is, 0 to 1, see `questions.matching.Match`; None without one.
        derived: whether it is about a recording that was rendered to two ears first.
        notes: what whoever asks should know, as sentences: how the question was understood, and what the answer rests on.
    """

    question: str
    asked: str
    taught: str | None
    question_type: str
    similarity: float | None
    derived: bool
    notes: list[str]

    def __new__(
        cls,
        text: str,
        question: str,
        asked: str | None = None,
        match: Match | None = None,
        notes: Sequence[str] = (),
        derived: bool = False,
    ) -> "Answer":
        answer = super().__new__(cls, text)
        answer.question = question
        answer.asked = question if asked is None else asked
        answer.taught = None if match is None else match.taught
        answer.question_type = "" if match is None else match.question_type
        answer.similarity = None if match is None else match.similarity
        answer.derived = derived
        answer.notes = list(notes)
        return answer

    def __getnewargs__(self) -> tuple[str, ...]:
        return str(self), self.question, self.asked  # pickle and copy make the string with these

    def to_dict(self) -> dict[str, Any]:
        """Returns everything that is known of the answer, as JSON can hold it; "answer" is the text."""
        return {"answer": str(self), **vars(self)}


def check_question(question: Any) -> None:
    """Raises SpatialLLMError if a question is no text or blank."""
    if not isinstance(question, str) or not question.strip():
        raise SpatialLLMError(f"the question is {question!r}; give one question in words.")
