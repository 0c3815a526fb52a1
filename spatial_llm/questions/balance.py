"""Measures how balanced a set of questions is, and what guessing from the question alone would score.

The guesser uses no audio. Its questions are split at random into two halves. From one half it learns, for each wording with
the names of sounds masked, the commonest answer, and it gives that answer in the other half. If it met a wording too rarely,
it also masks the numbers, and then uses the question type alone. Names that the question itself gives are masked in the
answer as well ("There is no {1}"), so that the guesser may repeat them. Of answers that are thought out it guesses the
conclusion. Where answers are exactly even it scores a little
below chance: what one half has more of, the other has less of.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from spatial_llm.answers.kinds.thought import conclusion_alone
from spatial_llm.scenes.scene import Scene

OFTEN = 8  # least number of times a wording must occur to be trusted
SHOWN = 10  # number of answers in the table
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


class Asked(Protocol):
    """Lists the fields needed of a question or a record."""

    type: str
    question_type: str
    question: str
    answer: str
    truth: dict[str, Any]


@dataclass(frozen=True)
class Balance:
    """Holds the balance of one type or question type.

    Attributes:
        n: number of questions.
        different: number of different answers.
        answers: the commonest answers and how often they are given; names that the question gives are masked.
        majority: share of the commonest answer.
        question_only: share of right answers of the guesser, in the half it did not learn from; None below two questions.
        yes: share of yes among yes and no; None where there are none.
    """

    n: int
    different: int
    answers: dict[str, int]
    majority: float
    question_only: float | None
    yes: float | None


def balance(items: Iterable[Asked], by: str = "type", seed: int = 0) -> dict[str, Balance]:
    """Returns the balance of each type ("A" to "E" and our families), or of each question type.

    Args:
        items: questions or records.
        by: "type" or "question_type".
        seed: seed of the split into halves.
    """
    items = list(items)
    masked = Masked(items)
    right = _guessed_right(items, masked, seed)
    groups: dict[str, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        groups[getattr(item, by)].append(index)
    return {name: _balance_of(items, masked.answers, right, rows) for name, rows in sorted(groups.items())}


def balance_table(found: dict[str, Balance]) -> str:
    """Returns the balance as a table in plain text, one row a type."""
    lines = [f"{'':26}{'n':>7}{'answers':>9}{'majority':>10}{'question only':>15}{'yes':>8}   commonest answer"]
    for name, row in found.items():
        question_only = "" if row.question_only is None else f"{100 * row.question_only:.1f} %"
        yes = "" if row.yes is None else f"{100 * row.yes:.1f} %"
        commonest = next(iter(row.answers))
        lines.append(
            f"{name:26}{row.n:7}{row.different:9}{100 * row.majority:8.1f} %{question_only:>15}{yes:>8}   {commonest}"
        )
    return "\n".join(lines)


def _balance_of(items: Sequence[Asked], answers: list[str], right: dict[int, bool], rows: list[int]) -> Balance:
    counts = Counter(answers[row] for row in rows)
    tested = [right[row] for row in rows if row in right]
    said = [items[row].truth["yes"] for row in rows if "yes" in items[row].truth]
    return Balance(
        n=len(rows),
        different=len(counts),
        answers=dict(counts.most_common(SHOWN)),
        majority=max(counts.values()) / len(rows),
        question_only=sum(tested) / len(tested) if tested else None,
        yes=sum(said) / len(said) if said else None,
    )


class Masked:
    """Holds questions and answers without the names of sounds: names that answer any question of the set, or sound in a
    scene of it.

    Attributes:
        questions: questions with the names masked, "{1}" for the first name, in the order of the items.
        answers: answers in which the names that the question gives are masked.
        names: the masked names of each item, in the order of their masks.
        wordings: keys by which the guesser may learn each item, from the exact wording to the question type alone.
    """

    def __init__(self, items: Sequence[Asked]) -> None:
        names = {name for item in items for name in _names(item)}
        longest_first = sorted(names, key=lambda name: (-len(name), name))
        self._name = re.compile(r"(?<![\w'])(?:" + "|".join(map(re.escape, longest_first)) + r")(?!\w)") if names else None
        masked = [self._mask(item) for item in items]
        self.questions = [question for question, _, _ in masked]
        self.answers = [answer for _, answer, _ in masked]
        self.names = [names for _, _, names in masked]
        self.wordings = [
            ((item.question_type, question), (item.question_type, _NUMBER.sub("#", question), "#"), (item.question_type,))
            for item, question in zip(items, self.questions, strict=True)
        ]

    def _mask(self, item: Asked) -> tuple[str, str, list[str]]:
        answer = conclusion_alone(item.answer) if "steps" in item.truth else item.answer
        if self._name is None:
            return item.question, answer, []
        number_of: dict[str, str] = {}
        question = self._name.sub(lambda found: number_of.setdefault(found[0], f"{{{len(number_of) + 1}}}"), item.question)
        return question, self._name.sub(lambda found: number_of.get(found[0], found[0]), answer), list(number_of)


def _names(item: Asked) -> list[str]:
    truth, scene = item.truth, getattr(item, "scene", None)
    sounding = [source.label for source in scene.sources] if isinstance(scene, Scene) else []
    return [*sounding, *truth.get("labels", ()), *truth.get("order", ()), *([truth["absent"]] if "absent" in truth else ())]


def _guessed_right(items: Sequence[Asked], masked: Masked, seed: int) -> dict[int, bool]:
    """Returns for each question of the tested half whether the guesser has it right."""
    keys = masked.wordings
    order = np.random.default_rng(seed).permutation(len(items))
    learned: dict[tuple, Counter] = defaultdict(Counter)
    for row in order[: len(items) // 2]:
        for key in keys[row]:
            learned[key][masked.answers[row]] += 1
    right = {}
    for row in order[len(items) // 2 :]:
        trusted = [key for key in keys[row] if learned[key].total() >= OFTEN] or [keys[row][-1]]
        commonest = learned[trusted[0]].most_common(1)
        right[int(row)] = bool(commonest) and commonest[0][0] == masked.answers[row]
    return right
