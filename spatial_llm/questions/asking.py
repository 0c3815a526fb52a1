"""One kept question, and what all families need to ask one: wording, choice, balance, and the check of the answer.

The balance has a memory over all clips of a set, in three strengths. Where the writer can choose the answer (yes or no:
who is named first), it takes the one given least often so far: `least`. Where the scene fixes it and there are few
(counts, bands), an answer is kept only while it is not ahead of the rarest one: `even`. Where there are many (labels,
degrees), only while it has not been given twice as often as the others on average: `spread`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from spatial_llm.answers import QUESTION_TYPES, format_value, parse_value
from spatial_llm.errors import SceneError, SpatialLLMError
from spatial_llm.questions.about import About
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.questions.phrasings import phrasings_of
from spatial_llm.questions.training_phrasings import TRAINING_PHRASINGS

AHEAD = 2  # answers of head start, so that a rule of averages can begin from nothing


@dataclass(frozen=True)
class Question:
    """One kept item. truth: the typed value as JSON, as `answers.parse_value` returns it; about: its meaning."""

    type: str
    question_type: str
    question: str
    answer: str
    truth: dict[str, Any]
    about: About | None = None


@dataclass
class Asker:
    """What the families ask with.

    Attributes:
        config, rng: of the writer.
        known_labels: classes that an absent sound can be of.
        split: whose phrasings are used.
        asked: texts of the questions that the clip has.
        given: the memory: how often each answer has been given.
    """

    config: QuestionConfig
    rng: np.random.Generator
    known_labels: tuple[str, ...] = ()
    split: str = "train"
    asked: set[str] = field(default_factory=set)
    given: dict[tuple, Counter] = field(default_factory=dict)

    def pick(self, options: Sequence[Any]) -> Any:
        """One of the options, all alike."""
        return options[int(self.rng.integers(len(options)))]

    def least(self, key: tuple, options: Sequence[Any]) -> Any:
        """The option given least often so far under this key, ties drawn; counted as given."""
        given = self.given.setdefault(key, Counter())
        fewest = min(given[_name(option)] for option in options)
        chosen = self.pick([option for option in options if given[_name(option)] == fewest])
        given[_name(chosen)] += 1
        return chosen

    def even(self, key: tuple, answer: Any) -> bool:
        """True, and counted, unless the answer is already ahead of the rarest one met under this key. While no second
        answer has been met, one passes."""
        given = self.given.setdefault(key, Counter())
        given[answer] += 0  # met
        rarest = min(given.values()) if len(given) > 1 else 0
        return self._counted(given, answer, rarest + 1)

    def spread(self, key: tuple, answer: Any) -> bool:
        """True, and counted, unless the answer has been given twice as often as the others on average."""
        given = self.given.setdefault(key, Counter())
        others = len(given) - (answer in given)
        mean = (given.total() - given[answer]) / others if others else 0.0
        return self._counted(given, answer, 2 * mean + AHEAD)

    @staticmethod
    def _counted(given: Counter, answer: Any, most: float) -> bool:
        if given[answer] >= most:
            return False
        given[answer] += 1
        return True

    def phrasings_of_family(self, question_type: str) -> tuple[str, ...]:
        """The phrasings that this split uses of one of our own question types."""
        phrasings = phrasings_of(question_type, self.split, self.config.only_unseen_phrasings)
        return phrasings + self.further_phrasings(question_type)

    def further_phrasings(self, name: str) -> tuple[str, ...]:
        """Those of `training_phrasings`, where they are wanted."""
        wanted = self.config.more_phrasings and self.split == "train"
        return TRAINING_PHRASINGS.get(name, ()) if wanted else ()

    def ask(self, question_type: str, truth: dict[str, Any], **words: str) -> Question | None:
        """The question in one of its phrasings, with the words filled in (see `checked`); None where the clip has been
        asked in all of them. Every answer goes through all phrasings, so that none of them gives it away."""
        phrasings = self.phrasings_of_family(question_type)
        fresh = [phrasing for phrasing in phrasings if phrasing.format(**words) not in self.asked]
        if not fresh:
            return None
        phrasing = self.least(("phrasing", question_type, str(truth), words.get("side")), fresh)
        return checked(question_type, phrasing.format(**words), truth)

    def ask_spread(self, question_type: str, truth: dict[str, Any], **words: str) -> Question | None:
        """As `ask`, but None where the answer is already given too often."""
        question = self.ask(question_type, truth, **words)
        return question if question and self.spread(("answers", question_type), question.answer) else None

    def ask_even(self, question_type: str, truth: dict[str, Any], **words: str) -> Question | None:
        """As `ask`, but None where the answer is ahead of the others."""
        question = self.ask(question_type, truth, **words)
        return question if question and self.even(("answers", question_type), question.answer) else None


def checked(question_type: str, question: str, truth: dict[str, Any]) -> Question:
    """Writes the answer of a truth, reads it again and keeps the question only if both are the same.

    Raises:
        SceneError: they are not.
    """
    try:
        answer = format_value(question_type, truth)
    except SpatialLLMError as error:
        raise SceneError(f"{question!r}: {error}") from None
    again = parse_value(question_type, answer)
    if again != truth:
        raise SceneError(f"{question!r}: the answer {answer!r} reads as {again}, the truth is {truth}; not a valid label?")
    return Question(QUESTION_TYPES[question_type], question_type, question, answer, truth)


def _name(option: Any) -> str:
    return getattr(option, "__name__", str(option))
