"""Microphone formats: what a scene is heard with. One scene renders to any of them, with the same truth.

Channel orders: binaural left, right; ambisonics ACN with SN3D normalisation (W Y Z X ...), order n has (n + 1)^2
channels; an array its microphones in the order of their coordinates; mono one omnidirectional microphone.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Literal

from spatial_llm.errors import SceneError
from spatial_llm.files import sha256_of

Xyz = tuple[float, float, float]
MAX_ORDER = 3


@dataclass(frozen=True)
class MicrophoneFormat:
    """One microphone format; `parse_format` reads it from a short name.

    Attributes:
        kind: binaural, ambisonics, array or mono.
        sofa: binaural only: path of a SOFA file with head-related impulse responses; None = MIT KEMAR.
        order: ambisonics only: 1, 2 or 3.
        positions_m: array only: omnidirectional microphones, (xyz) metres in the listener's frame (x front, y left, z
            up) around its position.
    """

    kind: Literal["binaural", "ambisonics", "array", "mono"] = "binaural"
    sofa: str | None = None
    order: int | None = None
    positions_m: tuple[Xyz, ...] | None = None

    def __post_init__(self) -> None:
        wanted = {"binaural": {"sofa"}, "ambisonics": {"order"}, "array": {"positions_m"}, "mono": set()}
        if self.kind not in wanted:
            raise SceneError(f"format kind is {self.kind!r}; known are {', '.join(wanted)}.")
        given = {name for name in ("sofa", "order", "positions_m") if getattr(self, name) is not None}
        needed = wanted[self.kind] - {"sofa"}
        if given - wanted[self.kind] or needed - given:
            raise SceneError(f"format {self.kind!r} with {sorted(given)}; expected {sorted(wanted[self.kind]) or 'none'}.")
        if self.order is not None and not 1 <= self.order <= MAX_ORDER:
            raise SceneError(f"ambisonics of order {self.order}; give 1 to {MAX_ORDER}.")
        if self.positions_m is not None and len(self.positions_m) < 1:
            raise SceneError("array without microphones; give positions_m as a list of [x, y, z] in metres.")
        for index, position in enumerate(self.positions_m or ()):
            try:
                there = len(position) == 3 and all(math.isfinite(value) for value in position)
            except (TypeError, OverflowError):
                there = False
            if not there:
                raise SceneError(
                    f"microphone {index} of the array is at {position}; give (x, y, z) in metres, finite numbers."
                )

    @property
    def channels(self) -> int:
        """Number of channels of a recording in this format."""
        if self.kind == "ambisonics":
            return (self.order + 1) ** 2
        return len(self.positions_m) if self.kind == "array" else {"binaural": 2, "mono": 1}[self.kind]

    @property
    def name(self) -> str:
        """A short name, safe in file names: "binaural", "ambisonics2", "binaural-<SOFA file>" (wherever that file lies),
        "array4-<hash of the positions>", "mono"."""
        if self.kind == "binaural" and self.sofa:
            return f"binaural-{re.sub(r'[^A-Za-z0-9_]+', '_', PurePath(self.sofa).stem)}"
        if self.kind == "array":
            return f"array{self.channels}-{hashlib.sha256(json.dumps(self.positions_m).encode()).hexdigest()[:8]}"
        return f"{self.kind}{self.order or ''}"

    @property
    def portable(self) -> "MicrophoneFormat":
        """The same with its SOFA file where a data folder keeps it: in `hrtf/`."""
        return self if self.sofa is None else replace(self, sofa=f"hrtf/{PurePath(self.sofa).name}")

    @property
    def has_mirror(self) -> bool:
        """Whether the recording of the mirrored scene follows exactly from that of the scene itself."""
        return self.kind in ("ambisonics", "mono") or (self.kind == "binaural" and self.sofa is None)


def parse_format(text: str) -> MicrophoneFormat:
    """A format from its short name: "binaural", "binaural:<file.sofa>", "ambisonics1" to "ambisonics3", "foa" (the first
    order), "mono", or "array:[[x, y, z], ...]" with coordinates in metres.

    Raises:
        SceneError: none of these.
    """
    kind, _, rest = text.partition(":")
    if text == "binaural:":
        raise SceneError("format 'binaural:' names no SOFA file; give binaural:<file.sofa>, or binaural for MIT KEMAR.")
    if kind == "binaural":
        return MicrophoneFormat("binaural", sofa=rest or None)
    if kind == "array":
        try:
            positions = tuple(tuple(map(float, position)) for position in json.loads(rest))
        except (ValueError, TypeError, RecursionError):
            positions = ((),)
        if any(len(position) != 3 for position in positions):
            raise SceneError(f"format {text!r}: expected array:[[x, y, z], ...] with coordinates in metres.")
        return MicrophoneFormat("array", positions_m=positions)
    if text == "mono":
        return MicrophoneFormat("mono")
    order = {"foa": 1} | {f"ambisonics{n}": n for n in range(1, MAX_ORDER + 1)}
    if text in order:
        return MicrophoneFormat("ambisonics", order=order[text])
    raise SceneError(
        f"format {text!r} is not known; give binaural, binaural:<file.sofa>, {', '.join(order)}, mono, "
        "or array:[[x, y, z], ...]."
    )


def sofa_hashes(texts: Iterable[str]) -> dict[str, str]:
    """Of the formats that have a SOFA file: name -> SHA-256 of the file. Raises SceneError: it is not there."""
    kinds = [kind for kind in map(parse_format, texts) if kind.sofa is not None]
    for kind in kinds:
        if not Path(kind.sofa).is_file():
            raise SceneError(f"{kind.sofa}: no such file; give a SOFA file with head-related impulse responses.")
    return {kind.name: sha256_of(kind.sofa) for kind in kinds}
