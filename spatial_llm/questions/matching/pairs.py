"""Rules for questions about two sounds, and about a side of one: which is named first, and what follows "than"."""

import re

from spatial_llm.questions.matching.facts import EXTENT, Facts, Sense, place_of
from spatial_llm.questions.matching.spans import OPPOSITE

# Of hearing, "together" is of time; "is the sound of the bell together with that of the rain" may ask for places.
_TOGETHER = re.compile(
    r"\b(?:hear|heard|hearing|audible|sound(?! of)|sounding|play|playing|ring|ringing|active)\b.*"
    r"(?<!close)(?<!near)(?<!far) (?:together|at once)$"
)


def compared(facts: Facts) -> Sense | None:
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


def between(facts: Facts) -> Sense | None:
    """Takes "how far is X from Y?", and other questions for the distance between two sounds."""
    if len(facts.labels) != 2 or not facts.plain or not facts.has(*EXTENT) or not facts.only(*EXTENT, "BETWEEN"):
        return None
    x, y = facts.labels
    pieces = facts.reading.pieces
    ends = [index for index, piece in enumerate(pieces) if piece.kind == "label" and piece.value == y]
    if not facts.has("BETWEEN") and _named_together(facts):
        return Sense(("MIXUP_NONBINARY_DISTANCE",), {"x": x, "y": y})
    joins = {piece.text for piece in pieces[max(ends[0] - 5, 0) : ends[0]]}
    if facts.has("BETWEEN") or (joins & {"from", "to"} and "and" not in joins):
        return Sense(("MIXUP_NONBINARY_DISTANCE",), {"x": x, "y": y})
    return None


def _named_together(facts: Facts) -> bool:
    """Returns whether it is the distance of two: "the separation of the bell and the rain", "the bell-rain distance"."""
    if re.search(r"\b(?:separation|gap|spacing)\b", facts.reading.line):
        return True
    return "label label DISTANCE" in " ".join(
        token.value if token.value == "DISTANCE" else token.kind for token in facts.reading.pieces
    )


def overlapping(facts: Facts) -> Sense | None:
    """Takes "do X and Y overlap in time?", and other questions for yes or no about both going on at once."""
    if len(facts.labels) != 2 or not facts.plain or not facts.yes_no:
        return None
    if not facts.only("OVERLAP", "SAMETIME", "ANYTIME", "BOTH", "BETWEEN"):
        return None
    apart = {token.text for token in facts.reading.tokens if token.value == "BETWEEN"} - {"between"}
    at_once = facts.has("OVERLAP", "SAMETIME") or _while_between(facts) or _TOGETHER.search(facts.reading.line)
    if apart or not at_once:
        return None
    return Sense(("OVERLAP",), {"x": facts.labels[0], "y": facts.labels[1]})


def _while_between(facts: Facts) -> bool:
    """Returns whether "while" stands between two sounds: "is the bell heard while the rain sounds"."""
    marks = "".join("l" if piece.kind == "label" else "w" if piece.text == "while" else "" for piece in facts.reading.pieces)
    return "lwl" in marks


def on_a_side_of(facts: Facts) -> Sense | None:
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


def _either(axis: str, facts: Facts, y: str | None) -> Sense | None:
    if y is None:
        return None
    return Sense(("MIXUP_NONBINARY_DIRECTION",), {"x": facts.other(y), "y": y, "either": axis})


def joint(facts: Facts) -> Sense | None:
    """Takes "X on the left and Y on the right", each sound beside its own side."""
    if len(facts.labels) != 2 or facts.has("ASKED", "WHERE") or not facts.only() or facts.turns:
        return None
    order = [token for token in facts.reading.tokens if token.kind in ("label", "side", "beside", "distance")]
    kinds = "".join(token.kind[0] for token in order)
    # "Rain above, clapping below": what looks like "above the clapping" is the side of the rain, as "below" is left over.
    if facts.besides and (kinds != "lbls" or order[1].text.endswith(("of", "from"))):
        return None
    kinds = kinds.replace("b", "s")
    values = {kind: [token.value for token in order if token.kind[0] == kind] for kind in "ld"}
    sides = [token.value for token in order if token.kind in ("side", "beside")]
    if kinds in ("lsls", "slsl") and OPPOSITE[sides[0]] == sides[1]:
        x, y = values["l"]
        return Sense(("MIXUP_DIRECTION",), dict(zip(("x", "y", "word", "other"), (x, y, *sides), strict=True)))
    if kinds == "lsssdlsssd":
        places = [place_of(sides[start : start + 3], values["d"][start // 3]) for start in (0, 3)]
        if None not in places:
            fill = {"first": ", ".join(places[0]), "second": ", ".join(places[1])}
            x, y = values["l"]
            return Sense(("SWAPPED",), {"x": x, "y": y} | {name: f"{place} away" for name, place in fill.items()})
    return None
