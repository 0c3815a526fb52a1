"""The question-only baseline: answers each question with what its wording is commonly answered in other recordings.

It learns as `questions.balance` does: names of sounds are masked ("Is the {1} left?"), a wording that is too rare is tried
with its numbers masked too, then the question type alone; a masked answer is filled with the question's own names.

Note: it learns from all recordings but the one it is asked about, so that each question gets a guess and no guess has seen
its own answer. Where answers are exactly even this has a flaw: the answer left out is always the rarer one of the rest, so
that giving the commonest would always be wrong. The counts are therefore drawn anew (Poisson) and the then commonest answer
is given. A clear bias is found as surely; where answers are exactly even the baseline scores a little below chance (by about
1 / sqrt(4 n) of n questions), as that of `questions.balance` does.
"""

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from spatial_llm.questions.balance import OFTEN, Asked, Masked

_MASK = re.compile(r"\{(\d+)\}")


class AskedOfRecording(Asked, Protocol):
    """The fields of a record that the baseline needs."""

    recording_id: str


def question_only_answers(items: Sequence[AskedOfRecording], seed: int = 0) -> list[str]:
    """Returns an answer text for each item, to be scored like a prediction.

    Args:
        items: the questions with their true answers. Those of an item's own recording take no part in its guess, except that
            the names of sounds to be masked are gathered from the whole set.
        seed: of the redrawn counts.

    Returns:
        the guesses, in the order of the items; "" where no other recording has a question of the type.
    """
    masked = Masked(items)
    learned = _Learned()
    for item, wordings, answer in zip(items, masked.wordings, masked.answers, strict=True):
        learned.add(wordings, item.recording_id, answer)
    guesses = []
    for row, (item, wordings, names) in enumerate(zip(items, masked.wordings, masked.names, strict=True)):
        # a generator for each item, because its draws must not depend on those of items that have seen its answer
        lot = np.random.default_rng([seed, row])
        guess = learned.guess(wordings, item.recording_id, len(names), lot)
        guesses.append(_MASK.sub(lambda mask, names=names: names[int(mask[1]) - 1], guess))
    return guesses


class _Learned:
    """Counts how often each answer is given to each wording, in all recordings and in each one."""

    def __init__(self) -> None:
        self._all: dict[tuple, Counter] = defaultdict(Counter)
        self._own: dict[tuple, Counter] = defaultdict(Counter)
        self._tables: dict[tuple, tuple[list[str], NDArray, NDArray]] = {}

    def add(self, wordings: Sequence[tuple], recording: str, answer: str) -> None:
        for wording in wordings:
            self._all[wording][answer] += 1
            self._own[wording, recording][answer] += 1

    def guess(self, wordings: Sequence[tuple], recording: str, names: int, lot: np.random.Generator) -> str:
        """Returns an answer that other recordings give to the first wording they have often enough, and whose masks the
        names can fill; "" if there is none."""
        for wording in wordings:
            own = self._own[wording, recording]
            if self._all[wording].total() - own.total() >= OFTEN or wording is wordings[-1]:
                break
        answers, counts, needed = self._table(wording)
        counts = counts.copy()
        for answer, count in own.items():
            counts[bisect_left(answers, answer)] -= count
        open_to = np.flatnonzero((counts > 0) & (needed <= names))
        if not len(open_to):
            return ""
        # the fraction decides between equal counts
        drawn = lot.poisson(counts[open_to]) + lot.random(len(open_to))
        return answers[open_to[np.argmax(drawn)]]

    def _table(self, wording: tuple) -> tuple[list[str], NDArray, NDArray]:
        """Returns, for a wording, its answers in alphabetical order, how often each is given, and how many names each
        needs."""
        if wording not in self._tables:
            answers = sorted(self._all[wording])
            counts = np.array([self._all[wording][answer] for answer in answers])
            needed = np.array([max(map(int, _MASK.findall(answer)), default=0) for answer in answers])
            self._tables[wording] = answers, counts, needed
        return self._tables[wording]
