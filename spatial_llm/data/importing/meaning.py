"""Finds what a question of a table asks, and whether its answer agrees with what the row says of the sound.

A question in one of the wordings of `questions.families` has their type if its answer reads as a value of it. One in other
words has a type if its answer is the value that the row's own columns give: "Which way is the door?" with the answer "40
degrees" and the azimuth 40. All others are free questions, type "open".
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from spatial_llm import answers
from spatial_llm.data.importing.table import Row
from spatial_llm.data.record import Known
from spatial_llm.errors import ManifestError
from spatial_llm.geometry import clock_hour
from spatial_llm.prompts import AUDIO_TOKEN
from spatial_llm.questions.about import AXIS_OF_SIDE, About, places_apart
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.families.own import OPEN
from spatial_llm.questions.families.rotated import TURNS_DEG
from spatial_llm.questions.recognising import Recognised, recognise
from spatial_llm.questions.types import QUESTION_TYPES, VALUE_KINDS, format_value, parse_value

# Questions whose answer is the place of the sound that the row describes, and the parts of a place that an answer may give.
_OF_PLACE = (
    "DOA", "MIXUP_SINGLE_DOA", "ABSENT", "AZIMUTH_DEG", "AZIMUTH_CLOCK", "ELEVATION_DEG", "DISTANCE", "ROTATED",
    "ROTATED_AZIMUTH",
)  # fmt: skip
_PARTS = {
    "azimuth": ("left_right", "front_behind", "azimuth_deg", "clock_hour"),
    "elevation": ("above_below", "elevation_deg"),
    "distance": ("distance_m",),
}
_COLUMN_OF = {part: column for column, parts in _PARTS.items() for part in parts}
_CLEAR_DEG = 1.0  # nearer to a plane, a rounded azimuth does not tell the side
# Types that an answer alone may show, if the row says the same.
_BY_ANSWER = ("CLASSIFICATION", "DOA", "AZIMUTH_DEG", "AZIMUTH_CLOCK", "ELEVATION_DEG", "DISTANCE")


@dataclass(frozen=True)
class Meaning:
    """Holds the fields of a record that say what is asked and answered; `note` warns of a question in a known wording whose
    answer is no value."""

    question_type: str
    answer: str
    truth: dict[str, Any]
    about: About | None = None
    note: str | None = None

    @property
    def type(self) -> str:
        """Returns the type of the record."""
        return QUESTION_TYPES[self.question_type]


def known_of(row: Row) -> Known | None:
    """Returns what a row says of its recording; None if nothing. Raises ManifestError on numbers out of range."""
    label = row.text("label")
    labels = answers.parse_labels(label) if label else None
    if label and labels is None:
        raise row.error(f"label is {label!r}; expected the name of a sound, or several with '; ' between them", label="bell")
    azimuth_deg = row.number("azimuth")
    known = Known(
        tuple(labels) if labels else None,
        180.0 if azimuth_deg == -180 else azimuth_deg,
        row.number("elevation"),
        row.number("distance"),
        row.text("recording") or None,
        row.text("room") or None,
    )
    return None if known == Known() else known


def meaning_of(row: Row, known: Known | None) -> Meaning:
    """Returns what a row asks and answers; `known`: what it says of its recording, see `known_of`.

    A question in a known wording whose answer is no value of its type is a free one, with a note.

    Raises:
        ManifestError: question or answer is empty or holds the placeholder of a recording, or the answer contradicts the
            row's label or place.
    """
    question, answer = _texts(row)
    known = known or Known()
    recognised = recognise(question)
    for each in recognised:
        value = _value(each.question_type, answer, known.labels)
        if value is not None:
            about = _about(row, each, value, known)
            return Meaning(each.question_type, format_value(each.question_type, value), value, about)
    if recognised:
        return replace(_open(answer), note=_note(row, recognised[0]))
    found = [each for name in _BY_ANSWER if (each := _by_answer(name, answer, known)) is not None]
    return found[0] if len(found) == 1 else _open(answer)


def _texts(row: Row) -> tuple[str, str]:
    texts = row.text("question"), row.text("answer")
    for column, text, example in zip(("question", "answer"), texts, ("What is this?", "a kettle"), strict=True):
        if not text:
            raise row.error(f"{column} is empty; expected a text", **{column: example})
        if AUDIO_TOKEN in text:
            right = " ".join(text.replace(AUDIO_TOKEN, " ").split()) or example
            raise row.error(
                f"{column} holds {AUDIO_TOKEN!r}, which only the processor may put into a prompt; leave it out",
                **{column: right},
            )
    return texts


def _open(answer: str) -> Meaning:
    return Meaning(OPEN, answer, parse_value(OPEN, answer))


def _value(question_type: str, answer: str, labels: Collection[str] | None) -> dict[str, Any] | None:
    """Returns the value of an answer, read strictly, or else leniently; None if neither reads it. Strictly, any text is the
    name of a sound; so a name counts only if both readings agree, or the lenient one finds the row's own label. What
    declines to answer is no value: scoring would never count it as right."""
    if answers.is_refusal(answer):
        return None
    strict, lenient = (parse_value(question_type, answer, reading) for reading in ("strict", "lenient"))
    if VALUE_KINDS[question_type] not in ("labels", "order"):
        return strict or lenient
    if strict == lenient:
        return strict
    found = parse_value(question_type, answer, "lenient", labels)
    return found if labels and found == {"labels": sorted(labels)} else None


def _about(row: Row, asked: Recognised, value: dict[str, Any], known: Known) -> About | None:
    """Returns what a question is about, None if that is left to the reader of the record; the answer is compared with the
    row first."""
    name, words = asked.question_type, asked.words
    is_own = "x" not in words or known.labels is None or words["x"] in known.labels
    if name == "CLASSIFICATION" and known.labels is not None and set(value["labels"]) != set(known.labels):
        raise _contradiction(row, f"label {row.text('label')!r}", answers.format_labels(known.labels))
    denied = "absent" in value or value == {"yes": False}
    if name in ("PRESENT", "ABSENT") and denied and is_own and known.labels is not None:
        right = "Yes" if name == "PRESENT" else _EXAMPLES["location"]
        raise _contradiction(row, f"label {row.text('label')!r}", right)
    if name == "WRONG_PLACE" and is_own:
        _check_side(row, words["side"], value["yes"], known)
    if name not in _OF_PLACE or "absent" in value or not known.sources:
        return None
    if not is_own:
        return About()
    turn_deg = TURNS_DEG[words["turn"]] if "turn" in words else 0.0
    source = _source(known, turn_deg)
    wrong = places_apart(_of_columns(value, known), source)
    if wrong:
        columns = dict.fromkeys(_COLUMN_OF[part] for part in wrong)
        said = " and ".join(f"{column} {row.text(column)}" for column in columns)
        right = {**value, **{part: _true_part(name, part, source) for part in wrong}}
        raise _contradiction(row, said, format_value(name, right))
    return About((0,), turn_deg=turn_deg)


def _check_side(row: Row, words: str, yes: bool, known: Known) -> None:
    """Compares "Is the bell on your left?" with the row; `words`: "on your left"."""
    side = next(word for word in AXIS_OF_SIDE if word in words)
    axis = AXIS_OF_SIDE[side]
    column, source = _COLUMN_OF[axis], _source(known)
    if getattr(known, _FIELD_OF[column]) is not None and source.is_clear(axis, _CLEAR_DEG):
        true = source.word(axis) == side
        if yes != true:
            raise _contradiction(row, f"{column} {row.text(column)}", answers.format_yes_no(true))


_FIELD_OF = {"azimuth": "azimuth_deg", "elevation": "elevation_deg", "distance": "distance_m"}


def _source(known: Known, turn_deg: float = 0.0) -> HeardSource:
    """Returns the sound of a row, straight ahead at 1 m where it does not say; see `_of_columns`."""
    azimuth_deg, elevation_deg, distance_m = known.place
    return HeardSource("", azimuth_deg or 0.0, elevation_deg or 0.0, distance_m or 1.0).after_turn(turn_deg)


def _of_columns(value: dict[str, Any], known: Known) -> dict[str, Any]:
    """Returns the parts of a value that the row's columns tell."""
    told = {part for column, parts in _PARTS.items() if getattr(known, _FIELD_OF[column]) is not None for part in parts}
    return {part: item for part, item in value.items() if part in told}


