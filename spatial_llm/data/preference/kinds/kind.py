"""Defines a kind of pair: how the rejected answer differs from the chosen one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from spatial_llm.answers.closeness import is_right
from spatial_llm.answers.kind import Value
from spatial_llm.data.record import Record
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.types import VALUE_KINDS, parse_value

# Declines in words that no parser reads as a value.
DOUBTS = (
    "I cannot tell from this recording.",
    "That cannot be determined from this recording.",
    "I do not know: this recording does not tell.",
)


@dataclass(frozen=True)
class Given:
    """Holds what is known about one question.

    Attributes:
        record: the question, its answer and its recording.
        value: value of the true answer.
        source: the one source that it is about, as the question places it (after a turn, turned); None if there are several
            or its place is not known.
        sources: all sources of the recording; None for one whose place is not known.
        beside: all questions about the recording, with their answers.
        elsewhere: the answers to questions of this type about all recordings, each once.
        level_is_known: whether recordings have the level of training, on which distances rest.
        rng: draws what can be chosen.
    """

    record: Record
    value: Value
    source: HeardSource | None
    sources: Sequence[HeardSource | None]
    beside: Sequence[tuple[str, str]]
    elsewhere: Sequence[str]
    level_is_known: bool
    rng: np.random.Generator

    @property
    def answer_kind(self) -> str:
        """Returns the kind of value that answers the question, a key of `answers.KINDS`."""
        return VALUE_KINDS[self.record.question_type]

    def pick(self, options: Sequence) -> object:
        """Returns one of the options, each with the same probability."""
        return options[int(self.rng.integers(len(options)))]

    def wrong(self, value: Value) -> bool:
        """Returns whether a value is wrong, beyond the tolerance of its kind."""
        return not is_right(self.answer_kind, value, self.value)

    def confident_elsewhere(self) -> list[str]:
        """Returns the answers of other recordings that are wrong about this one."""
        found = [(text, parse_value(self.record.question_type, text)) for text in self.elsewhere]
        return [text for text, value in found if value is not None and self.wrong(value)]


@dataclass(frozen=True)
class Draft:
    """Holds the answers of a pair that may be written.

    Attributes:
        chosen, rejected: values, written as answers; or texts as they are.
        way: what is preferred over what, of which the opposite is kept as often, so that no word is preferred as such.
            None where nothing can be preferred as such.
    """

    chosen: Value | str
    rejected: Value | str
    way: tuple[str, str] | None = None


@dataclass(frozen=True)
class PairKind:
    """Defines one kind.

    Attributes:
        name: its name in `KINDS` and in files.
        says: what is rejected, in words.
        make: maps what is known of a question to a pair; None where the kind does not apply.
        as_often_as: names of kinds, of which there are at least as many pairs together for each question type; none: no such
            bound.
        of_unknown: whether it is of questions whose true answer may be that it cannot be told, and of no others.
    """

    name: str
    says: str
    make: Callable[[Given], Draft | None]
    as_often_as: tuple[str, ...] = ()
    of_unknown: bool = False


def flipped(given: Given, value: Value) -> Draft | None:
    """Returns the pair of the true value and one on the other side; None if that one is right as well."""
    return Draft(given.value, value, way_of(given.value, value)) if given.wrong(value) else None


def way_of(chosen: Value, rejected: Value) -> tuple[str, str] | None:
    """Returns what a value prefers over another one: a word over its opposite, yes over no, a side, far over near."""
    if "yes" in chosen:
        return tuple("yes" if one["yes"] else "no" for one in (chosen, rejected))
    for axis in ("left_right", "front_behind", "above_below"):
        if axis in chosen and chosen[axis] != rejected[axis]:
            return chosen[axis], rejected[axis]
    if "motion" in chosen:
        return chosen["motion"], rejected["motion"]
    if "azimuth_deg" in chosen:
        return tuple(_quarter(one["azimuth_deg"]) for one in (chosen, rejected))
    if "clock_hour" in chosen:
        return tuple(_quarter(-30.0 * one["clock_hour"]) for one in (chosen, rejected))
    for name in ("distance_m", "elevation_deg"):
        if name in chosen:
            return ("more", "less") if chosen[name] > rejected[name] else ("less", "more")
    return None


def _quarter(azimuth_deg: float) -> str:
    side = "left" if np.sin(np.deg2rad(azimuth_deg)) > 0 else "right"
    return f"{side}, {'front' if np.cos(np.deg2rad(azimuth_deg)) > 0 else 'behind'}"
