"""Mono: one omnidirectional microphone at the listener's position."""

from dataclasses import dataclass
from typing import ClassVar

from numpy.typing import NDArray

from spatial_llm.audio.formats.base import AudioFormat


@dataclass(frozen=True)
class Mono(AudioFormat):
    """One omnidirectional microphone at the listener's position."""

    kind: ClassVar[str] = "mono"
    texts: ClassVar[str] = "mono"
    tells: ClassVar[str] = "no direction"
    channels: ClassVar[int] = 1
    name: ClassVar[str] = "mono"
    channel_names: ClassVar[tuple[str, ...]] = ("mono",)

    def mirror(self, waveform: NDArray) -> NDArray:
        """Returns the recording itself: it has no left and no right."""
        return waveform

    def mirrors_exactly(self, measured: bool = False) -> bool:
        """Returns True."""
        return True
