"""One question, and what all families need to write one: wording, choice, balance, and the check of the answer.

The balance counts answers over all clips of a set, in three strengths. If the writer can choose the answer (yes or no: which
source is named first), `least` takes the one given least often so far. If the scene fixes it and there are few (counts,
bands), `even` keeps an answer only while it is not ahead of the rarest one. If there are many (labels, degrees), `spread`
keeps it only while it has not been given twice as often as the others on average.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from spatial_llm import answers
from spatial_llm.errors import SceneError, SpatialLLMError
from spatial_llm.questions.about import About
from spatial_llm.questions.facts import AXIS_NAMES, HeardScene, HeardSource
from spatial_llm.questions.margins import Margins
from spatial_llm.questions.wordings import Wordings

AHEAD = 2  # head start in answers, so that rules about averages work while there are few answers


@dataclass(frozen=True)
class Question:
    """Holds one kept question. truth: the typed value as JSON, as `answers.read` returns it; about: its meaning."""

    type: str
    question_type: str
    question: str
    answer: str
    truth: dict[str, Any]
    about: About | None = None


@dataclass
class Asker:
    """Chooses wordings and answers for the families, and checks each question.

    Attributes:
        margins: what counts as ambiguous.
        rng: random generator of every choice.
        types: question type -> type of its records, and kind of its value.
        known_labels: classes that an absent sound can have.
        split: "train" or "eval", which selects the wordings.
        more_phrasings, only_unseen_phrasings: see `QuestionConfig`.
        asked: texts of the questions written about the clip so far.
        order: random order of the sources of a clip, for official types that ask once for each source.
        given: how often each answer has been given so far.
        retold: the wordings that are used in place of those of a family.
        memories: `given` of the askers that `apart` returns, by name.
    """

    margins: Margins
    rng: np.random.Generator
    types: Mapping[str, tuple[str, str]]
    known_labels: tuple[str, ...] = ()
    split: str = "train"
    more_phrasings: bool = False
    only_unseen_phrasings: bool = False
    asked: set[str] = field(default_factory=set)
    order: Sequence[int] = ()
    given: dict[tuple, Counter] = field(default_factory=dict)
    retold: Callable[[Wordings], Wordings] = lambda wordings: wordings
    memories: dict[str, dict[tuple, Counter]] = field(default_factory=dict)

    def apart(self, name: str, retold: Callable[[Wordings], Wordings]) -> "Asker":
        """Returns an asker about the same clip, for a family that asks the questions of others in wordings of its own: what
        it remembers of the answers given is kept under this name, so that neither disturbs the balance of the other."""
        return replace(self, given=self.memories.setdefault(name, {}), retold=retold)

    # --- choice and balance ---------------------------------------------------------------------------------------------

    def pick(self, options: Sequence[Any]) -> Any:
        """Returns one of the options, each with the same probability."""
        return options[int(self.rng.integers(len(options)))]

    def least(self, key: tuple, options: Sequence[Any]) -> Any:
        """Returns the option given least often so far under this key, at random among ties, and counts it."""
        given = self.given.setdefault(key, Counter())
        fewest = min(given[_name(option)] for option in options)
        chosen = self.pick([option for option in options if given[_name(option)] == fewest])
        given[_name(chosen)] += 1
        return chosen

    def even(self, key: tuple, answer: Any) -> bool:
        """Returns True, and counts the answer, unless it is already ahead of the rarest one met under this key. While no
        second answer has been met, one passes."""
        given = self.given.setdefault(key, Counter())
        given[answer] += 0  # met
        rarest = min(given.values()) if len(given) > 1 else 0
        return self._counted(given, answer, rarest + 1)

    def spread(self, key: tuple, answer: Any) -> bool:
        """Returns True, and counts the answer, unless it has been given twice as often as the others on average."""
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

    # --- what is clear --------------------------------------------------------------------------------------------------

    def pick_source(
        self, sources: Sequence[HeardSource], is_clear: Callable[[HeardSource], bool] = lambda source: True
    ) -> HeardSource | None:
        """Returns one of the sources that are clear; None if there is none."""
        clear = [source for source in sources if is_clear(source)]
        return self.pick(clear) if clear else None

    def has_azimuth(self, source: HeardSource) -> bool:
        """Returns True if the azimuth is known all around, unless the source is nearly straight above or below the
        listener."""
        known = source.azimuth_deg is not None and not source.folded
        return known and abs(source.elevation_deg or 0.0) <= 90.0 - self.margins.zenith_margin_deg

    def opposite_axes(self, scene: HeardScene) -> list[str]:
        """Returns the axes on which all sources are clear and the first two are on opposite sides of the listener."""
        first, second, *_ = scene.sources
        return [
            axis
            for axis in AXIS_NAMES
            if first.word(axis) != second.word(axis)
            and all(source.is_clear(axis, self.margins.axis_margin_deg) for source in scene.sources)
        ]

    def clear_in_random_order(self, scene: HeardScene) -> list[HeardSource]:
        """Returns the sources whose direction words are all clear, in the random order of this clip."""
        sources = [scene.sources[index] for index in self.order]
        return [source for source in sources if source.all_clear(self.margins.axis_margin_deg)]

    # --- asking ---------------------------------------------------------------------------------------------------------

    def in_turn(self, forms: Sequence[Callable], count: int) -> Iterator[Callable]:
        """Yields, `count` times, the form of a question used least often so far; nothing if no form is possible."""
        for _ in range(count if forms else 0):
            yield self.least(("form", *(form.__name__ for form in forms)), forms)

    def ask(
        self, question_type: str, wordings: Wordings, truth: dict[str, Any], about: About, **words: str
    ) -> Question | None:
        """Returns the question in one of its wordings, with the words filled in; None if the clip already has all of them.
        Every answer gets all wordings equally often, so that no wording gives the answer away.

        Raises:
            SceneError: the answer, parsed again, is not the truth.
        """
        texts = self._texts(wordings)
        fresh = [text for text in texts if text.format(**words) not in self.asked]
        if not fresh:
            return None
        text = self.least(("phrasing", question_type, str(truth), words.get("side")), fresh)
        return self.checked(question_type, text.format(**words), truth, about)

    def ask_spread(
        self, question_type: str, wordings: Wordings, truth: dict[str, Any], about: About, **words: str
    ) -> Question | None:
        """Writes a question as `ask`, but returns None if the answer is already given too often."""
        question = self.ask(question_type, wordings, truth, about, **words)
        return question if question and self.spread(("answers", question_type), question.answer) else None

    def ask_even(
        self, question_type: str, wordings: Wordings, truth: dict[str, Any], about: About, **words: str
    ) -> Question | None:
        """Writes a question as `ask`, but returns None if the answer is ahead of the others."""
        question = self.ask(question_type, wordings, truth, about, **words)
        return question if question and self.even(("answers", question_type), question.answer) else None

    def ask_always(
        self, question_type: str, wordings: Wordings, truth: dict[str, Any], about: About, **words: str
    ) -> Question:
        """Returns the question in any of its wordings, even one that the clip already has: for the official types.

        Raises:
            SceneError: the answer, parsed again, is not the truth.
        """
        return self.checked(question_type, self.pick(self._texts(wordings)).format(**words), truth, about)

    def _texts(self, wordings: Wordings) -> tuple[str, ...]:
        return self.retold(wordings).of(self.split, self.more_phrasings, self.only_unseen_phrasings)

    def checked(self, question_type: str, question: str, truth: dict[str, Any], about: About) -> Question:
        """Writes the answer of a truth, parses it again and returns the question; raises SceneError if the two differ."""
        type, kind = self.types[question_type]
        try:
            answer = answers.write(kind, truth)
        except SpatialLLMError as error:
            raise SceneError(f"{question!r}: {error}") from None
        again = answers.read(kind, answer)
        if again != truth:
            raise SceneError(
                f"{question!r}: the answer {answer!r} reads as {again}, the truth is {truth}; not a valid label?"
            )
        return Question(type, question_type, question, answer, truth, about)


def _name(option: Any) -> str:
    return getattr(option, "__name__", str(option))
