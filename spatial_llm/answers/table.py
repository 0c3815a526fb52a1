"""Which question type belongs to which type, and which kind of value answers it.

The types "A" to "E" and their question types are those of SpatialSoundQA; the other types are ours.
"""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from spatial_llm.answers import names, numbers, places, spans
from spatial_llm.answers.axes import AXIS_OF_WORD, Reading, is_lenient
from spatial_llm.answers.lenient import verdicts
from spatial_llm.answers.places import Location
from spatial_llm.errors import SpatialLLMError

# question_type -> (type, kind of value)
_TABLE = {
    "CLASSIFICATION": ("A", "labels"),
    "DOA": ("B", "location"),
    "MIXUP_SINGLE_CLASSIFICATION": ("C", "labels"),
    "MIXUP_SINGLE_DOA": ("D", "location"),
    "MIXUP_DIRECTION": ("E", "yes_no"),
    "MIXUP_DISTANCE_BOTH": ("E", "yes_no"),
    "MIXUP_NONBINARY_DIRECTION": ("E", "direction_word"),
    "MIXUP_NONBINARY_DISTANCE": ("E", "distance"),
    "MIXUP_NONBINARY_SOURCE": ("E", "labels"),
    "AZIMUTH_DEG": ("azimuth", "azimuth"),
    "AZIMUTH_CLOCK": ("azimuth", "clock"),
    "ELEVATION_DEG": ("elevation", "elevation"),
    "DISTANCE": ("distance", "distance"),
    "COUNT_SOURCES": ("count", "count"),
    "COUNT_CLASSES": ("count", "count"),
    "NEAREST": ("nearest", "labels"),
    "FARTHEST": ("nearest", "labels"),
    "RELATION_LEFT": ("relation", "labels"),
    "RELATION_RIGHT": ("relation", "labels"),
    "RELATION_FRONT": ("relation", "labels"),
    "RELATION_BEHIND": ("relation", "labels"),
    "SAME_CLASS": ("same_class", "locations"),
    "ONSET_FIRST": ("time", "labels"),
    "ONSET_ORDER": ("time", "order"),
    "STARTS_AT": ("time", "labels"),
    "DURATION": ("time", "duration"),
    "SPAN": ("span", "span"),
    "ROOM_RT60": ("room", "rt60_range"),
    "ROOM_SIZE": ("room", "room_size"),
    "ROOM_REVERB": ("room", "reverberation"),
    "ROTATED": ("rotated", "location"),
    "ROTATED_AZIMUTH": ("rotated", "azimuth"),
    "PRESENT": ("negative", "yes_no"),
    "PRESENT_AT_PLACE": ("negative", "yes_no"),
    "ABSENT": ("negative", "location_or_absent"),
    "WRONG_PLACE": ("negative", "yes_no"),
    "SWAPPED": ("negative", "yes_no"),
}
QUESTION_TYPES = {question_type: row[0] for question_type, row in _TABLE.items()}
# The types of options that choose questions by them, as `types: [A, span]`.
QuestionType = Literal[tuple(dict.fromkeys(QUESTION_TYPES.values()))]
VALUE_KINDS = {question_type: row[1] for question_type, row in _TABLE.items()}

# The names that answer "which?" are not those of a text that says the opposite: "the bell is farther" to "which is nearer?".
_FAR, _NEAR = {"far", "farther", "farthest", "further", "furthest"}, {"near", "nearer", "nearest", "closer", "closest"}
_OPPOSITES = {
    "NEAREST": (_NEAR, _FAR), "FARTHEST": (_FAR, _NEAR),
    "RELATION_LEFT": ({"left"}, {"right"}), "RELATION_RIGHT": ({"right"}, {"left"}),
    "RELATION_FRONT": ({"front", "ahead"}, {"behind", "back"}), "RELATION_BEHIND": ({"behind", "back"}, {"front", "ahead"}),
    "ONSET_FIRST": ({"first", "earlier", "earliest"}, {"last", "later", "latest", "second"}),
}  # fmt: skip
_WORD = re.compile(r"\w+")
_NEGATED = {"not", "no", "neither", "nor", "t"}  # t: of "isn't"


def parse_value(
    question_type: str, text: str, reading: Reading = "strict", known: Collection[str] | None = None
) -> dict[str, Any] | None:
    """Answer text to the value a record calls `truth`, by the question type; None if unparsed.

    By kind: labels {"labels": [...]}; location {"left_right", "front_behind", "above_below", "distance_m"}; yes_no {"yes":
    bool}; direction_word one axis as in {"left_right": "left"}; distance {"distance_m": float}; azimuth {"azimuth_deg"},
    elevation {"elevation_deg"}: float; clock {"clock_hour": 1 to 12}; count {"count": int}; locations {"locations": [...]};
    order {"order": [...]}; duration {"duration_s": float}; span {"onset_s", "offset_s"}: float; rt60_range {"rt60_range_s":
    [lowest, highest or None]}; room_size {"room_size": "small" or "large"}; reverberation {"reverberation": "dry" or
    "reverberant"}; location_or_absent a location or {"absent": label}.
    reading: see the package. known: names of sounds to find in free wording, lenient only.
    Raises SpatialLLMError on an unknown question type or reading, never on any text.
    """
    kind = _kind_of(question_type)
    if kind.takes_known and is_lenient(reading):
        own, opposite = _OPPOSITES.get(question_type, (set(), set()))
        words = set(_WORD.findall(text.lower())) if opposite else set()
        return None if words & opposite and not words & own else kind.parse(text, reading, known=known)
    return kind.parse(text, reading)


