"""Binaural: the two ears of a head."""

import re
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats.base import AudioFormat
from spatial_llm.errors import AudioError


@dataclass(frozen=True)
class Binaural(AudioFormat):
    """The two ears of a head.

    Attributes:
        sofa: path of a SOFA file with head-related impulse responses; None = MIT KEMAR.
    """

    kind: ClassVar[str] = "binaural"
    texts: ClassVar[str] = "binaural, binaural:<file.sofa>"
    tells: ClassVar[str] = "left from right; front from back and the elevation by the colour that a head gives the sound"
    tells_elevation: ClassVar[bool] = True
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
    def text(self) -> str:
        """Returns "binaural" or "binaural:<file.sofa>"."""
        return f"{self.kind}:{self.sofa}" if self.sofa else self.kind

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


BINAURAL = Binaural()  # what encoders of two ears take; whose head it was recorded with does not matter to them
