"""What a question asks: the question types that have its meaning, and what it fills in.

Each rule takes a reading whose words it knows all of: a word with a meaning of its own that a rule does not expect makes it
another question ("where is the *nearest* sound?"), and then no rule takes it.
"""

import re
from itertools import pairwise

from spatial_llm.questions.matching.asides import ASIDE_TYPES
from spatial_llm.questions.matching.facts import EXTENT, HEARD, PLACE, Facts, Sense, place_of
from spatial_llm.questions.matching.motion import MOTION_RULES, MOTION_TYPES
from spatial_llm.questions.matching.pairs import between, compared, joint, on_a_side_of, overlapping
from spatial_llm.questions.matching.reading import Reading
from spatial_llm.questions.matching.spans import AXIS_OF

_WHOLE = ("MIXUP_SINGLE_DOA", "ABSENT")  # where a named sound is: direction words and distance
_OF_PEOPLE = re.compile(
    r"\bwhere (?:am i(?! hear| listen)|are (?:you|we|they))\b|\bhow far (?:can|do|could) (?:you|we|i|they)\b|"
    r"\bwhere do (?:you|we|they|i)\b(?! (?:hear|perceive|locate|detect|notice|sense|think))"
)
# The listener seen from a sound is in the opposite direction.
_OF_LISTENER = re.compile(
    r"\b(?:where|direction|way|side|azimuth|angle|elevation|oclock)\b.*"
    r"\b(?:am i|do i (?:stand|sit)|(?:is|would|will|be) the listener)\b(?! (?:hear|perceiv|listen|locat|detect|notic|sens))|"
    r"\bseen (?:from|by) (?!me\b|us\b|you\b|here\b|above\b|the (?:listener|front|back|left|right)\b|my\b|your\b)|"
    r"\b(?:point of view|perspective|viewpoint|standpoint)\b|\bhears? (?:me|us|the listener)\b"
)
_TELL = re.compile(
    r"(?:please |just |now |can you |could you )*(?:tell|give|say|name|state|specify|determine|report) (?:me )?"
    r"(?:(?:(?:the|this|that) (?:sound|noise)(?: event| source)?|"
    r"(?:all |of )*(?:the|those) (?:sounds|noises|sources|sound events))$|"
    r"(?:all|every|each|any) (?:of )?(?:the )?(?:audible )?(?:sound|noise|source)s?\b)"
)
# A question for the place of one of these is none about the sound.
_NO_SOUNDS = frozenset(
    (
        *("answer", "question", "idea", "clue", "friend", "mate", "buddy", "computer", "model", "assistant", "name", "word"),
        *("words", "detail", "result", "results", "value", "info", "information", "rest", "head", "system", "example"),
    )
)
_HEADING = re.compile(
    r"(?:the |all |audible )*(?:sounds|noises|sources|sound events|sound sources) (?:in|of|on) (?:the|this) "
    r"(?:audio|clip|recording|file|audio clip|scene|sample)"
)
_COUNTED = ("HOWMANY", "KINDS", "DISTINCT", "BOTH", "SAMETIME")
_NO_PLACES = re.compile(
    r"\bwhere (?:can|do|could|should|would|must|shall) (?:i|we|one|they) (?:get|put|take|keep|place|have|use|want|need)\b"
    r"|\bdo [a-z]+s come from$|^where .* to$"
)
_PLACE_FIRST = re.compile(r"\b(?:sound|noise|source|event)s?(?: \w+ing| located| placed)? (?:at|from|on|in|to) ")
_IN_GENERAL = re.compile(r"^what is (?:an? )?(?:sound|noise|audio|tone)s?$")


def sense_of(reading: Reading) -> Sense | None:
    """Returns the meaning of a question; None if no rule takes it."""
    facts = Facts(reading)
    if facts.has("NOT") or _NO_PLACES.search(reading.line) or _OF_LISTENER.search(reading.line):
        return None
    return next((sense for rule in _RULES if (sense := rule(facts)) is not None), None)