def format_value(question_type: str, value: dict[str, Any]) -> str:
    """The value as the answer text, of which `parse_value` is the way back.

    Raises SpatialLLMError on an unknown question type, or a value that is not one of its kind.
    """
    kind = _kind_of(question_type)
    try:
        return kind.format(value)
    except SpatialLLMError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SpatialLLMError(f"{value} is no value of kind {VALUE_KINDS[question_type]!r} ({question_type}).") from None


def _kind_of(question_type: str) -> "_Kind":
    if question_type not in VALUE_KINDS:
        raise SpatialLLMError(f"question_type is {question_type!r}; known are {', '.join(QUESTION_TYPES)}.")
    return _KINDS[VALUE_KINDS[question_type]]


@dataclass(frozen=True)
class _Kind:
    """How a kind of value is read and written."""

    parse: Callable[..., dict[str, Any] | None]  # (text, reading), and known if it takes that
    format: Callable[[dict[str, Any]], str]
    takes_known: bool = False


def _keyed(key: str, parse: Callable[..., Any], format: Callable[[Any], str], takes_known: bool = False) -> _Kind:
    """The kind whose value stands under one key."""

    def parse_keyed(text: str, reading: Reading, **known: Any) -> dict[str, Any] | None:
        value = parse(text, reading, **known)
        return None if value is None else {key: value}

    return _Kind(parse_keyed, lambda value: format(value[key]), takes_known)


def _one_of(key: str, words: tuple[str, ...]) -> _Kind:
    """The kind whose value is one of a few words: exactly one of them in the text, once, and not denied. Lenient: also by
    a synonym."""

    def parse(text: str, reading: Reading) -> str | None:
        lenient = is_lenient(reading)
        tokens = _WORD.findall(text.lower())
        found = [token for token in tokens if token in words]
        word = found[0] if len(found) == 1 and not _NEGATED & set(tokens) else None
        return verdicts.read_room_word(text, words, word) if lenient or word else None

    return _keyed(key, parse, lambda word: words[words.index(word)])


def _parse_location(text: str, reading: Reading) -> dict[str, Any] | None:
    location = places.parse_location(text, reading)
    return None if location is None else location.to_dict()


def _format_location(value: dict[str, Any]) -> str:
    return places.format_location(Location(**value))


def _parse_locations(text: str, reading: Reading) -> list[dict[str, Any]] | None:
    locations = places.parse_locations(text, reading)
    return None if locations is None else [location.to_dict() for location in locations]


def _parse_direction_word(text: str, reading: Reading) -> dict[str, str] | None:
    word = places.parse_direction_word(text, reading)
    return None if word is None else {AXIS_OF_WORD[word]: word}


def _format_direction_word(value: dict[str, str]) -> str:
    ((axis, word),) = value.items()
    return {word: word for word in places.AXES[axis]}[word]


def _parse_span(text: str, reading: Reading) -> dict[str, float] | None:
    span_s = spans.parse_span(text, reading)
    return None if span_s is None else dict(zip(("onset_s", "offset_s"), span_s, strict=True))


def _parse_location_or_absent(text: str, reading: Reading) -> dict[str, Any] | None:
    label = names.parse_absent(text)
    location = _parse_location(text, "strict") if label is None else None
    if is_lenient(reading) and label is None and location is None:
        label, location = names.parse_absent(text, reading), _parse_location(text, reading)
        if label is not None and location is not None:
            return None
    return location if label is None else {"absent": label}


def _format_location_or_absent(value: dict[str, Any]) -> str:
    return names.format_absent(value["absent"]) if "absent" in value else _format_location(value)


_KINDS = {
    "labels": _keyed("labels", names.parse_labels, names.format_labels, takes_known=True),
    "order": _keyed("order", names.parse_order, names.format_order, takes_known=True),
    "yes_no": _keyed("yes", names.parse_yes_no, names.format_yes_no),
    "location": _Kind(_parse_location, _format_location),
    "locations": _keyed(
        "locations", _parse_locations, lambda values: places.format_locations(Location(**value) for value in values)
    ),
    "location_or_absent": _Kind(_parse_location_or_absent, _format_location_or_absent),
    "direction_word": _Kind(_parse_direction_word, _format_direction_word),
    "distance": _keyed("distance_m", places.parse_distance, places.format_distance),
    "azimuth": _keyed("azimuth_deg", numbers.parse_azimuth, numbers.format_degrees),
    "elevation": _keyed(
        "elevation_deg", numbers.parse_elevation, lambda angle_deg: numbers.format_degrees(angle_deg, most=90)
    ),
    "clock": _keyed("clock_hour", numbers.parse_clock, numbers.format_clock),
    "count": _keyed("count", numbers.parse_count, numbers.format_count),
    "duration": _keyed("duration_s", numbers.parse_seconds, numbers.format_seconds),
    "span": _Kind(_parse_span, lambda value: spans.format_span(value["onset_s"], value["offset_s"])),
    "rt60_range": _keyed("rt60_range_s", numbers.parse_rt60_range, numbers.format_rt60_range),
    "room_size": _one_of("room_size", ("small", "large")),
    "reverberation": _one_of("reverberation", ("dry", "reverberant")),
}
