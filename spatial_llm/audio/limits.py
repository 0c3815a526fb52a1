"""Limits on a recording: how long, how large, at which rate. They are checked before a file is decoded and again after.

A compressed file of a few hundred kilobytes can hold hours, and a header can state any number, so neither is trusted before
it is compared with these limits. The defaults allow a recording of ten minutes; raise them for longer ones.
"""

import math
import numbers
from dataclasses import dataclass
from typing import Any

from spatial_llm.errors import AudioError

# The lowest is below every rate at which sound is stored; the highest is that of the fastest converters (768 kHz).
MIN_RATE, MAX_RATE = 1_000, 768_000
MIN_SECONDS = 0.01  # one hop of the analysis, 320 samples at 32 kHz; anything shorter is no recording
BYTES_PER_SAMPLE = 4  # decoded to float32


@dataclass(frozen=True)
class AudioLimits:
    """Limits on what is read.

    Attributes:
        max_seconds: longest recording, in s.
        max_bytes: largest recording once decoded to float32, in bytes: 4 per sample and channel.
        allow_truncated: read a file that ends before the length in its header, or has lost a part, with a warning instead
            of an error; the samples that are there are returned.
    """

    max_seconds: float = 600.0
    max_bytes: int = 256 * 2**20
    allow_truncated: bool = False

    def __post_init__(self) -> None:
        for name in ("max_seconds", "max_bytes"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, numbers.Real) or not value > 0:
                raise AudioError(f"{name} of the audio limits is {value!r}; expected a number above 0.")

    def check(self, frames: int, channels: int, rate: float, name: str) -> None:
        """Raises AudioError if `frames` samples of `channels` channels at `rate` Hz are more than the limits allow."""
        seconds, size = frames / rate, frames * channels * BYTES_PER_SAMPLE
        if seconds > self.max_seconds:
            raise AudioError(
                f"{name}: lasts {seconds:.6g} s, and max_seconds is {self.max_seconds:g} s; cut the recording, or raise "
                f"max_seconds of AudioLimits (--audio_limits.max_seconds)."
            )
        if size > self.max_bytes:
            raise AudioError(
                f"{name}: takes {size} bytes decoded ({frames} samples of {channels} channels), and max_bytes is "
                f"{self.max_bytes}; cut the recording, or raise max_bytes of AudioLimits (--audio_limits.max_bytes)."
            )


DEFAULT_LIMITS = AudioLimits()


def check_rate(rate: Any, name: str = "the recording") -> float | int:
    """Returns a sampling rate in Hz, as int where it is whole; NumPy numbers and floats from tables are accepted.

    Raises:
        AudioError: the rate is None, no number (text, a boolean, NaN, infinity), or outside 1,000 to 768,000 Hz.
    """
    value = rate.item() if getattr(rate, "ndim", None) == 0 and hasattr(rate, "item") else rate
    wrong = f"{name}: sampling_rate is {rate!r}"
    wanted = f"give the rate in Hz, {MIN_RATE} to {MAX_RATE}, such as 32000"
    if value is None or isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise AudioError(f"{wrong[:200]}; {wanted}.")
    if not math.isfinite(value) or not MIN_RATE <= value <= MAX_RATE:
        hint = f"; if kHz are meant, give {value * 1000:g}" if 8 <= value <= MAX_RATE / 1000 else ""
        raise AudioError(f"{wrong[:200]}; {wanted}{hint}.")
    return int(value) if value == int(value) else float(value)
