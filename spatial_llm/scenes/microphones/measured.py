"""Arrays with measured impulse responses: each arrival is heard as from the direction that was measured nearest to it.

The responses come from a SOFA file, processed like those of a head (`heads.hrtf`): cut around what arrives, and scaled so
that a source in front at 1 m has unit gain on the mean over the microphones. The delays between the responses must fit the
positions of the microphones: a file whose azimuths run clockwise, or whose microphones stand in another order,
would otherwise give wrong directions without a trace.
"""

import functools
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatial_llm.audio.formats import Array, Xyz
from spatial_llm.errors import SceneError
from spatial_llm.files import file_stamp
from spatial_llm.geometry import SPEED_OF_SOUND_M_S, direction_to_vector
from spatial_llm.scenes.heads.head_checks import interaural_delays_s, shell_of
from spatial_llm.scenes.heads.hrtf import PAD, Hrtf, check_kept, made_head
from spatial_llm.scenes.heads.sofa_file import MeasuredHead, read_measured_array
from spatial_llm.scenes.microphones.impulses import CENTRE_M, sum_responses
from spatial_llm.scenes.room.arrivals import Arrivals

FITTING = 0.5  # least correlation of measured delays between microphones with those of their positions
TELLING_SAMPLES = 2.0  # largest delay of the positions below which delays, known to a sample, tell nothing
COMPARED = 200  # directions whose delays are compared


@dataclass
class MeasuredArray:
    """The microphones of a format with measured responses; see `microphones.Microphone`.

    Raises:
        SceneError: the file cannot be read, has another number of microphones, or its delays do not fit their positions.
    """

    format: Array
    sampling_rate: int
    head: Hrtf = field(init=False)
    points_m = CENTRE_M
    lead = 0
    reach_m: float = field(init=False)
    _spectra: np.ndarray = field(init=False, repr=False)  # (microphones, directions, frequencies)

    def __post_init__(self) -> None:
        self.reach_m = float(np.linalg.norm(self.format.positions_m, axis=1).max())
        self.head = read_array(self.format.sofa, self.sampling_rate, self.format.positions_m)
        padded = np.pad(self.head.responses, ((0, 0), (0, 0), (PAD, PAD + self.head.responses.shape[-1] % 2)))
        self._spectra = np.fft.rfft(np.moveaxis(padded, 1, 0), axis=-1).astype(np.complex64)

    def receive(self, arrivals: Arrivals, samples: int) -> np.ndarray:
        """Returns the response to arrivals in the listener's axes, float32 (microphones, samples)."""
        distance_m = np.linalg.norm(arrivals.offsets_m, axis=1)
        nearest = self.head.nearest(arrivals.offsets_m)
        how = (nearest, distance_m, arrivals.gains, PAD, self.sampling_rate, samples)
        return np.stack([sum_responses(spectra, *how) for spectra in self._spectra])

    def free_field(self, directions: np.ndarray) -> np.ndarray:
        """Returns the measured responses nearest to directions (waves, xyz), float32 (waves, microphones, taps)."""
        return self.head.responses[self.head.nearest(directions)]


def read_array(path: str | Path, sampling_rate: int | None = None, positions_m: tuple[Xyz, ...] = ()) -> Hrtf:
    """Returns the responses of an array from a SOFA file, (directions, microphones, taps).

    Args:
        path: of a file of the convention GeneralFIR or SimpleFreeFieldHRIR. One that was replaced is read again.
        sampling_rate: Hz; None = as measured.
        positions_m: (xyz) metres of each microphone, compared with the delays; empty = not compared.

    Raises:
        SceneError: it cannot be read, or the positions are not those of its microphones.
    """
    path = Path(path)
    return _read_array(path, file_stamp(path) if path.is_file() else None, sampling_rate, positions_m)


@functools.lru_cache(maxsize=4)
def _read_array(path: Path, _stamp: tuple | None, sampling_rate: int | None, positions_m: tuple[Xyz, ...]) -> Hrtf:
    measured = read_measured_array(path)
    if positions_m:
        _check_positions(measured, np.array(positions_m), path)
    taken = shell_of(measured, path)
    azimuth_deg, elevation_deg = measured.azimuth_deg[taken], measured.elevation_deg[taken]
    rate = round(measured.rate) if sampling_rate is None else sampling_rate
    array = made_head(measured.responses[taken], measured.rate, azimuth_deg, elevation_deg, rate, None)
    check_kept(array, measured.responses[taken], measured.rate, path)
    return replace(array, name=str(path))


def measured_transfer(format: Array, directions: NDArray, frequencies_hz: NDArray) -> NDArray[np.complex128]:
    """Returns what the microphones receive of plane waves, by the responses measured nearest to their directions.

    Args:
        format: array with a SOFA file.
        directions: (waves, xyz) where they come from, of any length.
        frequencies_hz: (frequencies,); above half the file's rate nothing is known, and the result is 0.

    Returns:
        (frequencies, microphones, waves), as `audio.steering.steering`, but for one delay that all have in common.

    Raises:
        SceneError: see `read_array`.
    """
    array = read_array(format.sofa, None, format.positions_m)
    frequencies_hz = np.asarray(frequencies_hz, dtype=np.float64)
    used, which = np.unique(array.nearest(np.asarray(directions)), return_inverse=True)
    when_s = np.arange(array.responses.shape[-1]) / array.sampling_rate
    waves = np.exp(-2j * np.pi * when_s[:, None] * frequencies_hz) * (frequencies_hz < array.sampling_rate / 2)
    return np.moveaxis(array.responses[used].astype(np.float64) @ waves, -1, 0).swapaxes(1, 2)[:, :, which]


def _check_positions(measured: MeasuredHead, positions_m: np.ndarray, path: Path) -> None:
    found = measured.responses.shape[1]
    if found != len(positions_m):
        raise SceneError(
            f"{path}: measured with {found} microphones, and positions_m has {len(positions_m)}; give the position of each, "
            "in their order in the file."
        )
    some = np.linspace(0, len(measured.responses) - 1, min(COMPARED, len(measured.responses))).astype(int)
    directions = direction_to_vector(measured.azimuth_deg[some], measured.elevation_deg[some])
    expected_s = directions @ (positions_m[:1] - positions_m[1:]).T / SPEED_OF_SOUND_M_S  # later than the first one
    if not expected_s.size or np.abs(expected_s).max() * measured.rate < TELLING_SAMPLES:
        return
    pairs = [interaural_delays_s(measured.responses[some][:, [0, other]], measured.rate) for other in range(1, found)]
    later_s = np.stack(pairs, axis=1)
    fit = np.sum(later_s * expected_s) / max(np.sqrt(np.sum(later_s**2) * np.sum(expected_s**2)), 1e-12)
    if fit < FITTING:
        raise SceneError(
            f"{path}: the delays between the microphones do not fit positions_m (correlation {fit:.2f}, expected {FITTING} "
            "or more); are the microphones in another order, or the positions in other axes than x front, y left, z up? Is "
            "azimuth counted clockwise in the file?"
        )
