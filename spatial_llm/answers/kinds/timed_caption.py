"""Parses and writes a caption with times, one clause an event: "1.1 to 2.4 s dog, left, front; 3.0 s bell, right, 2.5m".

The grammar, of which `format_timed_caption` writes one form and the strict reading takes all:

    caption  = clause {"; " clause} | "no sound"
    clause   = times " " label {", " place}
    times    = onset " to " offset " s"      "1.1 to 2.4 s"; also "from 1.1 s to 2.4 s", "1.1 until 2.4 seconds"
             | onset " s"                    "3.0 s", where the end is not told; also "at 3.0 s"
    place    = left | right | front | behind | above | below | distance | "azimuth " angle | "elevation " angle

Times are in seconds from the beginning of the recording, and are written with one decimal. Labels are lower-case and may
hold commas ("male speech, man speaking"), because a label ends where the places begin. Places are those of the other kinds:
"2.5m", "azimuth -35 degrees". Events stand in order of their onsets, and the order of the text does not matter. The lenient
reading also takes sentences: "A dog barks on the left from 1.1 to 2.4 s." Every clause must have its times, because a
caption of which one clause is unread would be another caption.
"""

import re
from collections.abc import Collection, Sequence

from spatial_llm.answers.axes import AXES, AXIS_OF_WORD, Reading, is_lenient, mirror_words
from spatial_llm.answers.kind import Kind, Value
from spatial_llm.answers.kinds.azimuth import format_degrees, mirror_azimuth, parse_azimuth
from spatial_llm.answers.kinds.distance import format_distance, parse_distance
from spatial_llm.answers.kinds.elevation import format_elevation, parse_elevation
from spatial_llm.answers.kinds.location import parse_axis
from spatial_llm.answers.text.amounts import LONGEST_S
from spatial_llm.answers.text.sounds import name_of, read_names
from spatial_llm.answers.text.words import plain, words_of
from spatial_llm.errors import SpatialLLMError

SILENCE = "no sound"
PLACES = (*AXES, "azimuth_deg", "elevation_deg", "distance_m")  # keys of an event beside its label and times
_NEEDED = ("label", "onset_s", "offset_s")
_NUMBER = r"[0-9]{1,9}(?:\.[0-9]{1,9})?"
_SECONDS = r"(?:s|secs?|seconds?)(?![\w/^])"
_SPAN = rf"(?:from |between )?(?P<onset>{_NUMBER})(?: ?{_SECONDS})?(?: (?:to|until) | ?- ?)(?P<offset>{_NUMBER}) ?{_SECONDS}"
_ONSET = rf"(?:at |from )?(?P<start>{_NUMBER}) ?{_SECONDS}"
_TIMES = re.compile(rf"(?:{_SPAN}|{_ONSET})[,:]? (?=\S)")
_TIMES_INSIDE = re.compile(rf"(?<![\w.,:+-])(?:{_SPAN.replace('(?: (?:to|until) ', '(?: (?:to|until|and) ')}|{_ONSET})")
_ANY_SECONDS = re.compile(rf"[0-9] ?{_SECONDS}|[0-9]:[0-9]")
_ANGLE = re.compile(r"(?P<name>azimuth|elevation):? (?P<angle>.+)")
_CLAUSES = re.compile(r"[;|\n]|(?<=[^\W\d])\.(?:\s|$)|(?<=[0-9][ms])\.(?:\s|$)")
_OPENING = re.compile(
    r"(?:[-\u2022*,:\s]|(?:and|then|next|finally|first|afterwards|there is|i hear)(?= )|(?:a|an|the)(?= ))+"
)
_WORDING = re.compile(
    r"(?<!\w)(?:left|right|front|behind|back|rear|ahead|above|below|up|down|azimuth|elevation|not?|never|[0-9]+ ?m)(?!\w)"
)
_PLACE_INSIDE = re.compile(
    r"(?:^| )(?:(?:is|comes|coming|heard|located|sounds|sounding|audible) )*"
    r"(?:(?:on|to|at|from|in|about|around)(?: the| your)? )?"
    r"(?:left|right|front|behind|back|rear|ahead|above|below|up|down|azimuth|elevation|[0-9])|,"
)
_LENGTH = {
    "for",
    "lasts",
    "lasting",
    "after",
    "within",
    "until",
    "ends",
    "stops",
}  # before a lone time, which is no onset then


