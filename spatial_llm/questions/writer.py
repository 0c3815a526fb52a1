"""Writes questions about scenes, each with its answer and the structured truth behind it.

Three rules hold for every question. It is unambiguous: it asks for no axis word of a source near the plane where the word
changes, compares nothing nearly equal, and names no source by a label that two share. Its answer text, parsed again, is the
truth. And the answers are balanced (see `asking`), so that no word of the question gives the answer away.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from spatial_llm.errors import SceneError
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.questions.facts import HeardScene
from spatial_llm.questions.families import FAMILIES
from spatial_llm.questions.family import Ask, Family
from spatial_llm.scenes.scene_checks import MAX_SOURCES


class QuestionWriter:
    """Writes the questions of one clip after another; what it remembers between clips serves the balance alone.

    Args:
        config: how many questions, of which families, and what is ambiguous.
        rng: random generator of every choice.
        known_labels: classes that an absent sound can have; without any, no question names an absent sound.
        split: "train" or "eval", which selects the wordings.
    """

    def __init__(
        self, config: QuestionConfig, rng: np.random.Generator, known_labels: Sequence[str] = (), split: str = "train"
    ) -> None:
        if split not in ("train", "eval"):
            raise SceneError(f"split is {split!r}; give 'train' or 'eval'.")
        config.check_asked()
        self.config = config
        self.asker = Asker(
            config,
            rng,
            _TYPES,
            tuple(sorted(set(known_labels))),
            split,
            config.more_phrasings,
            config.only_unseen_phrasings,
        )
        self._written: Counter[Ask] = Counter()

    def write(self, scene: HeardScene) -> list[Question]:
        """Returns the questions about one clip: the official types if it has one source or two, then families in random
        order up to the limit; fewer than configured if too little is clear.

        Raises:
            SceneError: there are no sources, or more than four.
        """
        if not 1 <= len(scene.sources) <= MAX_SOURCES:
            raise SceneError(f"{len(scene.sources)} sources; questions are written about one to {MAX_SOURCES}.")
        questions = [question for question in self._official(scene) if self._is_wanted(question)]
        self.asker.asked = {question.question for question in questions}
        wanted = self.config.wanted_families
        asked_here: Counter[Ask] = Counter()
        for index in self.asker.rng.permutation(len(wanted)) if wanted else ():
            if len(questions) >= self.config.limit:
                break
            question = self._of_family(wanted[index], scene, asked_here)
            if question is not None:
                questions.append(question)
                self.asker.asked.add(question.question)
        return questions

    def _is_wanted(self, question: Question) -> bool:
        return question.question_type not in self.config.leave_out

    def _official(self, scene: HeardScene) -> Iterator[Question]:
        if len(scene.sources) == 2:
            self.asker.order = self.asker.rng.permutation(2)
        for family in FAMILIES:
            if family.is_official and family.sources == len(scene.sources):
                yield from family.ask_always(self.asker, scene, self.config.count(family.name))

    def _of_family(self, name: str, scene: HeardScene, asked_here: Counter[Ask]) -> Question | None:
        """Returns a question by the function of the family used least often, for this clip and then for all, or by the next
        one for which the clip is clear enough."""
        ask = _BY_NAME[name].ask
        shuffled = [ask[i] for i in self.asker.rng.permutation(len(ask))]
        for each in sorted(shuffled, key=lambda each: (asked_here[each], self._written[each])):
            question = each(self.asker, scene)
            if question is not None and self._is_wanted(question):
                asked_here[each] += 1
                self._written[each] += 1
                return question
        return None


_TYPES = {name: (family.type, kind) for family in FAMILIES for name, kind in family.types.items()}
_BY_NAME: dict[str, Family] = {family.name: family for family in FAMILIES}
