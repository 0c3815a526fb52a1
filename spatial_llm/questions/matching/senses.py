"""What a question asks: the question types that have its meaning, and what it fills in.

Each rule takes a reading whose words it knows all of: a word with a meaning of its own that a rule does not expect makes it
another question ("where is the *nearest* sound?"), and then no rule takes it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from spatial_llm.questions.matching.reading import Reading, Token
from spatial_llm.questions.matching.spans import AXIS_OF, OPPOSITE

# Meanings that make a question another one; the others of english.txt only frame it.
_DECISIVE = frozenset(
    (
        *(
            "WHERE",
            "LOCATION",
            "DIRECTION",
            "SIDE_ASKED",
            "HOWFAR",
            "DISTANCE",
            "BETWEEN",
            "HOWMANY",
            "KINDS",
            "NEAREST",
            "DISTINCT",
        ),
        *("FARTHEST", "NEARER", "FARTHER", "THAN", "AZIMUTH", "DEGREES", "CLOCK", "ELEVATION", "TURN", "WHEN", "STARTS"),
        *("ENDS", "FIRST", "LAST", "ORDER", "HOWLONG", "SECONDS", "ROOM", "RT60", "SIZE", "DRY", "REVERBERANT", "BOTH"),
        *("NOT", "OR", "IFANY", "LESS", "MORE"),
    )
)
_PLACE = ("WHERE", "LOCATION", "DIRECTION", "SIDE_ASKED")
_EXTENT = ("HOWFAR", "DISTANCE")
_HEARD = ("SOUND", "SOUNDS", "HEAR", "SOUNDING", "MAKES", "RECORDING", "PRESENT", "THIS")
_WHOLE = ("MIXUP_SINGLE_DOA", "ABSENT")  # where a named sound is: direction words and distance
_OF_PEOPLE = re.compile(r"\bwhere (?:am i|are (?:you|we|they)|do (?:you|we|they))\b(?! hear)")
_IN_GENERAL = re.compile(r"^what is (?:an? )?(?:sound|noise|audio|tone)s?$")


@dataclass(frozen=True)
class Sense:
    """Holds the meaning of a question.

    Attributes:
        types: question types that have it, the best first.
        fill: name in braces -> what it is filled with: the label of a sound; a side; a pair of sides ("left_right", for
            {either}); "nearer" or "farther"; the words of a turn; a place; a number.
        wider: question types whose answer contains the one asked for, the best first.
        missing: what the question does not say and no model can know; then it is not asked.
    """

    types: tuple[str, ...]
    fill: dict[str, str] = field(default_factory=dict)
    wider: tuple[str, ...] = ()
    missing: str = ""


class _Facts:
    """Holds a reading as the rules ask for it."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.words, self.labels = reading.words, reading.labels
        self.decisive = self.words & _DECISIVE
        self.sides, self.besides = reading.of("side"), reading.of("beside")
        self.turns, self.distances, self.times = reading.of("turn"), reading.of("distance"), reading.of("time")
        self.counts, self.numbers = reading.of("count"), reading.of("number")
        self.yes_no = reading.asks_yes_no
        spoken = [*self.sides, *self.besides]
        pair = len(spoken) == 2 and OPPOSITE[spoken[0]] == spoken[1]
        self.either = AXIS_OF[spoken[0]] if pair and "OR" in self.words else None
        # Nothing but sounds and words: no side, turn or number.
        self.plain = not (spoken or self.turns or self.distances or self.times or self.counts or self.numbers)

    def only(self, *words: str) -> bool:
        """Returns whether no other decisive meaning occurs."""
        return self.decisive <= set(words)

    def has(self, *words: str) -> bool:
        """Returns whether any of these meanings occurs."""
        return not self.words.isdisjoint(words)

    def after(self, is_mark: Callable[[Token], bool]) -> str | None:
        """Returns the first sound after the last piece for which `is_mark` is true."""
        tokens = self.reading.tokens
        marks = [index for index, token in enumerate(tokens) if is_mark(token)]
        return next((token.value for token in tokens[marks[-1] :] if token.kind == "label"), None) if marks else None

    def other(self, label: str) -> str:
        """Returns the sound of two that is not this one."""
        return next(each for each in self.labels if each != label)


