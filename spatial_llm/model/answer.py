"""Defines an answer: text, together with the question that it answers."""

from typing import Any


class Answer(str):
    """Holds the text of an answer, and is that text.

    Attributes:
        question: the question as it was given.
        asked: the question as it was put to the model.
    """

    question: str
    asked: str

    def __new__(cls, text: str, question: str, asked: str | None = None) -> "Answer":
        answer = super().__new__(cls, text)
        answer.question = question
        answer.asked = question if asked is None else asked
        return answer

    def __getnewargs__(self) -> tuple[str, ...]:
        return str(self), self.question, self.asked  # pickle and copy make the string with these

    def to_dict(self) -> dict[str, Any]:
        """Returns everything that is known of the answer, as JSON can hold it; "answer" is the text."""
        return {"answer": str(self), **vars(self)}
