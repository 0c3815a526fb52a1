"""Encodes recordings of arrays to ambisonics, and says from the geometry alone in which bands each channel holds.

This is for listening, for export, and for models that take ambisonics only. Encoders of the sound field take arrays as they
are (`cues.field`), and hear more. At each frequency the filters are the regularised least squares W of `signal_matching`,
with Y the harmonics of ambisonics (ACN, SN3D). Above spatial aliasing, near c / (2 spacing), least squares still return a
signal, whose directions are wrong by 36 to 120 degrees, and nothing in that signal shows it. So the share of each channel's
pattern that the array can form,

    R_nm(f) = 1 - ||W V - Y||^2 / ||Y||^2,

with norms over all directions, is computed beforehand (Y. Gayer et al., Ambisonics Encoding For Arbitrary Microphone Arrays,
arXiv 2402.17362, 2024, predict the accuracy of each channel from the steering alone). Where it is below `min_validity`, the
channel is silent. At R = 1/2 a channel is as much error as sound, and the errors of two channels may go together: how far
off directions are, no R of single channels shows. `encoding_validity` computes that as well.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.ambisonics import encode
from spatial_llm.audio.directions import direction_grid, rings_for
from spatial_llm.audio.encoding_validity import EncodingValidity, validity_of
from spatial_llm.audio.formats import MAX_ORDER, Ambisonics, Array, AudioFormat, Xyz
from spatial_llm.audio.limits import check_rate
from spatial_llm.audio.signal_matching import filtered, matched, to_taps
from spatial_llm.audio.steering import steering
from spatial_llm.errors import AudioError
from spatial_llm.ranges import Checked, Share, Within

Steering = Callable[[AudioFormat, NDArray, NDArray], NDArray]

LENGTH_S = 0.064  # of the filters: a channel begins and ends within some 30 Hz
FADE = 0.25  # of the filters, at each end: without it, the edge of a band rings over the whole length
# Regularisation in units of a microphone's power. A small array has the first order from differences between microphones,
# which fall with the frequency: 1e-3 lets 13 to 19 dB of the microphones' own noise through below 250 Hz. There 1e-2 costs a
# few dB of level in the lowest octaves of the first order, not its directions; above, 1e-3 costs nothing.
LOADS = ((250.0, 1e-2), (500.0, 1e-3))  # (Hz, load), between them a straight line of the logarithms
MIN_RATE = 8000  # Hz; below, there is no octave in which the first order of a small array holds
RINGS = 24  # of the grid of directions, at most; above what it resolves, no channel of an array holds
AT_A_TIME = 32  # frequencies whose transfer functions are in memory


@dataclass
class EncodingSettings(Checked):
    """How an array is encoded.

    Attributes:
        order: of the ambisonics.
        min_validity: R_nm below which a channel is silent at a frequency; 0 keeps everything, also what is wrong.
    """

    order: Annotated[int, Within(1, MAX_ORDER)] = 1
    min_validity: Share = 0.5


@dataclass(frozen=True, eq=False)
class AmbisonicFilters:
    """Filters from the microphones of an array to ambisonics.

    Attributes:
        format: ambisonics in ACN/SN3D.
        taps: float64 (harmonics, microphones, taps).
        before: taps before the moment of the sound itself.
        centre_m: (xyz) of the point whose sound field they give, see `centre_of`.
        validity: in which bands the channels hold.
    """

    format: Ambisonics
    taps: NDArray[np.float64]
    before: int
    centre_m: Xyz
    validity: EncodingValidity

    def encode(self, waveform: NDArray[np.float32]) -> NDArray[np.float32]:
        """Encodes (microphones, samples) to (harmonics, samples) float32, at the same moments."""
        return np.concatenate(list(self.encode_blocks([waveform])), axis=1)

    def encode_blocks(self, blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        """Encodes a recording in blocks (microphones, samples) of any lengths, by overlap and add.

        Yields:
            (harmonics, samples) float32, together as long as the recording; what they are does not depend on the blocks.
        """
        overlap = np.zeros((len(self.taps), self.taps.shape[-1] - 1))
        early = self.before  # samples of the result before the recording's first
        for block in blocks:
            whole = filtered(self.taps, block)
            whole[:, : overlap.shape[1]] += overlap
            done, overlap = whole[:, : block.shape[1]], whole[:, block.shape[1] :]
            skipped = min(early, done.shape[1])
            early -= skipped
            yield done[:, skipped:].astype(np.float32)
        yield overlap[:, early : self.before].astype(np.float32)


def check_encodable(format: AudioFormat, sampling_rate: float, settings: EncodingSettings) -> None:
    """Raises AudioError where a format cannot be encoded to this order: it is no array, it has too few microphones for the
    order, or the rate is too low.

    Microphones in a plane receive only harmonics that are even across it, those on a line only the ones that are round about
    it; as many microphones are needed.
    """
    if not isinstance(format, Array):
        raise AudioError(
            f"{format.name} is not encoded to ambisonics; give an array: a file with the places of its microphones, or "
            "array:[[x, y, z], ...]."
        )
    dimensions = 3 if format.sofa else format.dimensions
    if not dimensions:
        raise AudioError(f"{format.name} tells no direction, so that there is nothing to encode; give more microphones.")
    needed = _microphones(settings.order, dimensions)
    if format.channels < needed:
        where = ("on a line", "in a plane", "in space")[dimensions - 1]
        lower = [order for order in range(1, settings.order) if format.channels >= _microphones(order, dimensions)]
        raise AudioError(
            f"order {settings.order} needs {needed} microphones or more {where}, and {format.name} has {format.channels}; "
            f"give {f'order {lower[-1]} or lower' if lower else 'an array of more microphones'}."
        )
    if check_rate(sampling_rate) < MIN_RATE:
        raise AudioError(f"a recording at {sampling_rate} Hz cannot be encoded; expected {MIN_RATE} Hz or more.")


def _microphones(order: int, dimensions: int) -> int:
    return (order + 1, (order + 1) * (order + 2) // 2, (order + 1) ** 2)[dimensions - 1]


def ambisonic_filters(
    format: Array,
    sampling_rate: int,
    settings: EncodingSettings | None = None,
    steering: Steering = steering,
) -> AmbisonicFilters:
    """Designs the filters of an array.

    Args:
        format: of the recordings.
        sampling_rate: Hz, 8000 or more.
        settings: the order, and which channels are silent where; None = first order, `EncodingSettings`.
        steering: transfer functions of the format, see `audio.steering.steering`; those of measured responses have one delay
            in common, by which the result is then early.

    Raises:
        AudioError: see `check_encodable`; or the array has measured responses, which `audio.steering` does not read.
    """
    settings = EncodingSettings() if settings is None else settings
    check_encodable(format, sampling_rate, settings)
    ambisonics, size = Ambisonics(settings.order), 2 * round(LENGTH_S * sampling_rate / 2)
    hertz = np.fft.rfftfreq(size, 1 / sampling_rate)
    directions, weights = direction_grid(min(RINGS, rings_for(format, sampling_rate / 2)))
    centre_m = centre_of(format)
    if any(centre_m):
        format = replace(format, positions_m=tuple(map(tuple, np.array(format.positions_m) - centre_m)))
    spectrum = np.empty((len(hertz), ambisonics.channels, format.channels), dtype=np.complex128)
    parts = []
    for first in range(0, len(hertz), AT_A_TIME):
        some = slice(first, first + AT_A_TIME)
        received = steering(format, directions, hertz[some])
        found = np.stack(
            [
                least_squares(waves, directions, weights, settings.order, load)
                for waves, load in zip(received, load_at(hertz[some]), strict=True)
            ]
        )
        parts.append(validity_of(hertz[some], found, received, directions, weights, settings.min_validity))
        spectrum[some] = np.where(parts[-1].kept[..., None], found, 0.0)
    taps = to_taps(spectrum, size)
    fade = round(FADE * size)
    window = np.sin(np.pi / 2 * np.minimum(1.0, np.minimum(np.arange(size), np.arange(size)[::-1]) / fade)) ** 2
    return AmbisonicFilters(ambisonics, taps * window, size // 2, centre_m, EncodingValidity.joined(parts))


def centre_of(format: Array) -> Xyz:
    """Returns the point (xyz) in metres whose sound field the ambisonics are.

    It is the mean place of microphones in free air, so that nothing depends on where their coordinates begin; and the
    listener's position if they are on a body, which stands there.

    Sounds from further away than the array is wide come from the same directions at both.
    """
    if format.sphere_radius_m is not None or format.sofa is not None:
        return (0.0, 0.0, 0.0)
    x, y, z = np.mean(format.positions_m, axis=0)
    return float(x), float(y), float(z)


def least_squares(
    received: NDArray, directions: NDArray, weights: NDArray, order: int, load: float
) -> NDArray[np.complex128]:
    """Returns the filters W of one frequency.

    Args:
        received: complex (microphones, directions) of plane waves.
        directions: (directions, xyz).
        weights: (directions,), of sum 1.
        order: of the ambisonics.
        load: regularisation, in units of the mean power of a microphone.

    Returns:
        (harmonics, microphones), ACN, SN3D.
    """
    root = np.sqrt(weights)
    return matched(received * root, encode(directions, order).T * root, load)


def load_at(frequencies_hz: NDArray) -> NDArray[np.float64]:
    """Returns the regularisation at each frequency, see `LOADS`."""
    hertz, loads = np.log(np.array(LOADS)).T
    return np.exp(np.interp(np.log(np.maximum(frequencies_hz, 1.0)), hertz, loads))
