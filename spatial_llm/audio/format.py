"""What every audio format has; the formats themselves are in `audio.formats`."""

from typing import Any, ClassVar

from numpy.typing import NDArray

Xyz = tuple[float, float, float]


class AudioFormat:
    """Base class of all formats; the defaults are those of a format without a head and without an array.

    Attributes:
        kind: its name in `FORMATS`.
        texts: the texts that `parse` knows, for error messages.
        sofa: path of the SOFA file with the head's impulse responses; None where there is none.
        positions_m: (microphones, xyz) metres around the listener's position; empty where all channels are received there.
        channels: number of channels of a recording.
        name: short and safe in file names.
        channel_names: one name a channel, in their order.
    """

    kind: ClassVar[str]
    texts: ClassVar[str]
    sofa: str | None = None
    positions_m: tuple[Xyz, ...] = ()
    channels: int
    name: str
    channel_names: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "AudioFormat | None":
        """Returns the format of a short text; None if the text is that of another kind."""
        return cls() if text == cls.kind else None

    @classmethod
    def from_fields(cls, given: dict[str, Any]) -> "AudioFormat":
        """Returns the format with these JSON values as its fields."""
        return cls(**given)

    @property
    def layout(self) -> "AudioFormat":
        """Returns the format without fields that do not change the meaning of its channels: two heads have one layout."""
        return self

    @property
    def portable(self) -> "AudioFormat":
        """Returns the same format, with its files where a data folder keeps them."""
        return self

    def mirror(self, waveform: NDArray) -> NDArray | None:
        """Exchanges left and right in a recording or response (channels, samples); None where no operation on the channels
        does so. See `mirrors_exactly` for whether that is the recording of the mirrored scene."""
        return None

    def mirrors_exactly(self, measured: bool = False) -> bool:
        """Returns whether `mirror` of a recording is exactly the recording of the mirrored scene; `measured`: whether the
        responses were measured, not simulated."""
        return False