def sense_of(reading: Reading) -> Sense | None:
    """Returns the meaning of a question; None if no rule takes it."""
    facts = _Facts(reading)
    if facts.has("NOT"):
        return None
    return next((sense for rule in _RULES if (sense := rule(facts)) is not None), None)


def _turned(facts: _Facts) -> Sense | None:
    if not facts.turns:
        return None
    if len(facts.labels) != 1 or facts.sides or facts.besides or facts.distances or facts.counts:
        return None
    in_degrees = facts.has("AZIMUTH", "DEGREES")
    if not (in_degrees or facts.has(*_PLACE)) or not facts.only(*_PLACE, *_EXTENT, "AZIMUTH", "DEGREES", "TURN"):
        return None
    if len(facts.turns) > 1 or facts.turns[0] == "?":
        return Sense(("ROTATED",), missing="by how many degrees the listener turns, and to which side")
    fill = {"x": facts.labels[0], "turn": facts.turns[0]}
    if in_degrees:
        return None if facts.has(*_EXTENT) else Sense(("ROTATED_AZIMUTH",), fill)
    whole = facts.has("WHERE", "LOCATION")
    return Sense(("ROTATED",) if whole else (), fill, ("ROTATED",))


def _timed(facts: _Facts) -> Sense | None:
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


def _room(facts: _Facts) -> Sense | None:
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


def _counted(facts: _Facts) -> Sense | None:
    if (
        facts.counts
        and len(facts.labels) == 1
        and facts.has("WHERE", "LOCATION")
        and facts.only("WHERE", "LOCATION", "BOTH")
    ):
        number = {"2": "two", "3": "three", "4": "four"}.get(facts.counts[0], facts.counts[0])
        return Sense(("SAME_CLASS",), {"x": facts.labels[0], "count": number})
    if not facts.has("HOWMANY") or facts.labels or not facts.plain or not facts.only("HOWMANY", "KINDS", "DISTINCT"):
        return None
    if not facts.has(*_HEARD):
        return None
    things = {token.text for token in facts.reading.tokens if token.value in ("SOUND", "SOUNDS")}
    if facts.has("KINDS") or (facts.has("DISTINCT") and not any("source" in thing for thing in things)):
        return Sense(("COUNT_CLASSES",), wider=() if facts.has("KINDS") else ("COUNT_SOURCES",))
    return Sense(("COUNT_SOURCES",))


def _nearest(facts: _Facts) -> Sense | None:
    pairs = {"NEAREST": ("NEAREST", "NEARER"), "FARTHEST": ("FARTHEST", "FARTHER")}
    for question_type, words in pairs.items():
        if facts.has(*words) and facts.only(*words) and not facts.labels and facts.plain and not facts.yes_no:
            return Sense((question_type,)) if facts.has("ASKED", *_HEARD) or len(facts.reading.pieces) == 1 else None
    return None


def _compared(facts: _Facts) -> Sense | None:
    """Takes "is X nearer than Y?": what follows "than" is Y, wherever it stands."""
    if len(facts.labels) != 2 or not facts.plain or facts.has("ASKED") or not facts.has("THAN"):
        return None
    for word, amount in (("NEARER", "LESS"), ("FARTHER", "MORE")):
        by_distance = facts.has("DISTANCE") and facts.has(amount) and facts.only("DISTANCE", amount, "THAN")
        if by_distance or (facts.has(word) and facts.only(word, "THAN")):
            y = facts.after(lambda token: token.value == "THAN")
            if y is None:
                return None
            return Sense(("MIXUP_DISTANCE_BOTH",), {"x": facts.other(y), "y": y, "nearer": word.lower()})
    return None


def _between(facts: _Facts) -> Sense | None:
    if len(facts.labels) != 2 or not facts.plain or not facts.has(*_EXTENT) or not facts.only(*_EXTENT, "BETWEEN"):
        return None
    x, y = facts.labels
    pieces = facts.reading.pieces
    ends = [index for index, piece in enumerate(pieces) if piece.kind == "label" and piece.value == y]
    joins = {piece.text for piece in pieces[max(ends[0] - 5, 0) : ends[0]]}
    if facts.has("BETWEEN") or (joins & {"from", "to"} and "and" not in joins):
        return Sense(("MIXUP_NONBINARY_DISTANCE",), {"x": x, "y": y})
    return None


