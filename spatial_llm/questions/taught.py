"""What a model was taught: the questions in their wordings, the sounds, and the ranges of the numbers in its answers.

A saved model holds this as `taught_questions.json`, in a form that people can read. `derive.taught_by` makes it from the
questions of a training manifest; `matching` finds the taught question that is nearest to a text.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from spatial_llm.errors import CheckpointError

TAUGHT, VERSION = "taught_questions.json", 1
NUMBERS = ("distance", "time")  # names in braces that stand for a number with its unit
PLACES = ("place", "first", "second")  # ... for a place in direction words ("first", "second": with a distance)
SOUNDS = ("x", "y")  # ... for the name of a sound
_ABOUT = (
    "What this model was taught. Names in braces stand for what a question fills in: {x} and {y} for sounds, {place} for "
    "direction words such as 'right, front, below', {distance} for metres, {time} for seconds, others for one of 'words'. A "
    "question in other words is asked in the first wording of its entry. Written by the training recipe."
)
_SLOT = re.compile(r"\{(\w+)\}")


def slots_of(wording: str) -> tuple[str, ...]:
    """Returns the names in braces of a wording, in order."""
    return tuple(_SLOT.findall(wording))


@dataclass(frozen=True)
class TaughtQuestion:
    """Holds one question that a model was taught, in all its wordings.

    Attributes:
        question_type: as in records, such as "MIXUP_SINGLE_DOA".
        value: kind of the value that answers it (`answers.KINDS`).
        wordings: with names in braces, convention included; a paraphrase is put in the first one.
        words: name in braces -> the phrases that were filled in; sounds, places and numbers are not listed.
        convention: sentence that ends some of the wordings and says how the answer counts; "" if there is none.
        ranges: field of the answer's value (distance_m, azimuth_deg, ...) -> its least and greatest number in training.
        question, answer: one example.
    """

    question_type: str
    value: str
    wordings: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    convention: str = ""
    question: str = ""
    answer: str = ""

    @property
    def slots(self) -> frozenset[str]:
        """Returns the names in braces of its wordings."""
        return frozenset(slots_of(self.wordings[0]))

    @property
    def key(self) -> tuple[str, frozenset[str]]:
        """Returns what makes it another question than others: its type and the names in braces."""
        return self.question_type, self.slots


@dataclass(frozen=True)
class TaughtQuestions:
    """Holds all that a model was taught.

    Attributes:
        questions: those of known types in the order of the families.
        labels: names of the sounds, alphabetical.
        most_sources: most sources of a recording of training; None if it is not known.
        level_dbfs_at_1m: level that a source 1 m in front of the listener had in training without a room, as the mean power
            over both ears in dB relative to full scale; None if it is not known.
    """

    questions: tuple[TaughtQuestion, ...]
    labels: tuple[str, ...]
    most_sources: int | None = None
    level_dbfs_at_1m: float | None = None

    def of_types(self, question_types: Sequence[str]) -> Iterator[TaughtQuestion]:
        """Yields the questions of these types, in the order of the types."""
        for wanted in question_types:
            yield from (question for question in self.questions if question.question_type == wanted)

    def to_text(self) -> str:
        """Returns the file: indented JSON with the most general first."""
        value = {
            "about": _ABOUT,
            "version": VERSION,
            "most_sources": self.most_sources,
            "level_dbfs_at_1m": self.level_dbfs_at_1m,
            "labels": list(self.labels),
            "questions": [_listed(question) for question in self.questions],
        }
        return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def merged(first: TaughtQuestions | None, second: TaughtQuestions | None) -> TaughtQuestions | None:
    """Returns what a model was taught by one run after another; None stands for nothing known.

    What earlier training taught stays listed: it is not known how much of it a later run on other questions has worn off.
    """
    if first is None or second is None:
        return first or second
    questions = {question.key: question for question in first.questions}
    for question in second.questions:
        old = questions.get(question.key)
        questions[question.key] = question if old is None else _joined(old, question)
    counts = [count for count in (first.most_sources, second.most_sources) if count is not None]
    labels = tuple(sorted({*first.labels, *second.labels}))
    level = second.level_dbfs_at_1m if first.level_dbfs_at_1m in (None, second.level_dbfs_at_1m) else first.level_dbfs_at_1m
    return TaughtQuestions(tuple(questions.values()), labels, max(counts, default=None), level)


def taught_from_dict(value: Mapping[str, Any], where: str) -> TaughtQuestions:
    """Returns what the file at `where` says.

    Raises:
        CheckpointError: it was written by a later version, a field is missing, unknown or of another kind, a wording has
            other names in braces than the first one of its question, or there is no question.
    """
    version = value.get("version")
    if isinstance(version, int) and version > VERSION:
        raise CheckpointError(f"{where}: version {version}, this library reads {VERSION}: upgrade it (pip install -U).")
    names = {"about", "version", "most_sources", "level_dbfs_at_1m", "labels", "questions"}
    if version != VERSION or set(value) != names:
        wrong = sorted(map(str, names.symmetric_difference(value))) or ["version"]
        raise CheckpointError(f"{where}: {', '.join(wrong)} is missing, unknown or not {VERSION}; write the file again.")
    labels, questions = value["labels"], value["questions"]
    most, level = value["most_sources"], value["level_dbfs_at_1m"]
    _require(_texts(labels), where, "labels", "a list of texts")
    _require(most is None or (type(most) is int and most >= 1), where, "most_sources", "a whole number or null")
    _require(level is None or type(level) in (int, float), where, "level_dbfs_at_1m", "a number or null")
    _require(isinstance(questions, list) and questions, where, "questions", "a list of questions")
    read = tuple(_question(each, f"{where}: questions[{index}]") for index, each in enumerate(questions))
    return TaughtQuestions(read, tuple(labels), most, None if level is None else float(level))


def _listed(question: TaughtQuestion) -> dict[str, Any]:
    words = {name: list(phrases) for name, phrases in question.words.items()}
    return {each.name: getattr(question, each.name) for each in fields(question)} | {
        "wordings": list(question.wordings),
        "words": words,
        "ranges": {name: list(ends) for name, ends in question.ranges.items()},
    }


def _question(value: Any, where: str) -> TaughtQuestion:
    names = {each.name for each in fields(TaughtQuestion)}
    _require(isinstance(value, dict) and set(value) == names, where, "it", f"an object of {', '.join(sorted(names))}")
    for name in ("question_type", "value", "convention", "question", "answer"):
        _require(isinstance(value[name], str), where, name, "a text")
    _require(_texts(value["wordings"]) and value["wordings"], where, "wordings", "a list of texts")
    words = value["words"]
    _require(isinstance(words, dict) and all(map(_texts, words.values())), where, "words", "lists of texts by name")
    ranges = value["ranges"]
    _require(isinstance(ranges, dict) and all(map(_is_range, ranges.values())), where, "ranges", "[least, greatest] by name")
    wordings = tuple(value["wordings"])
    wrong = [wording for wording in wordings if sorted(slots_of(wording)) != sorted(slots_of(wordings[0]))]
    _require(not wrong, where, f"the wording {wrong[:1]}", f"the names in braces of {wordings[0]!r}")
    tuples = {name: {key: tuple(item) for key, item in value[name].items()} for name in ("words", "ranges")}
    return TaughtQuestion(**(value | tuples | {"wordings": wordings}))


def _joined(old: TaughtQuestion, new: TaughtQuestion) -> TaughtQuestion:
    words = {name: _union(old.words.get(name, ()), new.words.get(name, ())) for name in [*old.words, *new.words]}
    ranges = dict(old.ranges)
    for name, (low, high) in new.ranges.items():
        before = ranges.get(name, (low, high))
        ranges[name] = (min(low, before[0]), max(high, before[1]))
    wordings, convention = _union(old.wordings, new.wordings), old.convention or new.convention
    return replace(old, wordings=wordings, words=words, ranges=ranges, convention=convention)


def _union(first: Sequence[str], second: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*first, *second]))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and item for item in value)


def _is_range(value: Any) -> bool:
    numbers = isinstance(value, list) and all(type(end) in (int, float) for end in value)
    return numbers and len(value) == 2 and value[0] <= value[1]


def _require(right: Any, where: str, name: str, expected: str) -> None:
    if not right:
        raise CheckpointError(f"{where}: {name} is not as expected ({expected}); write the file again.")
