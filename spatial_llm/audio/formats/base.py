"""What every audio format has; the formats are in the files beside this one."""

from collections.abc import Sequence
from typing import Any, ClassVar

from numpy.typing import NDArray

Xyz = tuple[float, float, float]


class AudioFormat:
    """Base class of all formats; the defaults are those of a format without a head and without an array.

    Attributes:
        kind: its name in `FORMATS`.
        texts: the texts that `parse` knows, for error messages.
        tells: what a recording of this format can tell of the direction of a sound, as a clause.
        tells_elevation: whether it can tell the elevation of every direction; whoever cannot may know it of some.
        sofa: path of the SOFA file with the impulse responses of the head or array; None where there is none.
        positions_m: (microphones, xyz) metres around the listener's position; empty where all channels are received there.
        channels: number of channels of a recording.
        name: short and safe in file names.
        text: a text that `parse` reads back as this format.
        channel_names: one name a channel, in their order.
    """

    kind: ClassVar[str]
    texts: ClassVar[str]
    tells: str
    tells_elevation: bool = False
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
    def text(self) -> str:
        """Returns the short text of the format."""
        return self.name

    def check_places(self, name: str) -> None:
        """Raises AudioError where the microphones of `name` cannot be where they are said to be; warns where that is to be
        doubted."""

    @property
    def layout(self) -> "AudioFormat":
        """Returns the format without fields that do not change the meaning of its channels: two heads have one layout."""
        return self

    @property
    def portable(self) -> "AudioFormat":
        """Returns the same format, with its files where a data folder keeps them."""
        return self

    @property
    def internal(self) -> "AudioFormat":
        """Returns the format that `to_internal` converts to: the one that all code after the border works with."""
        return self

    def to_internal(self, waveform: NDArray) -> NDArray:
        """Converts a recording or response (channels, samples) of this format to the format `internal`."""
        return waveform

    def may_be_silent(self, channels: Sequence[int]) -> bool:
        """Returns whether just these channels of a sound recording may be zeros alone, because there are directions from
        which all of them receive nothing."""
        return False

    def takes(self, given: "AudioFormat") -> bool:
        """Returns whether a user of this format can take a recording of the format `given`."""
        return given.layout == self.layout

    def mirror(self, waveform: NDArray) -> NDArray | None:
        """Exchanges left and right in a recording or response (channels, samples); None where no operation on the channels
        does so. See `mirrors_exactly` for whether that is the recording of the mirrored scene."""
        return None

    def mirrors_exactly(self, measured: bool = False) -> bool:
        """Returns whether `mirror` of a recording is exactly the recording of the mirrored scene; `measured`: whether the
        responses were measured, not simulated."""
        return False
