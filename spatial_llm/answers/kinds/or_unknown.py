"""Parses and writes values that may not be known: a value of another kind, or "I cannot tell".

The strict reading takes "I cannot tell" alone for that, the lenient one every text that declines to answer (`refusals`).
Whether a refusal is right is decided where answers are scored: it is where nobody could know, and rejected where one could.
"""

from collections.abc import Collection

from spatial_llm.answers.axes import Reading, is_lenient
from spatial_llm.answers.kind import Kind, Value
from spatial_llm.answers.kinds import distance, elevation, location, span
from spatial_llm.answers.refusals import is_refusal

UNKNOWN = {"unknown": True}
CANNOT_TELL = "I cannot tell"


def or_unknown(known: Kind) -> Kind:
    """Returns the kind of values that are of the kind `known`, or UNKNOWN."""

    def read(text: str, reading: Reading, names: Collection[str] | None = None) -> Value | None:
        lenient = is_lenient(reading)
        if " ".join(text.lower().split()).removesuffix(".") == CANNOT_TELL.lower():
            return dict(UNKNOWN)
        value = known.read(text, "strict", names)
        if not lenient or value is not None:
            return value
        return dict(UNKNOWN) if is_refusal(text) else known.read(text, reading, names)

    def format(value: Value) -> str:
        return CANNOT_TELL if value == UNKNOWN else known.format(value)

    def mirror(value: Value) -> Value:
        return value if value == UNKNOWN else known.mirror(value)

    return Kind(f"{known.name}_or_unknown", read, format, mirror)


ELEVATION = or_unknown(elevation.KIND)
DISTANCE = or_unknown(distance.KIND)
LOCATION = or_unknown(location.KIND)
SPAN = or_unknown(span.KIND)
