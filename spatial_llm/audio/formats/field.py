"""What encoders of the sound field take: recordings of any array and of ambisonics of any order, each with its format."""

from dataclasses import dataclass
from typing import ClassVar

from spatial_llm.audio.formats.base import AudioFormat
from spatial_llm.errors import AudioError


@dataclass(frozen=True)
class Field(AudioFormat):
    """Not the format of a recording, but the set of formats that an encoder takes.

    Attributes:
        arrays: whether arrays belong to it; ambisonics of every order do.
    """

    kind: ClassVar[str] = "field"
    texts: ClassVar[str] = "field, field:ambisonics"
    tells: ClassVar[str] = "what the recording's own format can tell"

    arrays: bool = True

    @classmethod
    def parse(cls, text: str) -> AudioFormat | None:
        """Parses "field" (arrays and ambisonics) or "field:ambisonics"."""
        return {"field": cls(), "field:ambisonics": cls(arrays=False)}.get(text)

    @property
    def name(self) -> str:
        """Returns "field" or "field:ambisonics"."""
        return "field" if self.arrays else "field:ambisonics"

    @property
    def channels(self) -> int:
        """Raises AudioError: how many there are is known once it is said what the recording is."""
        raise AudioError(
            "it is not said what the recording was made with; this model takes several microphones: give its format "
            f"({self.formats}) by format= or --microphone."
        )

    @property
    def formats(self) -> str:
        """Returns the formats in words."""
        return "foa, ambisonics2, array:[[x, y, z], ...] or a microphone file" if self.arrays else "foa to ambisonics3"

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Raises AudioError as `channels` does."""
        return ("",) * self.channels

    def takes(self, given: AudioFormat) -> bool:
        """Returns whether `given` is ambisonics in ACN/SN3D, or an array where those belong to it."""
        return given.internal is given and given.kind in ("ambisonics", *(["array"] if self.arrays else []))
