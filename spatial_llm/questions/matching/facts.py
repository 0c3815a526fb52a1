"""What the rules of questions ask of a reading, and what they find."""

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
        *("NOT", "OR", "IFANY", "LESS", "MORE", "SAMETIME", "OVERLAP", "ANYTIME", "MOVES", "CLOCKWISE", "APPROACHES"),
        *("FASTER", "TIMES"),
    )
)
PLACE = ("WHERE", "LOCATION", "DIRECTION", "SIDE_ASKED")
EXTENT = ("HOWFAR", "DISTANCE")
HEARD = ("SOUND", "SOUNDS", "HEAR", "SOUNDING", "MAKES", "RECORDING", "PRESENT", "THIS")


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


class Facts:
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
        pairs = len(set(spoken)) == len(spoken) and {OPPOSITE[side] for side in spoken} == set(spoken)
        if "OR" in self.words and len(spoken) > 2 and pairs:
            self.either = "all"
        marked = self.after(lambda token: token.kind == "beside")
        # "In front of or behind me" is beside nothing but the listener.
        self.beside_something = bool(self.besides) and (self.either is None or marked is not None)
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
        found = (next((token.value for token in tokens[mark:] if token.kind == "label"), None) for mark in reversed(marks))
        return next((label for label in found if label is not None), None)

    def other(self, label: str) -> str:
        """Returns the sound of two that is not this one."""
        return next(each for each in self.labels if each != label)


def place_of(sides: Sequence[str], distance: str | None) -> tuple[str, str] | None:
    """Returns a place in the words of questions ("right, front, below", "3 meters"); None if it is not whole."""
    by_axis = {AXIS_OF[side]: side for side in sides}
    if len(by_axis) < 3 or len(sides) != 3 or distance is None:
        return None
    words = ", ".join(by_axis[axis] for axis in ("left_right", "front_behind", "above_below"))
    return words, f"{distance} meter{'' if distance == '1' else 's'}"