def _true_part(question_type: str, part: str, source: HeardSource) -> str | float:
    """Returns one part of the place of a source, in the steps in which answers of a question type give it."""
    true = {
        **source.location.to_dict(),
        "azimuth_deg": source.whole_azimuth_deg,
        "elevation_deg": round(source.elevation_deg) + 0.0,
        "clock_hour": clock_hour(source.azimuth_deg),
    }
    return round(source.distance_m, 1) if (question_type, part) == ("DISTANCE", "distance_m") else true[part]


def _contradiction(row: Row, said: str, right: str) -> ManifestError:
    answer = row.text("answer")
    return row.error(f"the answer {answer!r} contradicts the row's own {said}; correct one of them", answer=right)


def _by_answer(question_type: str, answer: str, known: Known) -> Meaning | None:
    """Returns the meaning if the answer, read strictly, is what the row says of its sound in this form; a whole location
    is one also where the row says nothing."""
    value = parse_value(question_type, answer)
    if value is None:
        return None
    if question_type == "CLASSIFICATION":
        agrees = known.labels is not None and set(value["labels"]) == set(known.labels)
    else:
        told = _of_columns(value, known)
        agrees = (told == value or question_type == "DOA") and not places_apart(told, _source(known))
    if not agrees:
        return None
    about = About((0,)) if known.sources else None
    return Meaning(question_type, format_value(question_type, value), value, about)


def _note(row: Row, asked: Recognised) -> str:
    example = _EXAMPLES.get(VALUE_KINDS[asked.question_type])
    hint = f", such as {example!r}," if example else ""
    return (
        f"{row.where}: the answer {row.text('answer')!r} is not of the form{hint} that this question has in training; it is "
        "taught and scored as free text."
    )


_EXAMPLES = {
    "labels": "bell; speech",
    "location": "left, front, above; 2m",
    "location_or_absent": "left, front, above; 2m",
    "azimuth": "40 degrees",
    "elevation": "-10 degrees",
    "clock": "2 o'clock",
    "distance": "2.5m",
    "yes_no": "Yes",
    "direction_word": "left",
    "count": "2",
    "order": "bell; speech",
    "duration": "1.5 s",
    "span": "0.5 to 1.5 s",
    "room_size": "small",
    "reverberation": "dry",
}
