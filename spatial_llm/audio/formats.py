"""Audio formats: what the channels of a recording are. A recording, a record, an encoder and `ask` each have one.

Two formats are compared, never guessed from a number of channels: where a recording and its user disagree, `check_same`
names both. Channel orders: binaural left, right; ambisonics ACN with SN3D normalisation (W Y Z X ...), order n has
(n + 1)^2 channels; an array its microphones in the order of their coordinates; mono one omnidirectional microphone.

A format is written in two ways: as a short text (`parse_format`: "binaural", "foa", "array:[[x, y, z], ...]"), and in scenes
and banks as a JSON object (`format_from_dict`, `format_to_dict`). A new format is one class here, one entry of `FORMATS`,
and one microphone in `scenes.microphones`.
"""

import hashlib
import json
import math
import re
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import PurePath
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.format import AudioFormat, Xyz
from spatial_llm.errors import AudioError

MAX_ORDER = 3
AMBISONIC_NAMES = "WYZXVTRSUQOMKLNP"  # in ACN order


@dataclass(frozen=True)
class Binaural(AudioFormat):
    """The two ears of a head.

    Attributes:
        sofa: path of a SOFA file with head-related impulse responses; None = MIT KEMAR.
    """

    kind: ClassVar[str] = "binaural"
    texts: ClassVar[str] = "binaural, binaural:<file.sofa>"
    channels: ClassVar[int] = 2
    channel_names: ClassVar[tuple[str, ...]] = ("left", "right")

    sofa: str | None = None

    def __post_init__(self) -> None:
        if not (self.sofa is None or isinstance(self.sofa, str)):
            raise AudioError(f"sofa of a binaural format is {self.sofa!r}; give the path of a SOFA file as a text.")

    @classmethod
    def parse(cls, text: str) -> AudioFormat | None:
        """Parses "binaural" or "binaural:<file.sofa>"."""
        kind, colon, sofa = text.partition(":")
        if colon and not sofa and kind == cls.kind:
            raise AudioError(f"format {text!r} names no SOFA file; give binaural:<file.sofa>, or binaural for MIT KEMAR.")
        return cls(sofa or None) if kind == cls.kind else None

    @property
    def name(self) -> str:
        """Returns "binaural", or "binaural-<SOFA file>", independent of the folder of the file."""
        return f"binaural-{re.sub(r'[^A-Za-z0-9_]+', '_', PurePath(self.sofa).stem)}" if self.sofa else "binaural"

    @property
    def layout(self) -> AudioFormat:
        """Returns left and right ear, for any head."""
        return BINAURAL

    @property
    def portable(self) -> AudioFormat:
        """Returns the same head, its file in `hrtf/`."""
        return self if self.sofa is None else replace(self, sofa=f"hrtf/{PurePath(self.sofa).name}")

    def mirror(self, waveform: NDArray) -> NDArray:
        """Returns the recording with the ears exchanged."""
        return np.ascontiguousarray(waveform[::-1])

    def mirrors_exactly(self, measured: bool = False) -> bool:
        """Returns True only for KEMAR's simulated ears; those of a measured head can differ."""
        return self.sofa is None and not measured


@dataclass(frozen=True)
class Ambisonics(AudioFormat):
    """Spherical harmonics of the sound field at one point, ACN order and SN3D normalisation.

    Attributes:
        order: 1, 2 or 3.
    """

    kind: ClassVar[str] = "ambisonics"
    texts: ClassVar[str] = "foa, " + ", ".join(f"ambisonics{order}" for order in range(1, MAX_ORDER + 1))

    order: int

    def __post_init__(self) -> None:
        if isinstance(self.order, bool) or not isinstance(self.order, int) or not 1 <= self.order <= MAX_ORDER:
            raise AudioError(f"ambisonics of order {self.order!r}; give 1 to {MAX_ORDER}.")

    @classmethod
    def parse(cls, text: str) -> AudioFormat | None:
        """Parses "foa", or "ambisonics" and the order."""
        orders = {"foa": 1} | {f"{cls.kind}{order}": order for order in range(1, MAX_ORDER + 1)}
        return cls(orders[text]) if text in orders else None

    @property
    def channels(self) -> int:
        """Returns (order + 1)^2."""
        return (self.order + 1) ** 2

    @property
    def name(self) -> str:
        """Returns "ambisonics1" to "ambisonics3"."""
        return f"ambisonics{self.order}"

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Returns W, Y, Z, X, ..."""
        return tuple(AMBISONIC_NAMES[: self.channels])

    def mirror(self, waveform: NDArray) -> NDArray:
        """Returns the recording with the sign of the channels that are odd in y (index m < 0) reversed."""
        degrees = range(self.order + 1)
        signs = np.concatenate([np.where(np.arange(-degree, degree + 1) < 0, -1.0, 1.0) for degree in degrees])
        return waveform * signs[:, None].astype(waveform.dtype)

    def mirrors_exactly(self, measured: bool = False) -> bool:
        """Returns True: the harmonics are even or odd in y."""
        return True


@dataclass(frozen=True)
class Array(AudioFormat):
    """Omnidirectional microphones at given positions.

    Attributes:
        positions_m: (xyz) of each in metres, in the listener's frame (x front, y left, z up) around its position.
    """

    kind: ClassVar[str] = "array"
    texts: ClassVar[str] = "array:[[x, y, z], ...]"

    positions_m: tuple[Xyz, ...] = field()  # in place of the base's default: it must be given

    def __post_init__(self) -> None:
        if len(self.positions_m) < 1:
            raise AudioError("array without microphones; give positions_m as a list of [x, y, z] in metres.")
        for index, position in enumerate(self.positions_m):
            try:
                there = len(position) == 3 and all(math.isfinite(value) for value in position)
            except (TypeError, OverflowError):
                there = False
            if not there:
                raise AudioError(
                    f"microphone {index} of the array is at {position}; give (x, y, z) in metres, finite numbers."
                )

    @classmethod
    def parse(cls, text: str) -> AudioFormat | None:
        """Parses "array:" and the positions as JSON."""
        kind, _, positions = text.partition(":")
        if kind != cls.kind:
            return None
        try:
            found = tuple(tuple(map(float, position)) for position in json.loads(positions))
        except (ValueError, TypeError, OverflowError, RecursionError):
            found = ((),)
        if any(len(position) != 3 for position in found):
            raise AudioError(f"format {text!r}: expected array:[[x, y, z], ...] with coordinates in metres.")
        return cls(found)

    @classmethod
    def from_fields(cls, given: dict[str, Any]) -> AudioFormat:
        """Returns the format with `positions_m` as JSON lists of numbers; a text or a boolean is no number."""
        positions = given["positions_m"]
        for index, row in enumerate(positions if isinstance(positions, list) else [positions]):
            numbers = isinstance(row, list) and all(type(value) in (int, float) for value in row)
            if not numbers:
                raise AudioError(f"microphone {index} of the array is at {row!r}; give [x, y, z] in metres, finite numbers.")
        try:
            return cls(tuple(tuple(map(float, row)) for row in positions))
        except OverflowError:
            raise AudioError("a microphone of the array is beyond all floats; give [x, y, z] in metres.") from None

    @property
    def channels(self) -> int:
        """Returns the number of microphones."""
        return len(self.positions_m)

    @property
    def name(self) -> str:
        """Returns "array4-<hash of the positions>"."""
        return f"array{self.channels}-{hashlib.sha256(json.dumps(self.positions_m).encode()).hexdigest()[:8]}"

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Returns "1", "2", ..."""
        return tuple(str(channel + 1) for channel in range(self.channels))


