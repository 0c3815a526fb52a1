"""The question-only baseline of a benchmark: chooses the option that is most often right in the other recordings.

These benchmarks release no training split, so the baseline learns from the questions themselves, without those about the
recording that it answers. Of the options it takes the text that is the right answer to most other questions of the same
category. Where none of them is the answer to any, it takes the position (first, second, ...) that is right most often in the
category among as many options; where that is unknown too, any. The meaning of an option is never used.

Note: as in `evaluation.scoring.baselines`, counts are drawn again (Poisson) before the largest is taken, because where
answers are exactly even, the answer left out is always the rarer one of the rest. All runs of a question that rotates its
options get the same draw, and so the same text.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from spatial_llm.evaluation.benchmarks.choices import ChoiceItem

NOTE = (
    "no model: the option whose text is most often right in other recordings' questions of the same category, or else the "
    "one at the place that is; there is no training split to learn it from; a little below chance where answers are even"
)


def question_only_choices(items: Sequence[ChoiceItem], seed: int = 0) -> list[int]:
    """Returns the index of an option for each item, chosen without its recording; (items,).

    Args:
        items: the questions with their right options. Those of an item's own recording take no part in its choice.
        seed: of the draws.
    """
    texts, places = _Counts(), _Counts()
    asked = set()
    for item in items:
        if item.source_id not in asked:  # counted once, however often its options are rotated
            texts.add((item.task,), item.recording_id, item.answer)
        asked.add(item.source_id)
        if item.answer in item.choices:
            places.add((item.task, len(item.choices)), item.recording_id, item.choices.index(item.answer))
    number = {source_id: index for index, source_id in enumerate(dict.fromkeys(item.source_id for item in items))}
    chosen = []
    for item in items:
        lot = np.random.default_rng([seed, number[item.source_id]])
        options = sorted(set(item.choices))  # in one order for all rotations
        known = texts.of((item.task,), item.recording_id, options)
        if known.any():
            chosen.append(item.choices.index(options[_largest(known, lot)]))
            continue
        known = places.of((item.task, len(item.choices)), item.recording_id, range(len(item.choices)))
        chosen.append(_largest(known, lot))
    return chosen


class _Counts:
    """How often each answer is right in a group of questions, in all recordings and in each one."""

    def __init__(self) -> None:
        self._all: dict[tuple, Counter] = defaultdict(Counter)
        self._own: dict[tuple, Counter] = defaultdict(Counter)

    def add(self, group: tuple, recording: str, answer: str | int) -> None:
        self._all[group][answer] += 1
        self._own[(*group, recording)][answer] += 1

    def of(self, group: tuple, recording: str, answers: Sequence[str] | Sequence[int]) -> np.ndarray:
        """Returns how often each of the answers is right in the other recordings."""
        own = self._own[(*group, recording)]
        return np.array([self._all[group][answer] - own[answer] for answer in answers])


def _largest(counts: np.ndarray, lot: np.random.Generator) -> int:
    """Returns one of the largest counts after a redraw, never one of 0 where there are others. The fraction breaks ties."""
    drawn = np.where(counts > 0, lot.poisson(counts), -1.0 * counts.any()) + lot.random(len(counts))
    return int(np.argmax(drawn))
