"""Renders recordings in ambisonics, and of arrays, to the two ears of a head: binaural signal matching.

Each ear is a filter and sum of the channels. At each frequency the filters w minimise, over directions q from everywhere,

    sum_q |w v_q - h_q|^2 + lambda |w|^2,

with v_q what the channels receive of a plane wave (`audio.steering`, or measured responses) and h_q the head response (L.
Madmoni et al., Binaural Reproduction from Microphone Array Signals Incorporating Head-Tracking, 2021). A handful of channels
cannot match a head above some 2 kHz, and trying costs level: above `PHASE_TO_HZ`, where hearing no longer compares the
phases of the ears, the magnitude of h_q alone is matched, with the phase continued from the frequency below (C. Schoerkhuber
et al., Binaural Rendering of Ambisonic Signals via Magnitude Least Squares, DAGA 2018; T. Deppisch et al., End-to-End
Magnitude Least Squares Binaural Rendering of Spherical Microphone Array Signals, I3DA 2021). One gain a frequency, the same
for both ears, gives sound from everywhere the power that it has at the head (Z. Ben-Hur et al., J. Acoust. Soc. Am. 141,
4087, 2017, section IV). So level, on which distances rest, is kept: a source in front at 1 m has unit gain.
"""

import functools
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyroomacoustics.doa import fibonacci_spherical_sampling

from spatial_llm.audio.ambisonics import turn
from spatial_llm.audio.formats import Ambisonics, Array, AudioFormat
from spatial_llm.audio.io import Render
from spatial_llm.audio.signal_matching import filtered, matched, to_taps
from spatial_llm.audio.steering import steering
from spatial_llm.errors import AudioError, SceneError
from spatial_llm.files import file_stamp
from spatial_llm.scenes.heads.hrtf import Hrtf, kemar, read_sofa
from spatial_llm.scenes.microphones.measured import measured_transfer

LENGTH_S = 0.032  # of the filters; all but 0.1 % of their energy is within 2 ms before and 8 ms after the sound
PHASE_TO_HZ = 1500.0  # above, magnitudes are matched; the level of first order would fall by 5 dB from 1 to 2 kHz otherwise
REGULARIZATION = 1e-3  # lambda, of a channel's mean power: noise of the microphones is amplified by no more than needed
DIRECTIONS = 1200  # over the sphere; heads are measured in some 700 to 2,700
AT_A_TIME = 64  # frequencies whose transfer functions are in memory


