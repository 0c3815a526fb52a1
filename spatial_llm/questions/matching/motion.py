"""Rules for questions about motion, places at a time, turns of the listener that the recording holds, and captions."""

from itertools import pairwise

from spatial_llm.questions.matching.facts import EXTENT, HEARD, PLACE, Facts, Sense

MOTION_TYPES = (
    *("MOVES", "ANY_MOVES", "COUNT_MOVING", "MOTION_SIDEWAYS", "MOTION_AROUND", "MOTION_UPRIGHT", "MOTION_RANGE"),
    *("MOTION_START", "MOTION_END", "MOTION_AT", "MOTION_AZIMUTH_AT", "WHEN_NEAREST", "WHEN_AHEAD", "FASTER", "CROSSES"),
    *("LISTENER_TURN", "AFTER_TURN", "CAPTION"),
)
_ASKS_TIME = ("WHEN", "SECONDS", "HOWLONG")


def _moves(facts: Facts) -> Sense | None:
    """Takes questions whether, how many, and which way."""
    if not facts.has("MOVES", "CLOCKWISE", "APPROACHES") or facts.turns or facts.distances or facts.times or facts.numbers:
        return None
    if len(facts.labels) == 1:
        return _one_moves(facts)
    if facts.labels:
        return None
    if facts.sides:
        return _crosses(facts)
    if facts.besides or facts.counts:
        return None
    if facts.has("HOWMANY"):
        return Sense(("COUNT_MOVING",)) if facts.only("HOWMANY", "MOVES", "ROOM", "BOTH") else None
    return Sense(("ANY_MOVES",)) if facts.yes_no and facts.only("MOVES", "ROOM", "BOTH") else None


def _one_moves(facts: Facts) -> Sense | None:
    fill = {"x": facts.labels[0]}
    if facts.besides or facts.counts:
        return None
    if facts.has("CLOCKWISE"):
        seen = facts.sides == ["above"] and "seen from above" in facts.reading.line
        known = "OR" in facts.words and (seen or not facts.sides) and facts.only("CLOCKWISE", "MOVES", "OR", "DIRECTION")
        return Sense(("MOTION_AROUND",), fill) if known else None
    if facts.has("APPROACHES"):
        known = not facts.sides and facts.only("APPROACHES", "MOVES", "OR", "DIRECTION")
        return Sense(("MOTION_RANGE",), fill) if known else None
    if not facts.sides:
        return Sense(("MOVES",), fill) if facts.yes_no and facts.only("MOVES", "ROOM") else None
    if facts.either == "above_below" and facts.only("MOVES", "OR", "DIRECTION"):
        return Sense(("MOTION_UPRIGHT",), fill)
    both_ways = facts.sides in (["left", "right", "right", "left"], ["right", "left", "left", "right"])
    if both_ways and facts.only("MOVES", "OR", "DIRECTION", "SIDE_ASKED"):
        return Sense(("MOTION_SIDEWAYS",), fill)
    return None


def _crosses(facts: Facts) -> Sense | None:
    """Takes "what moves from the left to the right?"."""
    if facts.sides not in (["left", "right"], ["right", "left"]) or facts.besides or facts.yes_no or facts.counts:
        return None
    if not facts.has("ASKED", "SOUND", "SOUNDS") or not facts.only("MOVES", "STARTS", "ENDS"):
        return None
    return Sense(("CROSSES",), dict(zip(("word", "other"), facts.sides, strict=True)))


def _starts_and_ends_on_sides(facts: Facts) -> Sense | None:
    """Takes "which sound begins on the left and ends on the right?"."""
    known = facts.has("STARTS") and not (facts.labels or facts.turns or facts.distances or facts.times or facts.numbers)
    return _crosses(facts) if known else None


def _faster(facts: Facts) -> Sense | None:
    if not facts.has("FASTER") or len(facts.labels) != 2 or not facts.plain or facts.yes_no:
        return None
    x, y = facts.labels
    return Sense(("FASTER",), {"x": x, "y": y}) if facts.only("FASTER", "MOVES", "OR", "BOTH") else None


