"""What somebody who never hears would answer: for each question, the commonest answer to its wording in other recordings.

The guesser learns as in `questions.balance`: names of sounds are masked ("Is the {1} left?"), a wording met too rarely is
tried with its numbers masked too, then the question type alone; a masked answer is filled with the question's own names.
Peculiar: it learns from all recordings but the one it is asked about, so that each question gets an answer and none has
seen its own. That leaves a trap: where answers are exactly even, the answer that is left out is always the rarer one, and
the guesser would score far below chance. So answers that the left-out recording could have made equal count as equal, and
the lot decides between them.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from spatial_llm.questions.balance import OFTEN, Asked, Masked

_MASK = re.compile(r"\{(\d+)\}")


class AskedOfRecording(Asked, Protocol):
    """What is needed of a record."""

    recording_id: str


def question_only_answers(items: Sequence[AskedOfRecording], seed: int = 0) -> list[str]:
    """An answer text for each item, to be scored like a prediction.

    Args:
        items: the questions with their true answers. Those of an item's own recording take no part in its guess, except
            that the names of sounds to be masked are gathered from the whole set.
        seed: of the lots.

    Returns:
        the guesses, in the order of the items; "" where no other recording has a question of the type.
    """
    masked = Masked(items)
    learned = _Learned()
    for item, wordings, answer in zip(items, masked.wordings, masked.answers, strict=True):
        learned.add(wordings, item.recording_id, answer)
    lots = np.random.default_rng(seed).random(len(items))
    guesses = []
    for item, wordings, names, lot in zip(items, masked.wordings, masked.names, lots, strict=True):
        candidates = learned.commonest(wordings, item.recording_id, len(names))
        guess = candidates[int(lot * len(candidates))] if candidates else ""
        guesses.append(_MASK.sub(lambda mask, names=names: names[int(mask[1]) - 1], guess))
    return guesses


class _Learned:
    """How often each answer is given to each wording, in all recordings and in each one."""

    def __init__(self) -> None:
        self._all: dict[tuple, Counter] = defaultdict(Counter)
        self._own: dict[tuple, Counter] = defaultdict(Counter)
        self._ranked: dict[tuple, list[tuple[str, int]]] = {}

    def add(self, wordings: Sequence[tuple], recording: str, answer: str) -> None:
        for wording in wordings:
            self._all[wording][answer] += 1
            self._own[wording, recording][answer] += 1

    def commonest(self, wordings: Sequence[tuple], recording: str, names: int) -> list[str]:
        """The answers given most often in other recordings to the first wording they have often enough, in alphabetical
        order; only those whose masks can be filled with so many names."""
        for wording in wordings:
            others = self._all[wording].total() - self._own[wording, recording].total()
            if others >= OFTEN or wording is wordings[-1]:
                return self._nearly_most(wording, self._own[wording, recording], names)
        return []

    def _nearly_most(self, wording: tuple, own: Counter, names: int) -> list[str]:
        if wording not in self._ranked:
            self._ranked[wording] = self._all[wording].most_common()
        slack, most, found = own.total(), 0, {}
        for answer, count in self._ranked[wording]:
            if count < most - slack:
                break  # and so are all that follow
            in_others = count - own[answer]
            if in_others > 0 and all(int(number) <= names for number in _MASK.findall(answer)):
                most, found[answer] = max(most, in_others), in_others
        return sorted(answer for answer, in_others in found.items() if in_others >= most - slack)
