"""Ambisonics: spherical harmonics of the sound field at one point, and the conventions in which files hold them.

Everything within the library is in ACN order with SN3D normalisation (AmbiX: C. Nachbar et al., Ambisonics Symposium 2011).
Recordings in N3D or in Furse-Malham's convention are converted where they enter.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats.base import AudioFormat
from spatial_llm.errors import AudioError

MAX_ORDER = 3
SN3D, N3D, FUMA = "sn3d", "n3d", "fuma"
CONVENTIONS = (SN3D, N3D, FUMA)
ACN_NAMES = "WYZXVTRSUQOMKLNP"
FUMA_NAMES = "WXYZRSTUVKLMNOPQ"
# FuMa channels W X Y Z, R S T U V, K L M N O P Q, as ACN indices; and what SN3D is multiplied by there (maximum 1, W -3 dB).
# Source: D. Malham, Higher order Ambisonic systems, 2003.
FUMA_TO_ACN = np.array([0, 3, 1, 2, 6, 7, 5, 8, 4, 12, 13, 11, 14, 10, 15, 9])
_SECOND, _THIRD = 2 / np.sqrt(3), (np.sqrt(45 / 32), 3 / np.sqrt(5), np.sqrt(8 / 5))
FUMA_GAINS = np.array([np.sqrt(0.5), 1, 1, 1, 1, *[_SECOND] * 4, 1, *np.repeat(_THIRD, 2)])


@dataclass(frozen=True)
class Ambisonics(AudioFormat):
    """Spherical harmonics of the sound field at one point.

    Attributes:
        order: 1, 2 or 3.
        convention: "sn3d" (ACN order, SN3D normalisation: AmbiX), "n3d" (ACN order, N3D normalisation) or "fuma"
            (Furse-Malham: W X Y Z ..., W 3 dB lower).
    """

    kind: ClassVar[str] = "ambisonics"
    texts: ClassVar[str] = (
        "foa, "
        + ", ".join(f"ambisonics{order}" for order in range(1, MAX_ORDER + 1))
        + (" (ACN/SN3D; with :n3d or :fuma after it, in that convention)")
    )

    tells_elevation: ClassVar[bool] = True

    order: int
    convention: str = SN3D

    def __post_init__(self) -> None:
        if isinstance(self.order, bool) or not isinstance(self.order, int) or not 1 <= self.order <= MAX_ORDER:
            raise AudioError(f"ambisonics of order {self.order!r}; give 1 to {MAX_ORDER}.")
        if self.convention not in CONVENTIONS:
            raise AudioError(f"ambisonics in the convention {self.convention!r}; give {', '.join(CONVENTIONS)}.")

    @classmethod
    def parse(cls, text: str) -> AudioFormat | None:
        """Parses "foa", or "ambisonics" and the order, and after a colon the convention if it is not SN3D."""
        orders = {"foa": 1} | {f"{cls.kind}{order}": order for order in range(1, MAX_ORDER + 1)}
        name, colon, convention = text.partition(":")
        return cls(orders[name], convention if colon else SN3D) if name in orders else None

    @property
    def tells(self) -> str:
        """Returns what the order can tell."""
        return "every direction, blurred where sounds play together" if self.order == 1 else "every direction"

    @property
    def channels(self) -> int:
        """Returns (order + 1)^2."""
        return (self.order + 1) ** 2

    @property
    def name(self) -> str:
        """Returns "ambisonics1" to "ambisonics3", and the convention if it is not SN3D."""
        return f"{self.kind}{self.order}" + ("" if self.convention == SN3D else f"-{self.convention}")

    @property
    def text(self) -> str:
        """Returns "ambisonics1" to "ambisonics3", and after a colon the convention if it is not SN3D."""
        return f"{self.kind}{self.order}" + ("" if self.convention == SN3D else f":{self.convention}")

    @property
    def channel_names(self) -> tuple[str, ...]:
        """Returns W, Y, Z, X, ..., in Furse-Malham's convention W, X, Y, Z, ..."""
        return tuple((FUMA_NAMES if self.convention == FUMA else ACN_NAMES)[: self.channels])

    @property
    def internal(self) -> AudioFormat:
        """Returns the same order in ACN/SN3D."""
        return self if self.convention == SN3D else replace(self, convention=SN3D)

    def to_internal(self, waveform: NDArray) -> NDArray:
        """Converts (channels, samples) to ACN/SN3D."""
        if self.convention == N3D:
            return (waveform / np.sqrt(2 * self.degrees + 1)[:, None]).astype(waveform.dtype)
        if self.convention == FUMA:
            out = np.empty_like(waveform)
            out[FUMA_TO_ACN[: self.channels]] = waveform / FUMA_GAINS[: self.channels, None]
            return out
        return waveform

    def may_be_silent(self, channels: Sequence[int]) -> bool:
        """Returns whether each degree has another channel: Z receives nothing from the horizon, but a plane wave gives the
        channels of each degree together the same power, wherever it comes from."""
        # Every convention holds the degrees one after the other.
        return set(np.delete(self.degrees, channels)) == set(self.degrees)

    @property
    def degrees(self) -> NDArray[np.int64]:
        """Returns the degree n of each channel in ACN order, (channels,)."""
        orders = np.arange(self.order + 1)
        return np.repeat(orders, 2 * orders + 1)

    def mirror(self, waveform: NDArray) -> NDArray | None:
        """Returns the recording with the sign of the channels that are odd in y (index m < 0) reversed; None in the order of
        Furse and Malham, which is converted first."""
        if self.convention == FUMA:
            return None
        signs = np.concatenate([np.where(np.arange(-n, n + 1) < 0, -1.0, 1.0) for n in range(self.order + 1)])
        return waveform * signs[:, None].astype(waveform.dtype)

    def mirrors_exactly(self, measured: bool = False) -> bool:
        """Returns True where there is a mirror: the harmonics are even or odd in y."""
        return self.convention != FUMA
