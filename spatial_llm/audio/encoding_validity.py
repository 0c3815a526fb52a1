"""In which bands the channels of an array encoded to ambisonics hold, and how far off its directions are: from the geometry.

Nothing here depends on a recording. The direction is that of the active intensity of one plane wave, Re(W* (X, Y, Z)), in
what is kept of the channels. It is told at a frequency where W and all of the first order are kept, the azimuth where W, X
and Y are.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.ambisonics import encode
from spatial_llm.audio.formats.ambisonics import ACN_NAMES

OCTAVES_HZ = tuple(1000.0 * 2.0**octave for octave in range(-4, 9))  # centres; those below half the rate are told
OFF_DEG = 5.0  # within which a direction is said to be told
MOST = 0.95  # of all directions, for which that must be so
LEVEL = np.sin(np.pi / 3)  # heights above which a direction has an azimuth hardly
_W, _Y, _Z, _X = range(4)


@dataclass(frozen=True, eq=False)
class EncodingValidity:
    """What holds at each frequency.

    Attributes:
        frequencies_hz: (frequencies,).
        validity: (frequencies, harmonics), R_nm, 0 to 1.
        kept: (frequencies, harmonics), where the channel is not silenced.
        direction_error_deg: (frequencies,), not exceeded by 95 % of all directions; NaN where it is not told.
        azimuth_error_deg: (frequencies,), the same of the azimuth, for directions within 60 degrees of the horizon.
        noise_gain_db: (frequencies, harmonics), power in the channel over that in one microphone, of the
            microphones' own noise, which is independent and of the same power in each; -inf where the channel is silent.
    """

    frequencies_hz: NDArray[np.float64]
    validity: NDArray[np.float64]
    kept: NDArray[np.bool_]
    direction_error_deg: NDArray[np.float64]
    azimuth_error_deg: NDArray[np.float64]
    noise_gain_db: NDArray[np.float64]

    @classmethod
    def joined(cls, parts: "Sequence[EncodingValidity]") -> "EncodingValidity":
        """Returns the parts of several frequencies as one."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))

    def valid_hz(self, channel: int) -> list[tuple[float, float]]:
        """Returns the ranges in Hz in which a channel is kept."""
        return self._ranges(self.kept[:, channel])

    def direction_hz(self) -> list[tuple[float, float]]:
        """Returns the ranges in Hz in which 95 % of all directions are told within 5 degrees."""
        return self._ranges(self.direction_error_deg <= OFF_DEG)

    def azimuth_hz(self) -> list[tuple[float, float]]:
        """Returns the ranges in Hz in which the azimuth is told within 5 degrees."""
        return self._ranges(self.azimuth_error_deg <= OFF_DEG)

    def bands(self) -> list[dict[str, Any]]:
        """Returns the octave bands up to half the rate as JSON values.

        Each has its edges, for each channel R_nm, the share that is kept and the gain of noise (null where the channel is
        silent), and the errors of direction and azimuth (null where less than half of the band tells them). All are means
        over the logarithm of the frequency.
        """
        return [band for centre in OCTAVES_HZ if (band := self._band(centre)) is not None]

    def words(self, tells: str) -> list[str]:
        """Returns what holds, as sentences; `tells`: what the format can tell."""
        lines, never = [], []
        for channel, name in enumerate(ACN_NAMES[: self.kept.shape[1]]):
            ranges = self.valid_hz(channel)
            if ranges:
                lines.append(f"{name} holds {_spoken(ranges)}.")
            else:
                never.append(name)
        if never:
            several = len(never) > 1
            lines.append(
                f"{_listed(never)} {'hold' if several else 'holds'} nowhere and {'are' if several else 'is'} silent: this "
                f"array tells {tells}."
            )
        for what, ranges in (("Directions", self.direction_hz()), ("Azimuths", self.azimuth_hz())):
            told = f"are within {OFF_DEG:g} degrees {_spoken(ranges)}" if ranges else "are to be trusted nowhere"
            lines.append(f"{what} of single sources {told}.")
        return lines

    def to_dict(self, tells: str) -> dict[str, Any]:
        """Returns all of it as JSON values."""
        names = ACN_NAMES[: self.kept.shape[1]]
        return {
            "words": self.words(tells),
            "valid_hz": {name: _rounded(self.valid_hz(channel)) for channel, name in enumerate(names)},
            "direction_hz": _rounded(self.direction_hz()),
            "azimuth_hz": _rounded(self.azimuth_hz()),
            "bands": self.bands(),
        }

    def _ranges(self, there: NDArray[np.bool_]) -> list[tuple[float, float]]:
        edges = np.flatnonzero(np.diff(np.concatenate([[False], there, [False]]).astype(int))).reshape(-1, 2)
        return [(float(self.frequencies_hz[first]), float(self.frequencies_hz[end - 1])) for first, end in edges]

    def _band(self, centre: float) -> dict[str, Any] | None:
        low, high = centre / np.sqrt(2), centre * np.sqrt(2)
        inside = (self.frequencies_hz >= low) & (self.frequencies_hz < high)
        if not inside.any():
            return None
        share = inside / np.maximum(self.frequencies_hz, 1.0)
        share /= share.sum()
        noise = np.sum(share[:, None] * 10 ** (self.noise_gain_db / 10), axis=0)
        names = ACN_NAMES[: self.kept.shape[1]]
        return {
            "low_hz": round(low, 1),
            "high_hz": round(min(high, float(self.frequencies_hz[-1])), 1),
            "validity": _named(names, share @ self.validity),
            "kept": _named(names, share @ self.kept),
            "noise_gain_db": {
                name: round(10 * float(np.log10(each)), 1) if each > 0 else None
                for name, each in zip(names, noise, strict=True)
            },
            "direction_error_deg": _told(self.direction_error_deg, share),
            "azimuth_error_deg": _told(self.azimuth_error_deg, share),
        }


