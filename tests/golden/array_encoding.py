"""Golden filters from arrays to first-order ambisonics, of two MIT-licensed libraries that the tests do not need.

Made once with spherical-array-processing 0.6.0 (`arraySHTfiltersMeas_regLS`, weighted grid, limit of the gain 20 dB) and
pyshroom 0.3.0 (`shroom.encoders.asm.calculate_asm_coefficients`, even weights, its own choice of lambda, which is stored),
numpy 2.4.6: plane waves exp(+i 2 pi f/c p.u), c = 343 m/s, on the 50 directions of 5 rings of Gauss and Legendre with 10
azimuths (n + 1/2) 36 degrees. pyshroom zeroes its first bin and, of an even number of bins, the middle one; the frequencies
were put between two others, so that it computes all of them. `regls` is in N3D as the library returns it; `asm` is the
conjugate of the library's coefficients, which are applied conjugated, for harmonics in SN3D. Both are (frequencies,
harmonics in ACN order, microphones).
"""

import json
from pathlib import Path

import numpy as np

GOLDEN = json.loads((Path(__file__).parent / "array_encoding.json").read_text())


def complex_of(parts: dict[str, list]) -> np.ndarray:
    """The complex array of its two parts."""
    return np.array(parts["real"]) + 1j * np.array(parts["imag"])