def _turned(facts: Facts) -> Sense | None:
    if not facts.turns:
        return None
    if len(facts.labels) != 1 or facts.sides or facts.besides or facts.distances or facts.counts:
        return None
    pieces = facts.reading.pieces
    if any(one.kind == "label" and other.kind == "turn" for one, other in pairwise(pieces)):
        return None  # it is the sound that turns
    in_degrees = facts.has("AZIMUTH", "DEGREES")
    if not (in_degrees or facts.has(*PLACE)) or not facts.only(*PLACE, *EXTENT, "AZIMUTH", "DEGREES", "TURN"):
        return None
    if len(facts.turns) > 1 or facts.turns[0] == "?":
        return Sense(("ROTATED",), missing="by how many degrees the listener turns, and to which side")
    fill = {"x": facts.labels[0], "turn": facts.turns[0]}
    if in_degrees:
        return None if facts.has(*EXTENT) else Sense(("ROTATED_AZIMUTH",), fill)
    whole = facts.has("WHERE", "LOCATION")
    return Sense(("ROTATED",) if whole else (), fill, ("ROTATED",))


def _timed(facts: Facts) -> Sense | None:
    none, one = not facts.labels, len(facts.labels) == 1
    if facts.times and none and facts.has("STARTS") and facts.only("STARTS", "WHEN", "SECONDS", "FIRST"):
        return Sense(("STARTS_AT",), {"time": f"{facts.times[0]} s"}) if len(facts.times) == 1 else None
    if not facts.plain:
        return None
    if none and facts.has("ORDER") and facts.only("ORDER", "STARTS", "FIRST", "LAST"):
        return Sense(("ONSET_ORDER",))
    if none and facts.has("FIRST") and facts.has("ASKED", "SOUND") and facts.only("FIRST", "STARTS"):
        return Sense(("ONSET_FIRST",))
    if one and facts.has("HOWLONG") and facts.only("HOWLONG", "SECONDS", "STARTS", "ENDS"):
        return Sense(("DURATION",), {"x": facts.labels[0]})
    if one and facts.has("STARTS") and facts.has("ENDS") and facts.only("WHEN", "STARTS", "ENDS", "SECONDS"):
        return Sense(("SPAN",), {"x": facts.labels[0]})
    if one and _spoken(facts, "WHEN") == 2 and facts.only("WHEN", "SECONDS"):
        return Sense(("SPAN",), {"x": facts.labels[0]})
    return None


def _room(facts: Facts) -> Sense | None:
    if facts.labels or facts.turns or facts.distances:
        return None
    if facts.has("RT60") and facts.only("RT60", "ROOM", "HOWLONG", "DISTANCE", "REVERBERANT", "SECONDS", "OR"):
        return Sense(("ROOM_RT60",))
    asked = facts.has("ASKED", "OR")
    if asked and facts.has("ROOM") and facts.has("SIZE") and facts.only("ROOM", "SIZE", "OR"):
        return Sense(("ROOM_SIZE",))
    if asked and facts.has("DRY", "REVERBERANT") and facts.only("ROOM", "DRY", "REVERBERANT", "OR"):
        return Sense(("ROOM_REVERB",))
    return None


def _counted(facts: Facts) -> Sense | None:
    if (
        facts.counts
        and len(facts.labels) == 1
        and facts.has("WHERE", "LOCATION")
        and facts.only("WHERE", "LOCATION", "BOTH", "SAMETIME")
    ):
        number = {"2": "two", "3": "three", "4": "four"}.get(facts.counts[0], facts.counts[0])
        return Sense(("SAME_CLASS",), {"x": facts.labels[0], "count": number})
    if not facts.has("HOWMANY") or facts.labels or not facts.plain or not facts.only(*_COUNTED):
        return None
    if not facts.has(*HEARD):
        return None
    things = {token.text for token in facts.reading.tokens if token.value in ("SOUND", "SOUNDS")}
    if facts.has("KINDS") or (facts.has("DISTINCT") and not any("source" in thing for thing in things)):
        return Sense(("COUNT_CLASSES",), wider=() if facts.has("KINDS") else ("COUNT_SOURCES",))
    return Sense(("COUNT_SOURCES",))


