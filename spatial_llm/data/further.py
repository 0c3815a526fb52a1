"""What a record may hold besides one question about one recording: turns before it, and recordings after the first.

A model is trained on the answers of all turns. The recordings stand in front of the first question, in order.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from spatial_llm.errors import ManifestError
from spatial_llm.prompts import AUDIO_TOKEN
from spatial_llm.scenes.scene import Scene
from spatial_llm.scenes.scene_json import scene_to_dict
from spatial_llm.validation import STRICT

if TYPE_CHECKING:  # a record holds these
    from spatial_llm.data.record import Record


@dataclass(frozen=True)
class EarlierTurn:
    """Holds a question of the same conversation that came before, and its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Pair:
    """Holds one source of a recording as the released data have it: a dry sound and a room response, two files.

    labels: its event classes; azimuth_deg, elevation_deg, distance_m: where the response puts it, in the internal frame.
    Each is None if the release does not give it.
    """

    audio: str
    response: str
    labels: tuple[str, ...] | None = None
    azimuth_deg: float | None = None
    elevation_deg: float | None = None
    distance_m: float | None = None


@dataclass(frozen=True)
class OtherRecording:
    """Holds a further recording of a record, in one of the three forms of its first; the fields are those of `Record`."""

    recording_id: str
    audio: str | None = None
    scene: Scene | None = None
    pairs: tuple[Pair, ...] | None = None
    protocol: Literal["official_bat", "checkpoint_matched"] | None = None
    audio_format: str | None = None


for _kind in (EarlierTurn, Pair, OtherRecording):
    _kind.__pydantic_config__ = STRICT


def given(value: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass that are not None, as JSON has them."""
    fields = ((name, item) for name, item in vars(value).items() if item is not None)
    return {name: list(item) if isinstance(item, tuple) else item for name, item in fields}


def other_to_dict(other: OtherRecording) -> dict[str, Any]:
    """Returns a further recording as its manifest line has it."""
    line = given(other)
    if other.scene is not None:
        line["scene"] = scene_to_dict(other.scene)
    if other.pairs is not None:
        line["pairs"] = [given(pair) for pair in other.pairs]
    return line


def refuse_further(record: "Record", doing: str) -> None:
    """Raises ManifestError if a record has earlier turns or further recordings, where only one question about one recording
    is understood; `doing` names what cannot be done with it."""
    held = [name for name in ("earlier", "others") if getattr(record, name) is not None]
    if held:
        raise ManifestError(
            f"record {record.id!r} has {' and '.join(held)}, with which it cannot be {doing}: only a record of one question "
            "about one recording can; leave it out."
        )


def check_further(record: "Record", where: str) -> None:
    """Checks the turns before a record's question, and that its recordings are different ones.

    Raises:
        ManifestError: `earlier` or `others` is there and empty; an earlier text is blank or holds the placeholder; or two of
            the recordings have one id.
    """
    for name in ("earlier", "others"):
        if getattr(record, name) == ():
            raise ManifestError(f"{where}: {name} is empty; leave it out, or give at least one.")
    for index, turn in enumerate(record.earlier or ()):
        for field in ("question", "answer"):
            text = getattr(turn, field)
            if not text.strip() or AUDIO_TOKEN in text:
                raise ManifestError(
                    f"{where}: earlier[{index}].{field} is {text!r}; expected a text without {AUDIO_TOKEN!r}."
                )
    ids = [record.recording_id, *(other.recording_id for other in record.others or ())]
    if len(set(ids)) < len(ids) or "" in ids:
        raise ManifestError(f"{where}: the recordings have the ids {ids}; give each its own, and each recording once.")
