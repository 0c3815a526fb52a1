"""How many questions a recording gets, of which families, and what counts as ambiguous."""

from dataclasses import dataclass, fields

from spatial_llm.errors import SceneError
from spatial_llm.questions.margins import Margins

OFFICIAL = (
    "detection", "location", "detection_at_place", "location_of_named", "direction_yes_no", "distance_yes_no",
    "open_relation",
)  # fmt: skip
FAMILIES = (
    "azimuth", "elevation", "distance", "count", "nearest", "relation", "same_class", "time", "span", "room", "rotated",
    "side", "negative",
)  # fmt: skip


@dataclass
class QuestionConfig(Margins):
    """How many questions a clip gets (0 leaves the kind out) and what counts as ambiguous.

    The official types are asked about one or two sources, always; of the families that follow, those drawn by lot until
    the clip has `limit` questions in all. Within a family its kinds take turns.
    """

    detection: int = 1  # A, of clips with one source
    location: int = 1  # B
    detection_at_place: int = 1  # C, of clips with two sources; at most one a source
    location_of_named: int = 1  # D; at most one a source
    direction_yes_no: int = 1  # E
    distance_yes_no: int = 1  # E
    open_relation: int = 1  # E: direction, distance and source in turn
    azimuth: int = 1  # in degrees, on the clock
    elevation: int = 1
    distance: int = 1
    count: int = 1  # of sources, of classes
    nearest: int = 1  # nearest, farthest
    relation: int = 1  # who is on the left of, on the right of, in front of, behind whom
    same_class: int = 1  # where the two of one class are
    time: int = 1  # which first, order of all, what starts when, how long
    span: int = 1  # from when to when one sounds
    room: int = 1  # reverberation time, size, dry or reverberant
    rotated: int = 1  # where it would be after a turn: in words, in degrees
    side: int = 0  # of the negatives: whether a source is on the left, in front, ... of the listener; they ask it too
    negative: int = 2  # absent sounds, present ones at a wrong place, exchanged places
    limit: int = 10  # of questions a clip; the official types are not cut
    more_phrasings: bool = False  # of the official types: ours beside the official wording
    only_unseen_phrasings: bool = False  # of the split eval: all questions in wordings that training never uses

    def __post_init__(self) -> None:
        super().__post_init__()
        numbers = [getattr(self, field.name) for field in fields(self) if field.name != "rt60_bands_s"]
        if min(numbers) < 0 or self.detection_at_place > 2 or self.location_of_named > 2:
            raise SceneError(f"{self}: give 0 or more, and at most 2 questions of types C and D, one for each source.")

    @property
    def wanted_families(self) -> list[str]:
        """The families asked for, each as often as it is asked for."""
        return [name for name in FAMILIES for _ in range(getattr(self, name))]


def official_only(**values: int | float | bool) -> QuestionConfig:
    """The configuration that asks types A to E and nothing else; further fields by keyword."""
    return QuestionConfig(**dict.fromkeys(FAMILIES, 0), **values)
