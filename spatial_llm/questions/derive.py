"""Derives what a model was taught from the questions that it was trained on."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from spatial_llm.questions.taught import NUMBERS, PLACES, SOUNDS, TaughtQuestion, TaughtQuestions, slots_of
from spatial_llm.questions.types import FAMILY_OF, QUESTION_TYPES, VALUE_KINDS
from spatial_llm.questions.wordings import Wordings

LEAST_SHARE = 1e-3  # a question that is a smaller share of those of training is not taught by them
MOST_OWN = 50  # most wordings of one question that are of no family here
_SLOT_PATTERN = dict.fromkeys(NUMBERS, r"[\d.]+ \w+")


class Asked(NamedTuple):
    """Holds what is needed of one question of training: labels are those of the sources of its recording and of its answer,
    sources the number of sources (0: not known), level_dbfs_at_1m see `TaughtQuestions`."""

    question_type: str
    question: str
    answer: str
    truth: Mapping[str, Any]
    labels: Sequence[str]
    sources: int = 0
    level_dbfs_at_1m: float | None = None


@dataclass
class _Found:
    """Collects one question in all its wordings."""

    question_type: str
    convention: str
    order: tuple[str, ...]
    example: tuple[str, str]
    wordings: dict[str, None] = field(default_factory=dict)
    words: dict[str, dict[str, None]] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    asked: int = 0

    def listed(self) -> TaughtQuestion:
        rank = {wording: index for index, wording in enumerate(self.order)}
        wordings = sorted(self.wordings, key=lambda wording: rank.get(wording, len(rank)))
        words = {name: tuple(sorted(phrases)) for name, phrases in self.words.items()}
        kind = VALUE_KINDS.get(self.question_type, "text")
        return TaughtQuestion(self.question_type, kind, tuple(wordings), words, self.ranges, self.convention, *self.example)


def taught_by(asked: Iterable[Asked]) -> TaughtQuestions | None:
    """Returns what training on these questions teaches; None if there are none.

    A question in a wording of the families here is listed as that wording; of others the labels are taken out, and at most
    MOST_OWN wordings of each question type are listed.
    """
    found: dict[tuple[str, tuple[str, ...]], _Found] = {}
    own: dict[tuple[str, tuple[str, ...]], _Found] = {}
    labels: dict[str, None] = {}
    most = total = 0
    levels: list[float] = []
    for item in asked:
        labels.update(dict.fromkeys(item.labels))
        most, total = max(most, item.sources), total + 1
        levels += [] if item.level_dbfs_at_1m is None else [item.level_dbfs_at_1m]
        each = _of_a_family(found, item) or _own(own, item)
        each.asked += 1
        _widen(each.ranges, item.truth)
    questions = [each.listed() for each in (*found.values(), *own.values()) if each.asked >= LEAST_SHARE * total]
    if not questions:
        return None
    rank = {name: index for index, name in enumerate(QUESTION_TYPES)}
    questions.sort(key=lambda question: rank.get(question.question_type, len(rank)))
    level = round(sum(levels) / len(levels), 2) if len(levels) == total else None
    return TaughtQuestions(tuple(questions), tuple(sorted(labels)), most or None, level)


def labels_in(truth: Mapping[str, Any], absent: str | None = None) -> list[str]:
    """Returns the names of sounds in a true answer, and the absent sound that its question names."""
    named = [name for key in ("labels", "order") for name in truth.get(key, ())]
    return named + [name for name in (truth.get("absent"), absent) if name is not None]


def _of_a_family(found: dict[tuple[str, tuple[str, ...]], _Found], item: Asked) -> _Found | None:
    """Returns the question whose wording of a family this is, in which the wording is then listed; None if it is of none."""
    text = _tagged(item.question, item.labels)
    for pattern, wording, wordings in _patterns(item.question_type, bool(item.labels)):
        match = pattern.fullmatch(text)
        if match is None:
            continue
        order = _all(wordings)
        each = found.get((item.question_type, order))
        if each is None:
            each = _Found(item.question_type, wordings.convention, order, (item.question, item.answer))
            found[item.question_type, order] = each
        each.wordings[wording] = None
        for name, phrase in match.groupdict().items():
            if name not in (*SOUNDS, *NUMBERS, *PLACES):
                each.words.setdefault(name, {})[phrase] = None
        return each
    return None


def _tagged(question: str, labels: Sequence[str]) -> str:
    """Returns the question with each label in brackets, so that patterns cannot take a label for anything else."""
    for label in sorted(set(labels), key=len, reverse=True):
        question = re.sub(rf"(?<![\w\[]){re.escape(label)}(?![\w\]])", f"[{label}]", question)
    return question


@cache
def _patterns(question_type: str, tagged: bool) -> list[tuple[re.Pattern[str], str, Wordings]]:
    """Returns pattern, wording and its Wordings for all wordings of a type's family; those with most text come first, which
    leave least to the names in braces."""
    wordings = FAMILY_OF[question_type].wordings if question_type in FAMILY_OF else ()
    pairs = [(text, each) for each in wordings for text in _all(each)]
    pairs.sort(key=lambda pair: -len(re.sub(r"\{\w+\}", "", pair[0])))
    return [(re.compile(_as_pattern(text, tagged)), text, each) for text, each in pairs]


def _as_pattern(wording: str, tagged: bool) -> str:
    pattern, seen = "", set()
    for part in re.split(r"(\{\w+\})", wording):
        if not part.startswith("{"):
            pattern += re.escape(part)
        elif (name := part[1:-1]) in seen:
            pattern += f"(?P={name})"
        else:
            filled = _SLOT_PATTERN.get(name, r"\[[^\]]+\]" if tagged and name in SOUNDS else ".+?")
            pattern += f"(?P<{name}>{filled})"
            seen.add(name)
    return pattern


def _all(wordings: Wordings) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*wordings.of("train", more=True), *wordings.of("eval", more=True))))


def _without_labels(question: str, labels: Sequence[str]) -> str:
    """Returns a question with its sounds replaced by {x} and {y}; braces of its own are left out."""
    text = question.replace("{", "(").replace("}", ")")
    names = iter(SOUNDS)
    for label in sorted(set(labels), key=lambda label: (text.find(label), -len(label))):
        spoken = re.compile(rf"(?<!\w){re.escape(label)}(?!\w)", re.IGNORECASE)
        if spoken.search(text) and (name := next(names, None)) is not None:
            text = spoken.sub(f"{{{name}}}", text)
    return text


def _own(own: dict[tuple[str, tuple[str, ...]], _Found], item: Asked) -> _Found:
    """Returns the question of no family that this is: those of one type with the same names in braces are one question."""
    wording = _without_labels(item.question, item.labels)
    key = item.question_type, tuple(sorted(slots_of(wording)))
    each = own.setdefault(key, _Found(item.question_type, "", (), (item.question, item.answer)))
    if len(each.wordings) < MOST_OWN:
        each.wordings[wording] = None
    return each


def _widen(ranges: dict[str, tuple[float, float]], truth: Any) -> None:
    """Widens the ranges by the numbers in a value, at any depth."""
    for name, item in truth.items() if isinstance(truth, Mapping) else ():
        if isinstance(item, list | tuple):
            for each in item:
                _widen(ranges, each)
        elif isinstance(item, int | float) and not isinstance(item, bool):
            low, high = ranges.get(name, (item, item))
            ranges[name] = (min(low, float(item)), max(high, float(item)))