def _nearest(facts: Facts) -> Sense | None:
    pairs = {"NEAREST": ("NEAREST", "NEARER"), "FARTHEST": ("FARTHEST", "FARTHER")}
    for question_type, words in pairs.items():
        if facts.has(*words) and facts.only(*words) and not facts.labels and facts.plain and not facts.yes_no:
            others = _NO_SOUNDS.intersection(piece.text for piece in facts.reading.pieces)
            alone = len(facts.reading.tokens) == 1 and not others
            return Sense((question_type,)) if facts.has("ASKED", *HEARD) or alone else None
    return None


def _at_a_place(facts: Facts) -> Sense | None:
    """Takes questions that name a place: at least two direction words of different axes."""
    axes = {AXIS_OF[side] for side in facts.sides}
    if len(axes) < 2 or len(axes) < len(facts.sides) or facts.besides or facts.turns or len(facts.labels) > 1:
        return None
    whole = len(axes) == 3 and len(facts.distances) == 1
    if not facts.only("DISTANCE", *(("DIRECTION", "LOCATION") if whole else ())) or len(facts.distances) > 1:
        return None
    types = ("PRESENT_AT_PLACE",) if facts.labels else ("MIXUP_SINGLE_CLASSIFICATION",)
    if facts.labels and facts.has("ASKED"):
        return None
    asked = facts.has("ASKED", "HEAR") or (whole and _PLACE_FIRST.search(facts.reading.line))
    if not facts.labels and (facts.yes_no or not asked):
        return None
    place = place_of(facts.sides, facts.distances[0] if facts.distances else None)
    if place is None:
        lacking = {"left_right", "front_behind", "above_below"} - axes
        words = [axis.replace("_", " or ") for axis in sorted(lacking)] + (
            [] if facts.distances else ["how many meters away"]
        )
        return Sense(types, missing=f"where that is: {', '.join(words)}")
    return Sense(types, {"place": place[0], "distance": place[1]} | ({"x": facts.labels[0]} if facts.labels else {}))


def _of_one(facts: Facts) -> Sense | None:
    """Takes questions about one named sound."""
    if len(facts.labels) != 1 or facts.beside_something or facts.turns or facts.distances or facts.counts or facts.times:
        return None
    fill = {"x": facts.labels[0]}
    if facts.either == "left_right" and facts.has("AZIMUTH", "DEGREES"):
        return Sense(("AZIMUTH_DEG",), fill) if facts.only("OR", "AZIMUTH", "DEGREES", *PLACE) else None
    if facts.either is not None:
        return Sense((), fill, _WHOLE) if facts.only("OR", *PLACE) else None
    if facts.sides:
        claims = len(facts.sides) == 1 and facts.only() and not facts.has("ASKED")
        return Sense(("WRONG_PLACE",), fill | {"side": facts.sides[0]}) if claims else None
    if facts.has("IFANY"):
        return Sense(("ABSENT",), fill) if facts.has(*PLACE) and facts.only("IFANY", *PLACE, "OR", *EXTENT) else None
    if facts.has("ELEVATION"):
        return Sense(("ELEVATION_DEG",), fill) if facts.only("ELEVATION", "DEGREES", "AZIMUTH", *PLACE) else None
    if facts.has("CLOCK"):
        return Sense(("AZIMUTH_CLOCK",), fill) if facts.only("CLOCK", "WHEN", *PLACE) else None
    if facts.numbers:
        return None
    if facts.has("AZIMUTH", "DEGREES"):
        return Sense(("AZIMUTH_DEG",), fill) if facts.only("AZIMUTH", "DEGREES", *PLACE) else None
    if facts.has(*PLACE, *EXTENT) and facts.only(*PLACE, *EXTENT):
        if facts.has("WHERE", "LOCATION") or (facts.has("DIRECTION", "SIDE_ASKED") and facts.has(*EXTENT)):
            return Sense(_WHOLE, fill)
        return Sense(("DISTANCE",) if facts.has(*EXTENT) else (), fill, _WHOLE)
    if facts.yes_no and facts.only() and facts.has("PRESENT", "HEAR", "SOUNDING", "RECORDING"):
        return Sense(("PRESENT",), fill)
    return None


