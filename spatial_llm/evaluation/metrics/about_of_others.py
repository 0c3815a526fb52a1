"""Infers what a question without a recorded meaning is about, from its wording and its answer: in manifests of earlier
versions, the released SpatialSoundQA, and data from elsewhere. Records of ours carry the meaning (`questions.About`)
themselves.

The source in question is the only source, the one at the true place, the one of the true label, or the one whose name occurs
in the question. What is true of the mirror image follows from the words left and right in the question. If that leaves none
or several, the result is None, and measures that need it leave the item out.
"""

import re
from collections.abc import Sequence
from typing import Any

from spatial_llm.answers import Location
from spatial_llm.data.record import Record
from spatial_llm.questions.about import About
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.families.own import OPEN
from spatial_llm.questions.families.rotated import TURNS_DEG
from spatial_llm.questions.mirroring import mirror

# Questions about a relation, all sources or the room: they are not about the place of one source.
_OF_NO_SOURCE = (
    "MIXUP_DIRECTION", "MIXUP_DISTANCE_BOTH", "MIXUP_NONBINARY_DIRECTION", "MIXUP_NONBINARY_DISTANCE", "COUNT_SOURCES",
    "COUNT_CLASSES", "SAME_CLASS", "ONSET_ORDER", "ROOM_RT60", "ROOM_SIZE", "ROOM_REVERB", "SWAPPED",
    "OVERLAP", "ANY_MOVES", "COUNT_MOVING", "LISTENER_TURN", "CAPTION", OPEN,
)  # fmt: skip
_OF_PRESENCE = ("PRESENT", "PRESENT_AT_PLACE")
_TURNED = ("ROTATED", "ROTATED_AZIMUTH")
# A question of these types names a place or a side, and the item does not tell what sounds there in the mirror image.
_OF_A_SIDE = (
    "MIXUP_SINGLE_CLASSIFICATION", "MIXUP_NONBINARY_SOURCE", "RELATION_LEFT", "RELATION_RIGHT", "PRESENT_AT_PLACE",
    "CROSSES",
)  # fmt: skip
_SIDE = re.compile(r"\b(left|right)\b", re.IGNORECASE)
_RELATION = re.compile(r"\b(left|right)( side)? of\b", re.IGNORECASE)
_PLACE = re.compile(r"\b(left|right), (front|behind), (above|below), (\d{1,4}(?:\.\d+)?) meters?\b", re.IGNORECASE)

Labels = Sequence[Sequence[str]]


def infer_about(record: Record, value: dict[str, Any], labels: Labels, sources: Sequence[HeardSource | None]) -> About:
    """Returns the source that a question asks about, as `sources` with one index or none, and the turn that it names.

    Args:
        record: a record without `about`.
        value: value of its true answer.
        labels, sources: classes of each source of the recording, and the source itself (None, or without an azimuth: its
            place is not known).
    """
    turn_deg = _turn_deg(record.question) if record.question_type in _TURNED else 0.0
    if turn_deg is None or any(source is None or source.azimuth_deg is None for source in sources):
        return About(turn_deg=turn_deg or 0.0)
    index = _asked_about(record, value, labels, [source.after_turn(turn_deg) for source in sources])
    return About(() if index is None else (index,), turn_deg=turn_deg)


def infer_mirrored(record: Record, value: dict[str, Any]) -> dict[str, Any] | None:
    """Returns the true value of a question after the ears of its recording are swapped; None if the wording does not
    determine it.

    Which sound is at a named place, or on a named side, of the mirror image is not known. Neither is the answer to "X from
    the left and Y from the right" in released data, whose no may mean that both are on one side; our own writer asks it only
    of sources on opposite sides. A question type is answered either for both yes and no or for neither, so that the
    remaining items are no easier to guess.
    """
    kind, sided = record.question_type, _SIDE.search(record.question) is not None
    about = About(axis="left_right") if sided else About()
    if kind in _OF_A_SIDE:
        return None if sided else value
    if kind == "MIXUP_DIRECTION" and sided and _RELATION.search(record.question) is None and record.scene is None:
        return None
    if kind == "SWAPPED":
        places = tuple(Location(*words, float(far_m)) for *words, far_m in _PLACE.findall(record.question.lower()))
        if len(places) != 2:
            return None
        about = About(places=places)
    if kind in _TURNED:
        turn_deg = _turn_deg(record.question)
        if turn_deg is None:
            return None
        about = About(turn_deg=turn_deg)
    return mirror(kind, about, value)


def _turn_deg(question: str) -> float | None:
    """Returns the turn that a question names first; a later angle may be the convention ("from -180 to 180 degrees")."""
    found = [(question.find(words), turn_deg) for words, turn_deg in TURNS_DEG.items() if words in question]
    return min(found)[1] if found else None


def _asked_about(record: Record, value: dict[str, Any], labels: Labels, turned: Sequence[HeardSource]) -> int | None:
    kind, every = record.question_type, range(len(turned))
    if (
        kind in _OF_NO_SOURCE
        or "absent" in value
        or "unknown" in value
        or (kind in _OF_PRESENCE and value == {"yes": False})
    ):
        return None
    if len(turned) == 1:
        return 0
    named = _named(record.question, labels)
    if "left_right" in value:
        words = (value["left_right"], value["front_behind"], value["above_below"])
        there = [index for index in every if turned[index].words == words]
        exactly = [index for index in there if turned[index].location.to_dict() == value]
        found = [_only(there), _only(exactly), _only([index for index in exactly or there if index in named])]
        return next((index for index in found if index is not None), None)
    if "labels" in value:
        return _only([index for index in every if set(labels[index]) == set(value["labels"])])
    return _only(named)


def _named(question: str, labels: Labels) -> list[int]:
    """Returns the sources that have a label in the question, not counting a label inside a longer one that is there too."""
    text = question.lower()
    names = {name for each in labels for name in each if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text)}
    names -= {short for short in names for long in names if short != long and short in long}
    return [index for index, each in enumerate(labels) if names.intersection(each)]


def _only(indices: Sequence[int]) -> int | None:
    return indices[0] if len(indices) == 1 else None