def _place_at_a_time(facts: Facts) -> Sense | None:
    """Takes questions where one sound is when it begins or ends, or at a time."""
    if len(facts.labels) != 1 or facts.sides or facts.besides or facts.turns or facts.distances or facts.numbers:
        return None
    fill = {"x": facts.labels[0]}
    if facts.times:
        fill |= {"time": f"{facts.times[0]} s"}
        after = ("STARTS",) if "after the" in facts.reading.line else ()
        if len(facts.times) > 1:
            return None
        if facts.has("AZIMUTH", "DEGREES"):
            return Sense(("MOTION_AZIMUTH_AT",), fill) if facts.only("AZIMUTH", "DEGREES", *PLACE, *after) else None
        whole = facts.has("WHERE", "LOCATION") or (facts.has("DIRECTION") and facts.has(*EXTENT))
        return Sense(("MOTION_AT",), fill) if whole and facts.only(*PLACE, *EXTENT, *after) else None
    whole = facts.has("WHERE", "LOCATION") or (facts.has("DIRECTION") and facts.has(*EXTENT))
    if not whole or facts.counts or facts.has("STARTS") == facts.has("ENDS"):
        return None
    known = facts.only(*PLACE, *EXTENT, "WHEN", "STARTS", "ENDS", "MOVES")
    return Sense(("MOTION_START" if facts.has("STARTS") else "MOTION_END",), fill) if known else None


def _when(facts: Facts) -> Sense | None:
    """Takes questions when one sound is nearest, or straight ahead."""
    if len(facts.labels) != 1 or facts.besides or facts.turns or facts.distances or facts.times or facts.numbers:
        return None
    fill = {"x": facts.labels[0]}
    if facts.counts or not facts.has(*_ASKS_TIME):
        return None
    if facts.has("NEAREST") and not facts.sides and facts.only("NEAREST", *_ASKS_TIME):
        return Sense(("WHEN_NEAREST",), fill)
    return Sense(("WHEN_AHEAD",), fill) if facts.sides == ["front"] and facts.only(*_ASKS_TIME) else None


def _listener_turned(facts: Facts) -> Sense | None:
    """Takes questions about a turn that the recording holds: to which side it went, and where a sound is after it."""
    if facts.distances or facts.times or facts.numbers or facts.counts or facts.besides:
        return None
    if not facts.labels:
        asks = facts.turns == ["?"] and len(facts.sides) == 1 and "OR" in facts.words  # "did you turn left or right?"
        asks = asks or ("TURN" in facts.words and not facts.turns and facts.either == "left_right")
        return Sense(("LISTENER_TURN",)) if asks and facts.only("TURN", "OR", "SIDE_ASKED", "DIRECTION") else None
    if len(facts.labels) > 1 or facts.sides or facts.turns or "TURN" not in facts.words:
        return None
    tokens = facts.reading.tokens
    of_it = any(one.kind == "label" and other.value == "TURN" for one, other in pairwise(tokens))
    whole = facts.has("WHERE", "LOCATION") or (facts.has("DIRECTION") and facts.has(*EXTENT))
    after = "after the turn" in facts.reading.line or "once the turn" in facts.reading.line
    if of_it and not after:
        return None  # it is the sound that turns
    known = whole and after and facts.only(*PLACE, *EXTENT, "TURN", "ENDS")
    return Sense(("AFTER_TURN",), {"x": facts.labels[0]}) if known else None


def _caption(facts: Facts) -> Sense | None:
    """Takes questions for all sounds with their times and places."""
    if facts.labels or not facts.plain or facts.yes_no:
        return None
    asked = facts.has("WHEN", "TIMES") and facts.has("WHERE", "LOCATION", "TIMES") and facts.has("ASKED", *HEARD)
    several = facts.has("SOUNDS", "BOTH") or "what sound" in facts.reading.line
    known = facts.only("WHEN", "TIMES", "WHERE", "LOCATION", "BOTH")
    return Sense(("CAPTION",)) if asked and several and known else None


MOTION_RULES = (*(_faster, _moves, _starts_and_ends_on_sides, _place_at_a_time, _when, _listener_turned, _caption),)