@dataclass(frozen=True)
class Mono(AudioFormat):
    """One omnidirectional microphone at the listener's position."""

    kind: ClassVar[str] = "mono"
    texts: ClassVar[str] = "mono"
    channels: ClassVar[int] = 1
    name: ClassVar[str] = "mono"
    channel_names: ClassVar[tuple[str, ...]] = ("mono",)

    def mirror(self, waveform: NDArray) -> NDArray:
        """Returns the recording itself: it has no left and no right."""
        return waveform

    def mirrors_exactly(self, measured: bool = False) -> bool:
        """Returns True."""
        return True


BINAURAL = Binaural()  # what the encoders of today take; whose head it was recorded with does not matter to them
FORMATS: dict[str, type[AudioFormat]] = {each.kind: each for each in (Binaural, Ambisonics, Array, Mono)}
_FIELDS = tuple(each.name for format in FORMATS.values() for each in fields(format))


def parse_format(text: str) -> AudioFormat:
    """Returns the format of a short text: "binaural", "binaural:<file.sofa>", "ambisonics1" to "ambisonics3", "foa" (the
    first order), "mono", or "array:[[x, y, z], ...]" with coordinates in metres.

    Raises:
        AudioError: none of these.
    """
    for each in FORMATS.values():
        if isinstance(text, str) and (found := each.parse(text)) is not None:
            return found
    raise AudioError(f"format {text!r} is not known; give {', '.join(each.texts for each in FORMATS.values())}.")


def as_format(value: "AudioFormat | str") -> AudioFormat:
    """Returns a format as it is, or from its short text. Raises AudioError, see `parse_format`."""
    return value if isinstance(value, AudioFormat) else parse_format(value)


def format_from_dict(value: Any) -> AudioFormat:
    """Returns a format from its JSON object: `kind` (default "binaural") and the fields of that kind; others may be null.

    Raises:
        AudioError: no such kind, a field that the kind does not have or one that is missing, or a value it cannot have.
    """
    if not isinstance(value, dict):
        raise AudioError(f'format is {value!r}; expected an object such as {{"kind": "ambisonics", "order": 1}}.')
    kind, given = value.get("kind", BINAURAL.kind), {k: v for k, v in value.items() if k != "kind" and v is not None}
    if not isinstance(kind, str) or kind not in FORMATS:
        raise AudioError(f"format kind is {kind!r}; known are {', '.join(FORMATS)}.")
    known = fields(FORMATS[kind])
    needed = {each.name for each in known if each.default is MISSING}
    if set(given) - {each.name for each in known} or needed - set(given):
        expected = [each.name for each in known] or "none"
        raise AudioError(f"format {kind!r} with {sorted(given)}; expected {expected}.")
    return FORMATS[kind].from_fields(given)


def format_to_dict(format: AudioFormat) -> dict[str, Any]:
    """Returns the JSON object of a format with the fields of all kinds, null where they are not its own; `format_from_dict`
    is the inverse."""
    return {"kind": format.kind} | dict.fromkeys(_FIELDS) | asdict(format)


def check_same(given: AudioFormat, wanted: AudioFormat, name: str = "the recording", user: str = "the encoder") -> None:
    """Raises AudioError, naming both, where the channels of `given` are not those that `user` takes."""
    if given.layout != wanted.layout:
        raise AudioError(f"{name} is {_described(given)}; {user} takes {_described(wanted)}.")


def _described(format: AudioFormat) -> str:
    return f"{format.name} with {format.channels} channel{'s' if format.channels > 1 else ''}"