def _on_a_side_of(facts: _Facts) -> Sense | None:
    """Takes questions about a side of one sound on which another one is, or which other one is there."""
    if facts.distances or facts.turns or facts.counts or facts.times:
        return None
    spoken = [*facts.sides, *facts.besides]
    y = facts.after(lambda token: token.kind == "beside" or token.value == "THAN")
    if len(facts.labels) == 2:
        if facts.has("SIDE_ASKED") and facts.only("SIDE_ASKED", "OR") and (facts.either == "left_right" or not spoken):
            y = y or facts.after(lambda token: token.value == "SIDE_ASKED")
            return _either("left_right", facts, y)
        if y is None or facts.has("ASKED") or not (facts.besides or facts.has("THAN")):
            return None
        if facts.either is not None:
            return _either(facts.either, facts, y) if facts.only("OR", "THAN", "WHERE") else None
        if len(spoken) == 1 and facts.only("THAN"):
            fill = {"x": facts.other(y), "y": y, "relation": spoken[0]}
            return Sense(("MIXUP_DIRECTION",), fill)
        return None
    if len(facts.labels) == 1 and len(facts.besides) == 1 and len(spoken) == 1 and y and not facts.yes_no and facts.only():
        relation = f"RELATION_{spoken[0].upper()}"
        many = facts.has("SOUNDS") or "BOTH" in facts.words
        types = (relation, "MIXUP_NONBINARY_SOURCE") if many else ("MIXUP_NONBINARY_SOURCE", relation)
        return Sense(types, {"x": y, "side": spoken[0]}) if facts.has("ASKED", "SOUND", "SOUNDS") else None
    return None


def _either(axis: str, facts: _Facts, y: str | None) -> Sense | None:
    if y is None:
        return None
    return Sense(("MIXUP_NONBINARY_DIRECTION",), {"x": facts.other(y), "y": y, "either": axis})


