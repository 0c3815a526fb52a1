"""Finds the taught question that is nearest to a text, and says how near it is."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import log
from typing import Literal

from spatial_llm.questions.matching.asides import with_aside, without_aside
from spatial_llm.questions.matching.facts import Sense
from spatial_llm.questions.matching.filling import any_fill, filled
from spatial_llm.questions.matching.labels import LabelFinder
from spatial_llm.questions.matching.plain import normalized
from spatial_llm.questions.matching.reading import Reading, read_question
from spatial_llm.questions.matching.senses import KNOWN_TYPES, sense_of
from spatial_llm.questions.taught import SOUNDS, TaughtQuestion, TaughtQuestions

NEAR = 0.5  # from this similarity on, a text has the meaning of the taught question
_WIDER_PLACE = "the model is asked for the whole place, which holds what the question is about"
_WIDER = {"COUNT_SOURCES": "every source is counted, also those of one kind"}
_OWN_NEAR, _OWN_APART = 0.8, 0.1  # of wordings of no family, which are compared by their words alone
_SHOWN = 40  # most sounds in a sentence
_AXIS_WORDS = "(?:left|right), (?:front|behind), (?:above|below)"
_METERS = r"\d+(?:\.\d+)? meters?"


@dataclass(frozen=True)
class Match:
    """Holds what was found for a text.

    Attributes:
        text: as it was given.
        outcome: "exact": it is a taught wording; "mapped": it has the meaning of one; "far": of none that is sure.
        taught: the nearest taught wording, filled in; None if there is none that could be filled.
        question_type: its question type; "" without one.
        similarity: 1 for a taught wording; from 0.5 (`NEAR`) on the meaning is the same, and what is above counts common
            words; below 0.5 the meaning is another one, or not understood.
        notes: what whoever asks should know: how words were understood, how the answer counts.
        problem: why it is far, as a sentence; "" otherwise.
        unknown: names that stand where sounds stand, and are none that the model knows.
        missing: what the question lacks.
    """

    text: str
    outcome: Literal["exact", "mapped", "far"]
    taught: str | None
    question_type: str
    similarity: float
    notes: tuple[str, ...] = ()
    problem: str = ""
    unknown: tuple[str, ...] = ()
    missing: str = ""

    @property
    def asked(self) -> str:
        """Returns what is put to the model: the taught wording of the same meaning, otherwise the text."""
        return self.taught if self.outcome == "mapped" and self.taught is not None else self.text


class QuestionMatcher:
    """Finds taught questions.

    Args:
        taught: what the model was taught.
    """

    def __init__(self, taught: TaughtQuestions) -> None:
        self.taught = taught
        self.finder = LabelFinder(taught.labels)

    def match(self, text: str) -> Match:
        """Returns the nearest taught question. A text is mapped only to a question of the same meaning: where two are
        equally near, a word is not understood, or a sound is not known, it is far."""
        if found := self._exact(text):
            return Match(text, "exact", text, found.question_type, 1.0)
        asked, aside = without_aside(self._without_conventions(text))
        reading = read_question(asked, self.finder)
        sense = sense_of(reading)
        clear = not (reading.unknown or reading.strange or reading.ambiguous)
        if clear and sense is not None and not sense.missing:
            for types, is_wider in ((sense.types, False), (sense.wider, True)):
                for question in self.taught.of_types(with_aside(types, aside)):
                    fill = filled(question, sense)
                    if fill is not None:
                        return self._mapped(text, reading, question, fill, is_wider)
        return self._own(text, reading) or self._far(text, reading, sense)

    def _mapped(
        self, text: str, reading: Reading, question: TaughtQuestion, fill: Mapping[str, str], is_wider: bool
    ) -> Match:
        wordings = [wording.format(**fill) for wording in question.wordings]
        same = [wording for wording in wordings if _bare(wording) == _bare(text)]
        similarity = 1.0 if same else NEAR + NEAR * max(self._likeness(reading, each) for each in question.wordings)
        notes = [f"{word!r} is taken for the sound {label!r}" for word, label in reading.taken.items()]
        if is_wider:
            notes.append(_WIDER.get(question.question_type, _WIDER_PLACE))
        asked = same[0] if same else wordings[0]
        if question.convention and question.convention not in text + asked:
            notes.append(question.convention.rstrip("."))
        return Match(text, "mapped", asked, question.question_type, round(min(similarity, 1.0), 3), tuple(notes))

    def _exact(self, text: str) -> TaughtQuestion | None:
        return next((question for pattern, question in self._patterns if pattern.fullmatch(text)), None)

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], TaughtQuestion]]:
        """Returns patterns of all taught wordings, filled in with anything that training may have filled in; the groups of a
        pattern are the sounds."""
        labels = "|".join(re.escape(label) for label in self.taught.labels) or r"(?!)"
        found = []
        for question in self.taught.questions:
            slots = dict.fromkeys(SOUNDS, f"({labels})") | {
                "place": _AXIS_WORDS,
                "distance": _METERS,
                "time": r"\d+(?:\.\d+)? s",
                "first": f"{_AXIS_WORDS}, {_METERS} away",
                "second": f"{_AXIS_WORDS}, {_METERS} away",
            }
            slots |= {name: f"(?:{'|'.join(map(re.escape, words))})" for name, words in question.words.items()}
            for wording in question.wordings:
                parts = re.split(r"\{(\w+)\}", wording)
                pattern = "".join(slots.get(part, "(?!)") if i % 2 else re.escape(part) for i, part in enumerate(parts))
                found.append((re.compile(pattern), question))
        return found

    def named(self, asked: str) -> list[str]:
        """Returns the sounds that stand in a question where its taught wording has one, in order, each once; none of one in
        no taught wording."""
        found = next(filter(None, (pattern.fullmatch(asked) for pattern, _ in self._patterns)), None)
        return [] if found is None else list(dict.fromkeys(filter(None, found.groups())))

    # --- likeness by words -----------------------------------------------------------------------------------------------

    @cached_property
    def _wordings(self) -> dict[str, frozenset[str]]:
        """Returns the words of each taught wording, see `_items`."""
        texts = [wording for question in self.taught.questions for wording in question.wordings]
        blank = LabelFinder(())
        return {
            text: _items(read_question(self._without_conventions(re.sub(r"\{\w+\}", ",", text)), blank)) for text in texts
        }

    @cached_property
    def _weights(self) -> dict[str, float]:
        """Returns the weight of each word: the rarer among the taught wordings, the greater."""
        counts = Counter(item for items in self._wordings.values() for item in items)
        return {item: log(1 + len(self._wordings) / count) for item, count in counts.items()}

    def _likeness(self, reading: Reading, wording: str) -> float:
        """Returns the share of words that a question has in common with a taught wording, 0 to 1 (Dice, weighted)."""
        first, second = _items(reading), self._wordings[wording]
        most = max(self._weights.values(), default=1.0)

        def total(items: frozenset[str]) -> float:
            return sum(self._weights.get(item, most) for item in items)

        return 2 * total(first & second) / (total(first) + total(second) or 1.0)

    def _without_conventions(self, text: str) -> str:
        for convention in {question.convention for question in self.taught.questions} - {""}:
            text = text.replace(convention, "")
        return text

    def _own(self, text: str, reading: Reading) -> Match | None:
        """Returns a question in wordings of no family that has nearly the same words, if only one has."""
        ranked = sorted(self._ranked(reading, own=True), key=lambda each: -each[0])
        if not ranked or ranked[0][0] < _OWN_NEAR or "NOT" in reading.words:
            return None
        likeness, question, wording = ranked[0]
        if any(other is not question and likeness - score < _OWN_APART for score, other, _ in ranked[1:]):
            return None
        return Match(text, "mapped", wording, question.question_type, round(NEAR + NEAR * likeness, 3))

    def _ranked(self, reading: Reading, own: bool) -> Iterator[tuple[float, TaughtQuestion, str]]:
        for question in self.taught.questions:
            if own and question.question_type in KNOWN_TYPES:
                continue
            if not own or question.slots == frozenset(SOUNDS[: len(reading.labels)]):
                fill = any_fill(question, reading)
                for wording in question.wordings:
                    yield self._likeness(reading, wording), question, wording.format(**fill)

    # --- what is far -----------------------------------------------------------------------------------------------------

    def _far(self, text: str, reading: Reading, sense: Sense | None) -> Match:
        if reading.unknown:  # what would it ask if the model knew these sounds?
            finder = LabelFinder((*self.taught.labels, *reading.unknown))
            sense = sense_of(read_question(self._without_conventions(text), finder))
        wanted = () if sense is None else (*sense.types, *sense.wider)
        meant = next(self.taught.of_types(wanted), None)
        ranked = [each for each in self._ranked(reading, own=False) if meant is None or each[1].key == meant.key]
        likeness, question, wording = max(ranked, key=lambda each: each[0])
        similarity = round(min(NEAR * likeness * reading.share_known, NEAR - 0.001), 3)
        problem, missing = self._problem(reading, sense, meant)
        return Match(
            text, "far", wording, question.question_type, similarity, (), problem, tuple(reading.unknown), missing
        )  # fmt: skip

    def _problem(self, reading: Reading, sense: Sense | None, meant: TaughtQuestion | None) -> tuple[str, str]:
        """Returns why a question is far, as a sentence without its end, and what it lacks."""
        if reading.unknown and sense is not None:
            names = ", ".join(map(repr, reading.unknown))
            return f"the model does not know the sound {names}; it knows {self.known_sounds()}", ""
        if reading.ambiguous:
            name, labels = next(iter(reading.ambiguous.items()))
            return (
                f"{name!r} may mean {' or '.join(map(repr, labels))}: use the name of the one that is meant",
                "which sound",
            )
        if reading.unknown or reading.strange:
            words = ", ".join(map(repr, [*reading.unknown, *reading.strange]))
            return f"the words {words} are in no question that the model was taught", ""
        if "NOT" in reading.words:
            return "a question that says what is not so may be taken for its opposite", ""
        if sense is not None and sense.missing and meant is not None:
            return f"the question does not say {sense.missing}", sense.missing
        if sense is not None and meant is not None:
            return "the model was taught this kind of question with other sides, turns or numbers only", ""
        return "the model was not taught this kind of question", ""

    def known_sounds(self) -> str:
        """Returns the sounds that the model knows, in one line."""
        labels = self.taught.labels
        return "; ".join(labels[:_SHOWN]) + (f"; and {len(labels) - _SHOWN} more" if len(labels) > _SHOWN else "")


@lru_cache(maxsize=4096)
def _bare(text: str) -> str:
    """Returns a text without what does not matter: capitals, punctuation, contractions."""
    return " ".join(re.sub(r"[,?]", " ", normalized(text)).split())


def _items(reading: Reading) -> frozenset[str]:
    """Returns the words of a question without sounds, sides and numbers; words of one meaning count as one."""
    spoken = (token for token in reading.pieces if token.kind in ("word", "filler", "unknown"))
    return frozenset(token.value if token.kind == "word" else token.text for token in spoken)