@dataclass(frozen=True, eq=False)
class EarFilters:
    """Filters from the channels of a format to two ears.

    Attributes:
        taps: float64 (2 ears, channels, taps), ear 0 = left.
        before: taps before the moment of the sound itself.
        head: the head's name.
        covers_all: whether the head was measured in directions from everywhere; elsewhere the nearest one is taken.
    """

    taps: NDArray[np.float64]
    before: int
    head: str
    covers_all: bool

    def render(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns what the ears hear of a recording (channels, samples): float32 (2 ears, samples), of the same length."""
        ears = filtered(self.taps, waveform)
        return np.ascontiguousarray(ears[:, self.before : self.before + waveform.shape[1]], dtype=np.float32)


def check_renderable(format: AudioFormat, name: str = "the recording") -> None:
    """Raises AudioError, with the reason, where a format cannot be rendered to two ears."""
    if isinstance(format, Ambisonics) or (isinstance(format, Array) and (format.sofa or format.dimensions)):
        return
    raise AudioError(
        f"{name} is {format.name}: no ears can be rendered from it, because all of its channels are received at one point "
        "without the first order of the sound field, so that no delay between the ears can be had from them; give "
        "ambisonics or an array, or a recording of two ears."
    )


def ear_filters(
    format: AudioFormat, sampling_rate: int, head: str | Path | None = None, heading_deg: float = 0.0
) -> EarFilters:
    """Designs the filters of a format for a head; those of the last formats and heads are kept.

    Args:
        format: ambisonics of order 1 to 3 in ACN/SN3D, or an array.
        sampling_rate: Hz, 16000 or more.
        head: SOFA file of the head; None = MIT KEMAR.
        heading_deg: where the head looks in the recording; positive = it is turned to the left, so that sounds are heard
            further to the right.

    Raises:
        AudioError: the format cannot be rendered (see `check_renderable`), or the heading is not a finite number.
        SceneError: the head or the measured array cannot be read.
    """
    check_renderable(format)
    _check_heading(heading_deg)
    stamps = tuple(file_stamp(path) for path in (head, format.sofa) if path is not None and Path(path).is_file())
    return _ear_filters(format.internal, sampling_rate, head and str(head), float(heading_deg) % 360.0, stamps)


def ear_rendering(format: AudioFormat, head: str | Path | None = None, heading_deg: float = 0.0) -> Render:
    """Returns what renders recordings of a format (channels, samples), at a rate in Hz, to two ears; see `ear_filters`.

    Raises:
        AudioError: the format cannot be rendered, or the heading is not a finite number.
        SceneError: there is no such head.
    """
    check_renderable(format)
    _check_heading(heading_deg)
    if head is not None and not Path(head).is_file():
        raise SceneError(f"{head}: no such file; give a SOFA file with head-related impulse responses.")

    def render(waveform: NDArray[np.float32], sampling_rate: int) -> NDArray[np.float32]:
        filters = ear_filters(format, sampling_rate, head, heading_deg)
        if not filters.covers_all:
            warnings.warn(
                f"{filters.head}: measured over a part of the sphere; sound from elsewhere is heard as from the nearest "
                "measured direction.",
                stacklevel=2,
            )
        return filters.render(waveform)

    return render


@functools.lru_cache(maxsize=8)
def _ear_filters(
    format: AudioFormat, sampling_rate: int, sofa: str | None, heading_deg: float, _stamps: tuple
) -> EarFilters:
    head = read_sofa(sofa, sampling_rate) if sofa else kemar(sampling_rate)
    size = 2 * round(LENGTH_S * sampling_rate / 2)
    spectrum = _matched(format, head, heading_deg, np.fft.rfftfreq(size, 1 / sampling_rate))
    taps = to_taps(spectrum, size)
    if not np.isfinite(taps).all():
        raise SceneError(f"{format.name}: no filters to the ears of {head.name} can be found; check the microphones.")
    return EarFilters(taps, size // 2, head.name, head.covers_all)


def _check_heading(heading_deg: float) -> None:
    if isinstance(heading_deg, bool) or not isinstance(heading_deg, int | float) or not np.isfinite(heading_deg):
        raise AudioError(f"heading_deg is {heading_deg!r}; give degrees, positive to the left, such as 30.")


def _matched(format: AudioFormat, head: Hrtf, heading_deg: float, frequencies_hz: NDArray) -> NDArray[np.complex128]:
    """Returns the filters' spectrum, (frequencies, ears, channels)."""
    grid = _grid()
    # What the head hears from a direction of its own comes from another direction of the recording.
    around = grid @ turn(heading_deg).T
    size = 2 * (len(frequencies_hz) - 1)
    wanted = np.fft.rfft(head.responses[head.nearest(grid)].astype(np.float64), size)  # (waves, ears, frequencies)
    # Magnitudes know no time: without the common delay of all responses, a phase that goes on as it was is the right one.
    delay = np.exp(-2j * np.pi * frequencies_hz * _common_delay_s(wanted, frequencies_hz))
    wanted *= delay.conj()
    found = np.empty((len(frequencies_hz), 2, format.channels), dtype=np.complex128)
    for first in range(0, len(frequencies_hz), AT_A_TIME):
        received = transfer(format, around, frequencies_hz[first : first + AT_A_TIME])
        for index, waves in enumerate(received, first):
            ears = wanted[:, :, index].T
            if frequencies_hz[index] > PHASE_TO_HZ:
                before = found[index - 1] @ waves
                ears = np.abs(ears) * np.exp(1j * np.angle(before))
            filters = matched(waves, ears, REGULARIZATION)
            heard = np.sum(np.abs(filters @ waves) ** 2)
            # Above half the rate of measured responses, nothing is.
            found[index] = filters * np.sqrt(np.sum(np.abs(ears) ** 2) / heard) if heard > 0 else 0.0
    return found * delay[:, None, None]


def _common_delay_s(responses: NDArray[np.complex128], frequencies_hz: NDArray) -> float:
    """Returns the delay of the mean of all responses (waves, ears, frequencies): what the middle of the head would hear."""
    mean = responses.mean(axis=(0, 1))[frequencies_hz <= PHASE_TO_HZ]
    return -float(np.angle(np.sum(mean[1:] * mean[:-1].conj()))) / (2 * np.pi * frequencies_hz[1])


def transfer(format: AudioFormat, directions: NDArray, frequencies_hz: NDArray) -> NDArray[np.complex128]:
    """Returns what the channels receive of plane waves, see `audio.steering.steering`; of an array with measured responses
    those of the nearest measured directions."""
    if format.sofa is not None:
        return measured_transfer(format, directions, frequencies_hz)
    return steering(format, directions, frequencies_hz)


def _grid() -> NDArray[np.float64]:
    # The same on both sides, so that mirrored microphones give exchanged ears.
    half = fibonacci_spherical_sampling(DIRECTIONS).T
    half = half[half[:, 1] > 0]
    return np.concatenate([half, half * [1.0, -1.0, 1.0]])