def _joint(facts: _Facts) -> Sense | None:
    """Takes "X on the left and Y on the right", each sound beside its own side."""
    if len(facts.labels) != 2 or facts.besides or facts.has("ASKED", "WHERE") or not facts.only() or facts.turns:
        return None
    order = [token for token in facts.reading.tokens if token.kind in ("label", "side", "distance")]
    kinds = "".join(token.kind[0] for token in order)
    values = {kind: [token.value for token in order if token.kind == kind] for kind in ("label", "side", "distance")}
    if kinds in ("lsls", "slsl") and OPPOSITE[values["side"][0]] == values["side"][1]:
        x, y = values["label"]
        return Sense(("MIXUP_DIRECTION",), dict(zip(("x", "y", "word", "other"), (x, y, *values["side"]), strict=True)))
    if kinds == "lsssdlsssd":
        places = [_place(values["side"][start : start + 3], values["distance"][start // 3]) for start in (0, 3)]
        if None not in places:
            fill = {"first": ", ".join(places[0]), "second": ", ".join(places[1])}
            x, y = values["label"]
            return Sense(("SWAPPED",), {"x": x, "y": y} | {name: f"{place} away" for name, place in fill.items()})
    return None


def _at_a_place(facts: _Facts) -> Sense | None:
    """Takes questions that name a place: at least two direction words of different axes."""
    axes = {AXIS_OF[side] for side in facts.sides}
    if len(axes) < 2 or len(axes) < len(facts.sides) or facts.besides or facts.turns or len(facts.labels) > 1:
        return None
    if not facts.only("DISTANCE") or len(facts.distances) > 1:
        return None
    types = ("PRESENT_AT_PLACE",) if facts.labels else ("MIXUP_SINGLE_CLASSIFICATION",)
    if facts.labels and facts.has("ASKED"):
        return None
    if not facts.labels and (facts.yes_no or not facts.has("ASKED", "HEAR")):
        return None
    place = _place(facts.sides, facts.distances[0] if facts.distances else None)
    if place is None:
        lacking = {"left_right", "front_behind", "above_below"} - axes
        words = [axis.replace("_", " or ") for axis in sorted(lacking)] + (
            [] if facts.distances else ["how many meters away"]
        )
        return Sense(types, missing=f"where that is: {', '.join(words)}")
    return Sense(types, {"place": place[0], "distance": place[1]} | ({"x": facts.labels[0]} if facts.labels else {}))


def _of_one(facts: _Facts) -> Sense | None:
    """Takes questions about one named sound."""
    if len(facts.labels) != 1 or facts.besides or facts.turns or facts.distances or facts.counts or facts.times:
        return None
    fill = {"x": facts.labels[0]}
    if facts.either is not None:
        return Sense((), fill, _WHOLE) if facts.only("OR", *_PLACE) else None
    if facts.sides:
        claims = len(facts.sides) == 1 and facts.only() and not facts.has("ASKED")
        return Sense(("WRONG_PLACE",), fill | {"side": facts.sides[0]}) if claims else None
    if facts.has("IFANY"):
        return Sense(("ABSENT",), fill) if facts.has(*_PLACE) and facts.only("IFANY", *_PLACE, "OR", *_EXTENT) else None
    if facts.has("ELEVATION"):
        return Sense(("ELEVATION_DEG",), fill) if facts.only("ELEVATION", "DEGREES", "AZIMUTH", *_PLACE) else None
    if facts.has("CLOCK"):
        return Sense(("AZIMUTH_CLOCK",), fill) if facts.only("CLOCK", "WHEN", *_PLACE) else None
    if facts.numbers:
        return None
    if facts.has("AZIMUTH", "DEGREES"):
        return Sense(("AZIMUTH_DEG",), fill) if facts.only("AZIMUTH", "DEGREES", *_PLACE) else None
    if facts.has(*_PLACE, *_EXTENT) and facts.only(*_PLACE, *_EXTENT):
        if facts.has("WHERE", "LOCATION") or (facts.has("DIRECTION", "SIDE_ASKED") and facts.has(*_EXTENT)):
            return Sense(_WHOLE, fill)
        return Sense(("DISTANCE",) if facts.has(*_EXTENT) else (), fill, _WHOLE)
    if facts.yes_no and facts.only() and facts.has("PRESENT", "HEAR", "SOUNDING", "RECORDING"):
        return Sense(("PRESENT",), fill)
    return None


def _of_none(facts: _Facts) -> Sense | None:
    """Takes questions about the recording as a whole."""
    if facts.labels or facts.besides or facts.turns or facts.distances or facts.counts or facts.times:
        return None
    if facts.either is not None:
        return Sense((), {}, ("DOA",)) if facts.only("OR", *_PLACE) else None
    if facts.sides or facts.numbers:
        return None
    if facts.has("AZIMUTH", "CLOCK", "ELEVATION", "DEGREES"):
        known = facts.only("AZIMUTH", "DEGREES", "CLOCK", "ELEVATION", *_PLACE)
        kind = "AZIMUTH_CLOCK" if facts.has("CLOCK") else "ELEVATION_DEG" if facts.has("ELEVATION") else "AZIMUTH_DEG"
        return Sense((kind,), missing="which sound is meant") if known else None
    if facts.has(*_PLACE, *_EXTENT):
        if not facts.only(*_PLACE, *_EXTENT):
            return None
        if _OF_PEOPLE.search(facts.reading.line):
            return None
        whole = facts.has("WHERE", "LOCATION") or (facts.has("DIRECTION", "SIDE_ASKED") and facts.has(*_EXTENT))
        return Sense(("DOA",) if whole else (), {}, ("DOA",))
    if _IN_GENERAL.search(facts.reading.line):
        return None
    if (
        facts.has("ASKED", "HEAR", "KINDS")
        and not facts.yes_no
        and facts.has(*_HEARD)
        and facts.only("KINDS", "BOTH", "DISTINCT")
    ):
        return Sense(("CLASSIFICATION",))
    return None


def _place(sides: Sequence[str], distance: str | None) -> tuple[str, str] | None:
    """Returns a place in the words of questions ("right, front, below", "3 meters"); None if it is not whole."""
    by_axis = {AXIS_OF[side]: side for side in sides}
    if len(by_axis) < 3 or len(sides) != 3 or distance is None:
        return None
    words = ", ".join(by_axis[axis] for axis in ("left_right", "front_behind", "above_below"))
    return words, f"{distance} meter{'' if distance == '1' else 's'}"


def _spoken(facts: _Facts, word: str) -> int:
    return sum(token.value == word for token in facts.reading.tokens)


_RULES = (
    *(_turned, _timed, _room, _counted, _nearest, _compared, _between),
    *(_on_a_side_of, _joint, _at_a_place, _of_one, _of_none),
)
