"""What a question asks besides its meaning: to be thought out, or to be answered only if that can be told."""

import re
from collections.abc import Sequence

_THOUGHT = {
    "NEAREST": "THINK_NEAREST",
    "FARTHEST": "THINK_FARTHEST",
    **{f"RELATION_{side}": "THINK_RELATION" for side in ("LEFT", "RIGHT", "FRONT", "BEHIND")},
    "MIXUP_DISTANCE_BOTH": "THINK_NEARER",
    "MIXUP_DIRECTION": "THINK_DIRECTION",
    "WRONG_PLACE": "THINK_SIDE",
    "FASTER": "THINK_FASTER",
}
_IF_KNOWN = {
    "ELEVATION_DEG": "ELEVATION_IF_KNOWN",
    "DISTANCE": "DISTANCE_IF_KNOWN",
    "MIXUP_SINGLE_DOA": "LOCATION_IF_KNOWN",
    "SPAN": "SPAN_IF_KNOWN",
}
ASIDE_TYPES = (*dict.fromkeys((*_THOUGHT.values(), *_IF_KNOWN.values())),)
_THINK = r"(?:please )?(?:(?:think|reason)\b[^.:!?,]*|(?:say what you hear(?: and where)?|tell each step), then answer)"
_TELLS = r"(?:it can be told|you can tell|(?:the|this) recording tells (?:it|that))"
_BEFORE = {
    re.compile(rf"\s*{_THINK}[.:!,]\s+", re.IGNORECASE): _THOUGHT,
    re.compile(rf"\s*(?:if {_TELLS}|as far as (?:the|this) recording tells)[,:]\s+", re.IGNORECASE): _IF_KNOWN,
}
_AFTER = {
    re.compile(rf"(?<=[.?!])\s+{_THINK}[.!]?\s*$", re.IGNORECASE): _THOUGHT,
    re.compile(
        rf",? (?:or say that you cannot tell|unless (?:that|it) cannot be told|if {_TELLS})(?=[.?!]?\s*$)", re.IGNORECASE
    ): _IF_KNOWN,
}
_LONGEST = 500  # characters of a question that is looked through


def without_aside(text: str) -> tuple[str, dict[str, str]]:
    """Returns a question without what it asks besides its meaning, and which question types that makes of others; the text
    itself and nothing if it asks nothing besides."""
    if len(text) <= _LONGEST:
        for pattern, types in _BEFORE.items():
            if found := pattern.match(text):
                return text[found.end() :], types
        for pattern, types in _AFTER.items():
            if found := pattern.search(text):
                return text[: found.start()] + text[found.end() :], types
    return text, {}


def with_aside(types: Sequence[str], aside: dict[str, str]) -> tuple[str, ...]:
    """Returns the question types that have the meaning and the aside, then those that have the meaning alone."""
    return (*dict.fromkeys(aside[name] for name in types if name in aside), *types)
