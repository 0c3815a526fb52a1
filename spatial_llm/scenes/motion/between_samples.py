"""A sound read between its samples: oversampled by a windowed sinc, and interpolated by a cubic in between.

The sinc is that of `microphones.impulses`, so that a source at rest sounds as in a static rendering. Its Hann window lets it
pass to about 0.9 of half the rate; the cubic adds an error below -60 dB up to there (V. Valimaki and T. Laakso, IEEE Signal
Processing Magazine 13, 30, 1996, on Lagrange interpolation).
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import upfirdn

from spatial_llm.scenes.microphones.impulses import SINC_TAPS

FINENESS = 8  # times the sampling rate
_HALF = SINC_TAPS // 2
_AFTER = np.arange(-_HALF * FINENESS, _HALF * FINENESS + 1) / FINENESS
_KERNEL = (np.sinc(_AFTER) * (0.5 + 0.5 * np.cos(np.pi * _AFTER / _HALF))).astype(np.float32)


class Oversampled:
    """A part of a sound (samples,), which can be read at positions from `first` to `last`; it is silent before its beginning
    and after its end."""

    def __init__(self, sound: NDArray, first: float, last: float) -> None:
        self.begin = int(np.floor(first)) - 2
        begin, end = self.begin - _HALF, int(np.ceil(last)) + 3 + _HALF
        inside = sound[max(begin, 0) : max(end, 0)]
        before = min(max(-begin, 0), end - begin)
        part = np.pad(inside, (before, max(0, end - begin - before - len(inside)))).astype(np.float32)
        whole = upfirdn(_KERNEL, part, up=FINENESS)
        self.fine = np.ascontiguousarray(whole[2 * _HALF * FINENESS : 2 * _HALF * FINENESS + (end - begin) * FINENESS])

    def at(self, positions: NDArray) -> NDArray[np.float32]:
        """Returns the sound at positions in samples, between `first` and `last`: (positions,) -> (positions,)."""
        fine = (positions - self.begin) * FINENESS
        whole = np.floor(fine).astype(np.int64)
        f = (fine - whole).astype(np.float32)
        a, b, c, d = (self.fine[whole + offset] for offset in (-1, 0, 1, 2))
        # Lagrange's cubic through four neighbours, by powers of the fraction.
        first, second, third = c - a / 3 - b / 2 - d / 6, (a + c) / 2 - b, (d - a) / 6 + (b - c) / 2
        return ((third * f + second) * f + first) * f + b