def validity_of(
    frequencies_hz: NDArray,
    filters: NDArray,
    received: NDArray,
    directions: NDArray,
    weights: NDArray,
    min_validity: float,
) -> EncodingValidity:
    """Computes what holds of filters.

    Args:
        frequencies_hz: (frequencies,).
        filters: complex (frequencies, harmonics, microphones).
        received: complex (frequencies, microphones, directions) of plane waves.
        directions, weights: (directions, xyz), (directions,), of sum 1.
        min_validity: R_nm below which a channel is not kept.
    """
    wanted = encode(directions, math.isqrt(filters.shape[1]) - 1).T
    formed = filters @ received  # (frequencies, harmonics, directions)
    validity = 1 - np.square(np.abs(formed - wanted)) @ weights / (np.square(wanted) @ weights)
    kept = (validity >= min_validity) & filters.any(axis=2)
    formed = np.where(kept[..., None], formed, 0.0)
    x, y, z = (np.real(formed[:, _W].conj() * formed[:, axis]) for axis in (_X, _Y, _Z))
    cosine = np.sum(np.stack([x, y, z], axis=-1) * directions, axis=-1) / np.maximum(np.sqrt(x**2 + y**2 + z**2), 1e-12)
    off = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    turned = np.degrees(np.arctan2(y, x) - np.arctan2(directions[:, 1], directions[:, 0]))
    turned = np.abs((turned + 180) % 360 - 180)
    horizontal = np.abs(directions[:, 2]) <= LEVEL
    noise = np.where(kept, np.square(np.abs(filters)).sum(axis=2), 0.0)
    return EncodingValidity(
        frequencies_hz=np.asarray(frequencies_hz, dtype=np.float64),
        validity=np.clip(validity, 0.0, 1.0),
        kept=kept,
        direction_error_deg=np.where(kept[:, :4].all(axis=1), _exceeded_by_few(off, weights), np.nan),
        azimuth_error_deg=np.where(
            kept[:, [_W, _Y, _X]].all(axis=1), _exceeded_by_few(turned[:, horizontal], weights[horizontal]), np.nan
        ),
        noise_gain_db=10 * np.log10(np.maximum(noise, 0.0), where=noise > 0, out=np.full_like(noise, -np.inf)),
    )


def _exceeded_by_few(errors: NDArray, weights: NDArray) -> NDArray:
    """Returns what all but 5 % of the weight does not exceed: (frequencies, directions) -> (frequencies,)."""
    order = np.argsort(errors, axis=1)
    share = np.cumsum(weights[order], axis=1)
    index = np.minimum((share < MOST * share[:, -1:]).sum(axis=1), errors.shape[1] - 1)
    return np.take_along_axis(errors, np.take_along_axis(order, index[:, None], axis=1), axis=1)[:, 0]


def _told(errors_deg: NDArray, share: NDArray) -> float | None:
    known = np.isfinite(errors_deg)
    told = share[known].sum()
    return round(float(share[known] @ errors_deg[known] / told), 1) if told >= 0.5 else None


def _named(names: str, values: NDArray) -> dict[str, float]:
    return {name: round(float(value), 3) for name, value in zip(names, values, strict=True)}


def _rounded(ranges: list[tuple[float, float]]) -> list[list[float]]:
    return [[round(low, 1), round(high, 1)] for low, high in ranges]


def _spoken(ranges: list[tuple[float, float]]) -> str:
    return _listed([f"from {low:.0f} to {high:.0f} Hz" for low, high in ranges])


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