def format_timed_caption(events: Sequence[Value]) -> str:
    """Returns events as "1.1 to 2.4 s dog, left, front; 3.0 s bell, right, 2.5m", in order of their onsets, and "no sound"
    for none.

    Args:
        events: each has `label`, `onset_s` and `offset_s` (None: not told), and any of `PLACES`.

    Raises:
        SpatialLLMError: a time that is no multiple of 0.1 s (round it before), a place out of range, an unknown key, or a
            label that could not be read back: not lower-case, with a semicolon, or ending like a place.
    """
    for event in events:
        if not set(_NEEDED) <= set(event) <= {*_NEEDED, *PLACES}:
            raise SpatialLLMError(
                f"an event has {', '.join(event)}; give {', '.join(_NEEDED)}, and any of {', '.join(PLACES)}."
            )
    return "; ".join(_format_clause(event) for event in _ordered(events)) or SILENCE


def parse_timed_caption(text: str, reading: Reading = "strict", known: Collection[str] | None = None) -> list[Value] | None:
    """Returns the events of a caption, in order of their onsets; [] for "no sound"; None if any clause is unparsed.

    Lenient: also sentences, one event in each, with articles and directions in words. known: names of sounds to find in
    these; without them the words before the place are the name.
    """
    lenient = is_lenient(reading)
    line = _one_line(text)
    if line == SILENCE:
        return []
    found = [_read_clause(clause.strip()) for clause in line.split(";")]
    if lenient and not all(event is not None and _is_plain(event["label"], known) for event in found):
        clauses = [clause for clause in _CLAUSES.split(plain(text)) if clause.strip(" .")]
        found = [_read_freely(_one_line(clause), known) for clause in clauses] or [None]
    return None if None in found else _ordered(found)


def _one_line(text: str) -> str:
    return " ".join(text.lower().split()).removesuffix(".")


def _ordered(events: Sequence[Value]) -> list[Value]:
    def key(event: Value) -> tuple:
        onset_s, offset_s = event["onset_s"], event["offset_s"]
        return onset_s, onset_s if offset_s is None else offset_s, event["label"], [str(event.get(name)) for name in PLACES]

    return sorted(events, key=key)


def _format_clause(event: Value) -> str:
    onset_s, offset_s = event["onset_s"], event["offset_s"]
    for time_s in (onset_s, offset_s):
        if time_s is not None and not (0 <= time_s <= LONGEST_S and time_s == round(time_s, 1)):
            raise SpatialLLMError(f"{time_s} is no time of a caption; give 0 to {LONGEST_S:g} s, rounded to 0.1 s.")
    parts = [event["label"], *(event[axis] for axis in AXES if axis in event)]
    if "azimuth_deg" in event:
        parts.append(f"azimuth {format_degrees(event['azimuth_deg'])}")
    if "elevation_deg" in event:
        parts.append(f"elevation {format_elevation(event['elevation_deg'])}")
    if "distance_m" in event:
        parts.append(format_distance(event["distance_m"]))
    times = f"{onset_s:.1f} s" if offset_s is None else f"{onset_s:.1f} to {offset_s:.1f} s"
    clause = f"{times} {', '.join(parts)}"
    if parse_timed_caption(clause) != [event]:
        raise SpatialLLMError(
            f"{event} would not be read back from {clause!r}; give a label in lower case, without semicolons and not ending "
            "like a place, an offset after the onset, and known words of direction."
        )
    return clause


def _read_clause(clause: str) -> Value | None:
    """Returns the event of a clause by the grammar."""
    times = _TIMES.match(clause)
    event = None if times is None else _timed(times)
    if event is None:
        return None
    parts = clause[times.end() :].split(", ")
    places: Value = {}
    while len(parts) > 1 and (place := _read_place(parts[-1])) is not None:
        if places.keys() & place.keys():
            return None
        places |= place
        parts.pop()
    label = name_of(", ".join(parts))
    return {"label": label, **event, **places} if label and not _ANY_SECONDS.search(label) else None


