"""The items of a report: items.jsonl as typed rows, the direction of each answer, and the worst items.

Note: in the plots an answer in direction words is drawn at the middle of its quarter of the circle. Answers to "rotated"
questions (where would it be if you turned?) are not in the listener's frame and are not drawn.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from spatial_llm.answers import AXES
from spatial_llm.errors import ManifestError
from spatial_llm.geometry import azimuth_of_hour, vector_to_direction
from spatial_llm.jsonl import iter_jsonl
from spatial_llm.questions.types import VALUE_KINDS, format_value, parse_value
from spatial_llm.validation import describe_validation

UNITS = {"deg": "°", "m": " m", "s": " s"}
WORST = 20
OF_ONE_RECORDING = 2
# how many of the worst items are chosen by direction and by distance; the rest are other wrong answers
BY_DIRECTION, BY_DISTANCE = 8, 6
WORST_RULE = (
    f"The {BY_DIRECTION} wrong answers with the largest error of the direction (in words: to the nearest point of the "
    f"octant named; in degrees: the great circle), then the {BY_DISTANCE} wrong ones with the largest error of the "
    "distance, then other wrong answers, one of each question type in turn, those of the type with the lowest share of "
    "right answers first, unreadable before readable ones. Where there are fewer of one kind, there are more of the others; "
    f"{WORST} in all, at most {OF_ONE_RECORDING} of one recording; equal errors in the order of the questions."
)


@dataclass(frozen=True)
class Place:
    """Where a source is, from the listener; None where the record does not tell."""

    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    distance_m: float | None = None


@dataclass(frozen=True)
class Context:
    """Known facts about the recording: number of sources, room, noise, classes; None where the record does not tell."""

    sources: int | None = None
    rt60_s: float | None = None
    drr_db: float | None = None
    snr_db: float | None = None
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoredItem:
    """One line of items.jsonl: a question, its true and its predicted answer, and the scores. `reading` is the reported
    reading."""

    id: str
    recording_id: str
    type: str
    question_type: str
    question: str
    answer: str
    prediction: str
    strict: dict[str, Any] | None
    lenient: dict[str, Any] | None
    refused: bool
    measures: dict[str, float | None]
    where: Place | None
    context: Context
    reading: Literal["strict", "lenient"] = "strict"

    @property
    def said(self) -> dict[str, Any] | None:
        """Returns the value of the predicted answer in the reported reading."""
        return self.lenient if self.reading == "lenient" else self.strict

    def measure(self, name: str) -> float | None:
        """Returns one measure, or None where it does not apply."""
        return self.measures.get(name)

    @property
    def truth(self) -> dict[str, Any]:
        """Returns the value of the true answer; {} if it is unparsed, and for a benchmark of others, whose answer is an
        option."""
        known = self.question_type in VALUE_KINDS
        return (parse_value(self.question_type, self.answer) if known else None) or {}

    @property
    def wrong(self) -> bool:
        """Returns True if the main metric of its question type counts it as wrong."""
        return self.measure("right") == 0

    def azimuth_of(self, value: dict[str, Any] | None) -> float | None:
        """Returns the azimuth, degrees, to which a value of this item points in the listener's frame; None if it points
        nowhere."""
        return None if self.type == "rotated" else azimuth_of(value)


for _kind in (Place, Context, ScoredItem):
    # the report ignores fields that a later scorer adds
    _kind.__pydantic_config__ = ConfigDict(extra="ignore", allow_inf_nan=False)
_ADAPTER = TypeAdapter(ScoredItem)


def read_scored_items(path: str | Path, reading: str = "strict") -> list[ScoredItem]:
    """Reads the lines of items.jsonl, in order, for a report on one reading.

    Raises:
        ManifestError: a line is cut, lacks a field or has one of another type, an id occurs twice, or there is no line;
            file, line and field are named.
    """
    path, items = Path(path), []
    for number, line in iter_jsonl(path):
        try:
            items.append(_ADAPTER.validate_json(json.dumps(line | {"reading": reading})))
        except ValidationError as error:
            raise ManifestError(f"{path}:{number}: {describe_validation(error)}; expected a line of score.") from None
    double = [id for id, count in Counter(item.id for item in items).items() if count > 1]
    if double or not items:
        what = f"id {double[0]!r} stands twice" if double else "holds no item"
        raise ManifestError(f"{path}: {what}; run score again.")
    return items


def azimuth_of(value: dict[str, Any] | None) -> float | None:
    """Returns the azimuth of a value (see `answers.read`) in degrees: given in degrees, on the clock, or as the middle of
    the quarter that its words name. None if it has none."""
    value = value or {}
    if "azimuth_deg" in value:
        return float(value["azimuth_deg"])
    if "clock_hour" in value:
        return azimuth_of_hour(value["clock_hour"])
    if "left_right" in value and "front_behind" in value:
        signs = [1.0 if value[axis] == AXES[axis][0] else -1.0 for axis in ("front_behind", "left_right")]
        return float(vector_to_direction([*signs, 0.0])[0])
    return None


def worst_items(items: Sequence[ScoredItem]) -> list[tuple[str, ScoredItem]]:
    """Returns the worst items with the reason each was chosen for, by `WORST_RULE`."""
    wrong = [item for item in items if item.wrong]
    chosen: dict[str, tuple[str, ScoredItem]] = {}
    taken = Counter()

    def take(candidates: Iterator[ScoredItem] | list[ScoredItem], upto: int, reason: Callable[[ScoredItem], str]) -> None:
        for item in candidates:
            if len(chosen) >= upto:
                return
            if item.id not in chosen and taken[item.recording_id] < OF_ONE_RECORDING:
                chosen[item.id] = (reason(item), item)
                taken[item.recording_id] += 1

    by_direction = _largest(wrong, direction_error_deg)
    by_distance = _largest(wrong, lambda item: item.measure("distance_error_m"))
    take(by_direction, BY_DIRECTION, _direction_reason)
    take(by_distance, BY_DIRECTION + BY_DISTANCE, _distance_reason)
    located = {item.id for item in [*by_direction, *by_distance]}
    take(_in_turn(items, [item for item in wrong if item.id not in located]), WORST, _other_reason)
    # too few others: more of the first two kinds
    take(by_direction, WORST, _direction_reason)
    take(by_distance, WORST, _distance_reason)
    return list(chosen.values())


def direction_error_deg(item: ScoredItem) -> float | None:
    """Returns the error of a direction by the measure of its form: words, or else degrees; None where it has neither."""
    in_words = item.measure("region_distance_deg")
    return item.measure("great_circle_deg") if in_words is None else in_words


def _largest(items: Sequence[ScoredItem], error: Callable[[ScoredItem], float | None]) -> list[ScoredItem]:
    return sorted((item for item in items if error(item)), key=lambda item: -abs(error(item)))


def _in_turn(items: Sequence[ScoredItem], wrong: Sequence[ScoredItem]) -> Iterator[ScoredItem]:
    """Yields wrong items, one of each question type in turn, starting with the type with the lowest share of right
    answers."""
    right = defaultdict(list)
    for item in items:
        if item.measure("right") is not None:
            right[item.question_type].append(item.measure("right"))
    order = sorted(right, key=lambda name: (sum(right[name]) / len(right[name]), name))
    queues = {name: [] for name in order}
    for item in sorted(wrong, key=lambda item: item.said is not None):
        queues[item.question_type].append(item)
    for turn in range(max(map(len, queues.values()), default=0)):
        yield from (queues[name][turn] for name in order if turn < len(queues[name]))


def _direction_reason(item: ScoredItem) -> str:
    return f"direction {direction_error_deg(item):.0f}° off"


def _distance_reason(item: ScoredItem) -> str:
    return f"distance {abs(item.measure('distance_error_m')):.1f} m off"


def _other_reason(item: ScoredItem) -> str:
    return "refused to answer" if item.refused else "answer cannot be read" if item.said is None else "wrong answer"


@dataclass(frozen=True)
class ShownItem:
    """One of the worst items as the report shows it; names are those of files beside the page, or data URIs.

    Attributes:
        number, reason: its rank and why it was chosen.
        audio: None where the recording could not be made, or is not binaural.
        plan, plan_alt: picture from above and its description in words; None where nothing is known to draw.
        sources: sources of its scene, in words, in the order of their numbers in the picture.
        no_audio: why there is no audio.
    """

    number: int
    reason: str
    item: ScoredItem
    audio: str | None
    plan: str | None
    plan_alt: str
    sources: tuple[str, ...]
    no_audio: str = "The recording could not be made where this report was written."


def context_line(item: ScoredItem) -> str:
    """Formats what is known of the recording, in one line."""
    known = item.context
    parts = [f"Recording {item.recording_id}"]
    if known.sources is not None:
        parts.append(f"{known.sources} source{'s' if known.sources != 1 else ''}")
    for name, value, form in (("RT60", known.rt60_s, ".2f"), ("DRR", known.drr_db, ".1f"), ("SNR", known.snr_db, ".1f")):
        if value is not None:
            parts.append(f"{name} {value:{form}} {'s' if name == 'RT60' else 'dB'}")
    return ", ".join(parts)


def errors_line(item: ScoredItem) -> str:
    """Formats the errors in degrees, metres and seconds that were measured on an item, in one line."""
    parts = []
    for name, value in sorted(item.measures.items()):
        stem, _, unit = name.rpartition("_")
        if value is not None and unit in UNITS:
            parts.append(f"{stem.removesuffix('_error').replace('_', ' ')} {value:.1f}{UNITS[unit]}")
    return ", ".join(parts)


def reading_line(item: ScoredItem) -> str:
    """States how the answer was read, where that is not obvious."""
    if item.said is None:
        lenient = "" if item.lenient is None else f"; leniently {json.dumps(item.lenient, ensure_ascii=False)}"
        return f"cannot be read{lenient}"
    known = item.question_type in VALUE_KINDS
    plain = format_value(item.question_type, item.said) if known else "; ".join(map(str, item.said.values()))
    return "" if _bare(plain) == _bare(item.prediction) else json.dumps(item.said, ensure_ascii=False)


def _bare(text: str) -> str:
    return "".join(text.lower().split())


def place_words(where: Place) -> str:
    """Formats a place in numbers: "+30° azimuth, -5° elevation, 2.0 m", as far as it is known."""
    parts = [
        f"{value:+.0f}° {name}"
        for name, value in (("azimuth", where.azimuth_deg), ("elevation", where.elevation_deg))
        if value is not None
    ]
    return ", ".join([*parts, *([] if where.distance_m is None else [f"{where.distance_m:.1f} m"])]) or "not known"