def _of_none(facts: Facts) -> Sense | None:
    """Takes questions about the recording as a whole."""
    if facts.labels or facts.beside_something or facts.turns or facts.distances or facts.counts or facts.times:
        return None
    if facts.either is not None:
        return Sense((), {}, ("DOA",)) if facts.only("OR", *PLACE) else None
    if facts.sides or facts.numbers:
        return None
    if facts.has("AZIMUTH", "CLOCK", "ELEVATION", "DEGREES"):
        known = facts.only("AZIMUTH", "DEGREES", "CLOCK", "ELEVATION", *PLACE)
        kind = "AZIMUTH_CLOCK" if facts.has("CLOCK") else "ELEVATION_DEG" if facts.has("ELEVATION") else "AZIMUTH_DEG"
        return Sense((kind,), missing="which sound is meant") if known else None
    if facts.has(*PLACE, *EXTENT):
        if not facts.only(*PLACE, *EXTENT):
            return None
        others = _NO_SOUNDS.intersection(piece.text for piece in facts.reading.pieces)
        if _OF_PEOPLE.search(facts.reading.line) or (others and not facts.has(*HEARD)):
            return None
        whole = facts.has("WHERE", "LOCATION") or (facts.has("DIRECTION", "SIDE_ASKED") and facts.has(*EXTENT))
        return Sense(("DOA",) if whole else (), {}, ("DOA",))
    if facts.yes_no or _IN_GENERAL.search(facts.reading.line):
        return None
    asked = facts.has("ASKED", "KINDS") or _HEADING.fullmatch(facts.reading.line) or _TELL.match(facts.reading.line)
    if asked and facts.has(*HEARD) and facts.only("KINDS", "BOTH", "DISTINCT", "SAMETIME"):
        return Sense(("CLASSIFICATION",))
    return None


def _spoken(facts: Facts, word: str) -> int:
    return sum(token.value == word for token in facts.reading.tokens)


_RULES = (
    *MOTION_RULES,
    *(_turned, _timed, _room, _counted, _nearest, compared, between, overlapping),
    *(on_a_side_of, joint, _at_a_place, _of_one, _of_none),
)
# Question types that a rule knows; others are found by their words alone.
KNOWN_TYPES = frozenset(
    (
        *(
            "CLASSIFICATION",
            "DOA",
            "MIXUP_SINGLE_CLASSIFICATION",
            "MIXUP_SINGLE_DOA",
            "MIXUP_DIRECTION",
            "MIXUP_DISTANCE_BOTH",
        ),
        *("MIXUP_NONBINARY_DIRECTION", "MIXUP_NONBINARY_DISTANCE", "MIXUP_NONBINARY_SOURCE", "AZIMUTH_DEG", "AZIMUTH_CLOCK"),
        *("ELEVATION_DEG", "DISTANCE", "COUNT_SOURCES", "COUNT_CLASSES", "NEAREST", "FARTHEST", "RELATION_LEFT"),
        *("RELATION_RIGHT", "RELATION_FRONT", "RELATION_BEHIND", "SAME_CLASS", "ONSET_FIRST", "ONSET_ORDER", "STARTS_AT"),
        *("DURATION", "SPAN", "ROOM_RT60", "ROOM_SIZE", "ROOM_REVERB", "ROTATED", "ROTATED_AZIMUTH", "PRESENT"),
        *("PRESENT_AT_PLACE", "ABSENT", "WRONG_PLACE", "SWAPPED", "OVERLAP"),
        *MOTION_TYPES,
        *ASIDE_TYPES,
    )
)
