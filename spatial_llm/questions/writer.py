"""Scenes -> questions, each with its answer and the structured truth behind it.

Three rules hold for every question kept. It is unambiguous: no axis word is asked of a source near the plane where the
word changes, no comparison of what is nearly equal, no source is named by a label that two have. Its answer text, parsed
again, is the truth. And the answers are balanced (see `asking`), so that no word of the question gives the answer away.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from spatial_llm.errors import SceneError
from spatial_llm.questions import negatives, official, places, relations, room, times
from spatial_llm.questions.asking import Asker, Question
from spatial_llm.questions.config import QuestionConfig
from spatial_llm.questions.facts import HeardScene
from spatial_llm.scenes.scene import MAX_SOURCES

Kind = Callable[[Asker, HeardScene], Question | None]
KINDS: dict[str, tuple[Kind, ...]] = {
    "azimuth": (places.azimuth_deg, places.azimuth_clock),
    "elevation": (places.elevation_deg,),
    "distance": (places.distance_m,),
    "count": (relations.count_sources, relations.count_classes),
    "nearest": (relations.nearest, relations.farthest),
    "relation": (relations.relation,),
    "same_class": (places.same_class,),
    "time": (times.onset_first, times.onset_order, times.starts_at, times.duration_s),
    "span": (times.span,),
    "room": (room.rt60_band, room.room_size, room.reverberation),
    "rotated": (places.rotated_location, places.rotated_azimuth),
    "side": (negatives.wrong_place,),
    "negative": (negatives.present, negatives.present_at_place, negatives.absent, negatives.wrong_place, negatives.swapped),
}


class QuestionWriter:
    """Writes the questions of one clip after another; its memory between clips serves the balance alone.

    Args:
        config: how many, of what, and what is ambiguous.
        rng: of every choice.
        known_labels: classes that an absent sound can be of; without any, no absent sound is asked for.
        split: "train" or "eval": whose phrasings are used.
    """

    def __init__(
        self, config: QuestionConfig, rng: np.random.Generator, known_labels: Sequence[str] = (), split: str = "train"
    ) -> None:
        if split not in ("train", "eval"):
            raise SceneError(f"split is {split!r}; give 'train' or 'eval'.")
        self.asker = Asker(config, rng, tuple(sorted(set(known_labels))), split)
        self._written: Counter[Kind] = Counter()

    def write(self, scene: HeardScene) -> list[Question]:
        """The questions about one clip: the official types if it has one source or two, then families in random order up
        to the limit; fewer than configured when too little is clear.

        Raises:
            SceneError: there are no sources, or more than four.
        """
        if not 1 <= len(scene.sources) <= MAX_SOURCES:
            raise SceneError(f"{len(scene.sources)} sources; questions are written about one to {MAX_SOURCES}.")
        questions = list(self._official(scene))
        self.asker.asked = {question.question for question in questions}
        wanted = self.asker.config.wanted_families
        asked_here: Counter[Kind] = Counter()
        for index in self.asker.rng.permutation(len(wanted)) if wanted else ():
            if len(questions) >= self.asker.config.limit:
                break
            question = self._of_family(wanted[index], scene, asked_here)
            if question is not None:
                questions.append(question)
                self.asker.asked.add(question.question)
        return questions

    def _official(self, scene: HeardScene) -> Iterator[Question]:
        if len(scene.sources) == 1:
            yield from official.about_one(self.asker, *scene.sources)
        elif len(scene.sources) == 2:
            yield from official.about_two(self.asker, list(scene.sources))

    def _of_family(self, family: str, scene: HeardScene, asked_here: Counter[Kind]) -> Question | None:
        """A question of the family's kind asked least often, of this clip and then of all, or of the next kind that the
        clip allows."""
        kinds = KINDS[family]
        shuffled = [kinds[i] for i in self.asker.rng.permutation(len(kinds))]
        for kind in sorted(shuffled, key=lambda kind: (asked_here[kind], self._written[kind])):
            question = kind(self.asker, scene)
            if question is not None:
                asked_here[kind] += 1
                self._written[kind] += 1
                return question
        return None
