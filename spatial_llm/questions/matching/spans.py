"""Patterns of sides, turns of the listener, distances and times in a question, as `reading.normalized` writes it."""

import re
from functools import cache
from typing import NamedTuple

AXIS_OF = {
    "left": "left_right",
    "right": "left_right",
    "front": "front_behind",
    "behind": "front_behind",
    "above": "above_below",
    "below": "above_below",
}
OPPOSITE = {"left": "right", "right": "left", "front": "behind", "behind": "front", "above": "below", "below": "above"}
_ME = (
    r"(?:me|us|you|myself|yourself|the listener|listener|(?:my|your|the) head|"
    r"(?:my|your) (?:position|body|ears|face|back|feet|shoulders|nose|eyes|location|seat))"
)
_THE = r"(?:the |my |your )?"
_FRONT = (
    r"in front|in the front|front|up ahead|straight ahead|dead ahead|ahead|forwards?|frontal|in the foreground|on the front|"
    rf"out front|up front|directly ahead|straight in front|forward of|ahead of|"
    rf"before(?= me| you)|(?:on|in|at|from|to|toward|towards) {_THE}front(?: side)?"
)
_BEHIND = (
    rf"behind|(?:at|in|to|from|on|toward|towards|round|around) {_THE}(?:back|rear|behind)(?: side)?|in back|rear|backwards?|"
    r"rearwards?|astern|towards? the rear|back side|back there|back"
)
_ABOVE = (
    r"above|overhead|over|on top|(?:at|on|from|to) (?:the )?top|upwards?|up above|higher up|up high|high up|from up high|"
    r"from up|up there|atop|high above|from on high|from the top|up(?=,| ,| or| and|$)|upper"
)
_BELOW = (
    r"below|underneath|under|beneath|down below|downwards?|down low|low down|lower down|down there|from down|"
    r"(?:at|on|from|to) (?:the )?bottom|down(?=,| ,| or| and|$)|lower(?! than)"
)
_LATERAL = (
    r"(?:(?:off |over |out |somewhere )*(?:to|on|at|from|in|toward|towards|by|onto) )?"
    r"(?:(?:the|my|your|our|its|their|his|a) )?{word}(?:wards?|most)?(?: (?:hand )?side| hand)?"
)
_SIDES = {
    "front": _FRONT,
    "behind": _BEHIND,
    "above": _ABOVE,
    "below": _BELOW,
    "left": rf"{_LATERAL.format(word='left')}|(?:to|on|at) (?:the |my )?port(?: side)?",
    "right": _LATERAL.format(word="(?:right|starboard)"),
}
_ROUND = (
    r"(?:completely |all the way |right )?(?:around|round)(?! \d)|u turn|backwards|"
    r"about(?= ,|$| where| what| which| how| at (?:which|what))|about face|"
    r"the (?:other|opposite) (?:way|direction)"
)
_ANGLE = (
    r"(?P<angle>\d+(?:\.\d+)?) ?(?:degrees?|deg)|"
    r"(?P<quarter>(?:a )?quarter(?: of a)?(?: full)?(?: (?:turn|circle|rotation))?|"
    rf"a right angle)|(?P<half>(?:a )?half(?: of a)?(?: (?:turn|circle|rotation))?|{_ROUND})|"
    r"(?P<eighth>an eighth(?: of a)?(?: turn| circle)?)"
)
_TO = (
    r"(?:(?:to|toward|towards|on|in) )?(?:(?:the|my|your) )?(?P<to>left|right|clockwise|counter ?clockwise|anti ?clockwise)"
    r"(?:wards?)?(?: (?:hand )?side| direction)?(?! of)"
)
_VERB = (
    r"(?:turn|turned|turning|turns|rotate|rotated|rotating|rotates|rotation|spin|spun|spinning|pivot|pivoted|pivoting|swivel|"
    r"swiveled|swivelled|face|faced|facing|swing|swung|look|looked|looking)"
)
_WHO = (
    r"(?: (?:i|you|me|myself|yourself|(?:my|your|the) (?:head|body)|the listener|by|of|a|an|about|exactly|through|"
    r"around(?= by| \d)|round(?= by| \d)))*"
)
TURNS = (
    re.compile(rf"\b{_VERB}{_WHO} (?:{_ANGLE})(?: (?:turn|rotation))?(?: {_TO})?\b"),
    re.compile(rf"\b(?:a )?(?:{_ANGLE}) (?:{_VERB} )?{_TO}(?: {_VERB})?\b"),
    re.compile(rf"\b(?:{_ANGLE}) {_VERB}(?: {_TO})?\b"),
    re.compile(rf"\b{_VERB}{_WHO} {_TO}{_WHO}(?: (?:{_ANGLE}))?\b"),
)
_NUMBERED = {
    "distance": re.compile(
        r"(?<![\d.])(?P<number>\d+(?:\.\d+)?) ?(?:m|meters?|metres?)\b(?: (?:away|off|distant|from me|from you))?"
    ),
    "time": re.compile(r"(?<![\d.])(?P<number>\d+(?:\.\d+)?) ?(?:s|sec|secs|seconds?)\b"),
}


class Side(NamedTuple):
    """Holds a side at the beginning of a text: its word, the text of it, whether something follows whose side it is ("left
    of"), and whether that is the listener ("left of me")."""

    side: str
    text: str
    is_beside: bool
    is_mine: bool


@cache
def _sides() -> list[tuple[re.Pattern[str], str]]:
    after = rf"(?P<me> (?:of |from |to )?{_ME})?(?P<of> (?:of|from)(?! {_ME}\b))?(?= |$)"
    return [(re.compile(f"(?:{pattern}){after}"), side) for side, pattern in _SIDES.items()]


def side_at(line: str) -> Side | None:
    """Returns the longest side with which a text begins."""
    found = [(match, side) for pattern, side in _sides() if (match := pattern.match(line))]
    if not found:
        return None
    match, side = max(found, key=lambda each: len(each[0].group()))
    return Side(side, match.group(), bool(match["of"]), bool(match["me"]))


def number_at(line: str) -> tuple[str, str, str] | None:
    """Returns the kind ("distance", "time"), the number and the text of an amount with which a text begins."""
    for kind, pattern in _NUMBERED.items():
        if match := pattern.match(line):
            return kind, f"{float(match['number']):g}", match.group()
    return None


def turn_of(match: re.Match[str]) -> str:
    """Returns a turn in the form of questions ("90 degrees to the left"); "?" where angle or side is not said."""
    found = match.groupdict()
    angle = "90" if found["quarter"] else "180" if found["half"] else "45" if found["eighth"] else found["angle"]
    if angle is None:
        return "?"
    angle = f"{float(angle):g}"
    if angle == "180":
        return "180 degrees"
    to = (found["to"] or "").replace(" ", "")
    side = {"clockwise": "right", "counterclockwise": "left", "anticlockwise": "left"}.get(to, to)
    return f"{angle} degrees to the {side}" if side else "?"