def _timed(times: re.Match[str]) -> Value | None:
    """Returns onset and offset of a match; None if they are no times, or in the wrong order."""
    onset_s = float(times["onset"] or times["start"])
    offset_s = None if times["offset"] is None else float(times["offset"])
    if onset_s > LONGEST_S or (offset_s is not None and not onset_s < offset_s <= LONGEST_S):
        return None
    return {"onset_s": onset_s, "offset_s": offset_s}


def _read_place(part: str) -> Value | None:
    """Returns what one part of a clause says of the place; None if it says nothing of it."""
    if part in AXIS_OF_WORD:
        return {AXIS_OF_WORD[part]: part}
    angle = _ANGLE.fullmatch(part)
    if angle is not None:
        key, parse = ("azimuth_deg", parse_azimuth) if angle["name"] == "azimuth" else ("elevation_deg", parse_elevation)
        value = parse(angle["angle"])
        return None if value is None else {key: value}
    distance_m = parse_distance(part) if part[:1].isdigit() else None
    return None if distance_m is None else {"distance_m": distance_m}


def _is_plain(label: str, known: Collection[str] | None) -> bool:
    """Returns whether a label is a name without wording around it."""
    if known is not None and label in {name_of(name) for name in known}:
        return True
    return known is None and not _OPENING.match(label) and not _WORDING.search(label)


def _read_freely(clause: str, known: Collection[str] | None) -> Value | None:
    """Returns the event of a clause by the grammar, or of a sentence; None if it denies anything."""
    event, words = _read_clause(clause), words_of(clause)
    if event is not None and _is_plain(event["label"], known):
        return event
    if any(words.denied[: len(words.tokens)]):
        return None
    found = _read_sentence(clause, known)
    if event is None or (found is not None and (known is None or found["label"] in known)):
        return found
    return event if found is None or _is_plain(event["label"], None) else found


def _read_sentence(clause: str, known: Collection[str] | None) -> Value | None:
    """Returns the event of a sentence with one time or span; None if it has more."""
    found = list(_TIMES_INSIDE.finditer(clause))
    event = _timed(found[0]) if len(found) == 1 else None
    if event is None:
        return None
    before, after = clause[: found[0].start()].rstrip(" ,:"), clause[found[0].end() :].lstrip(" ,:")
    if found[0]["start"] is not None and before.rpartition(" ")[2] in _LENGTH:
        return None
    said = f"{before} {after}".strip()
    opening = _OPENING.match(said)
    said = said[opening.end() :] if opening else said
    name = None if _ANY_SECONDS.search(said) else _read_name(said, known)
    places = {axis: parse_axis(said, axis, "lenient") for axis in AXES}
    unclear = any(places[AXIS_OF_WORD[word]] is None for word in words_of(said).strings if word in AXIS_OF_WORD)
    if name is None or unclear:
        return None
    places |= {"distance_m": parse_distance(said, "lenient")}
    return {"label": name, **event, **{key: value for key, value in places.items() if value is not None}}


def _read_name(said: str, known: Collection[str] | None) -> str | None:
    """Returns the one name in the words of an event: a known one, or else what stands before its place."""
    names = read_names(said, known) if known else None
    if names is None or len(names) != 1 or names[0] not in {name_of(name) for name in known}:
        place = _PLACE_INSIDE.search(said)
        names = read_names(said[: place.start()] if place else said)
    return None if names is None or len(names) != 1 else names[0]


def _read(text: str, reading: Reading, known: Collection[str] | None = None) -> Value | None:
    events = parse_timed_caption(text, reading, known)
    return None if events is None else {"events": events}


def _mirror(value: Value) -> Value:
    def mirrored(event: Value) -> Value:
        angle = mirror_azimuth(event) if "azimuth_deg" in event else {}
        return {**mirror_words(event), **angle}

    return {"events": _ordered([mirrored(event) for event in value["events"]])}


KIND = Kind("timed_caption", _read, lambda value: format_timed_caption(value["events"]), _mirror)
