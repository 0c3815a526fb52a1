"""The head: measured impulse responses from every direction to the two ears.

MIT KEMAR (W. G. Gardner and K. D. Martin, J. Acoust. Soc. Am. 97, 3907, 1995) ships with the package, built by
data/build_kemar.py. Peculiar: its ears mirror each other exactly, so swapping the ears of any scene is exactly the
mirrored scene, and the direction grid is used as measured, without interpolation, which would break that symmetry.
Directions between grid points take the nearest one (5 degrees apart at the horizon, nothing below -40 degrees).

Any other head comes from a SOFA file (AES69) with the convention SimpleFreeFieldHRIR. Peculiar: some files swap
`ReceiverPosition`, so ear 0 of the data is taken as the left one, and every file must then hear left as left.
"""

import functools
import warnings
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
import sofar
import soxr
from scipy.signal import butter, correlate, sosfiltfilt
from scipy.spatial import cKDTree

from spatial_llm.errors import SceneError
from spatial_llm.geometry import direction_to_vector, vector_to_direction, wrap_azimuth_deg

KEMAR_FILE = "mit_kemar.npz"
# The first arrival at any ear comes 28 samples into KEMAR's measured 512; 99.9 % of the energy lies before sample 347.
ONSET_S, LENGTH_S, FADE_S = 20 / 44100, 0.0075, 0.0015
LEAD_S = 8 / 44100  # kept before the first arrival at any ear
FRACTIONS = 32  # delays are rounded to 1/32 sample: at most 0.5 us at 32 kHz
PAD = 16  # zeros before and after a head response, so that delaying it by a fraction rings into them


@dataclass(frozen=True, eq=False)
class Hrtf:
    """Head-related impulse responses in the internal frame.

    responses: float32 (directions, ears, taps), ear 0 = left; scaled so that a source in front has unit gain (white
    noise comes out at the level it went in, averaged over the ears). directions: (directions, xyz) unit vectors.
    """

    responses: np.ndarray
    directions: np.ndarray
    azimuth_deg: np.ndarray
    elevation_deg: np.ndarray
    sampling_rate: int

    @functools.cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.directions)

    def nearest(self, xyz: np.ndarray) -> np.ndarray:
        """Index of the measured direction nearest to each vector: (..., xyz) of any length -> (...) int."""
        xyz = np.asarray(xyz, dtype=np.float64)
        return self._tree.query(xyz / np.linalg.norm(xyz, axis=-1, keepdims=True))[1]

    @functools.cached_property
    def delayed(self) -> np.ndarray:
        """Responses delayed by PAD + k/FRACTIONS samples: float32 (directions, FRACTIONS, ears, taps + 2 PAD)."""
        heads = np.pad(self.responses, ((0, 0), (0, 0), (PAD, PAD)))
        taps = heads.shape[-1]
        spectrum = np.fft.rfft(heads, axis=-1)
        table = np.empty((heads.shape[0], FRACTIONS, 2, taps), dtype=np.float32)
        for k in range(FRACTIONS):
            shift = np.exp(-2j * np.pi * np.arange(spectrum.shape[-1]) * k / FRACTIONS / taps)
            table[:, k] = np.fft.irfft(spectrum * shift, n=taps, axis=-1)
        return table


@functools.lru_cache(maxsize=4)
def kemar(sampling_rate: int = 32000) -> Hrtf:
    """MIT KEMAR, normal pinna, resampled once to `sampling_rate` (Hz). Raises SceneError for a rate below 16 kHz."""
    file = resources.files("spatial_llm.scenes") / "package_data" / KEMAR_FILE
    with resources.as_file(file) as path, np.load(path, allow_pickle=False) as data:
        left, rate = data["left"].astype(np.float64), int(data["rate"])
        azimuth_deg, elevation_deg = data["azimuth_deg"], data["elevation_deg"]
    right = left[mirrored_index(azimuth_deg, elevation_deg)]
    both = np.stack([left, right], axis=1)  # (directions, ears, taps)
    return _made(both, rate, azimuth_deg, elevation_deg, sampling_rate, ONSET_S)


@functools.lru_cache(maxsize=4)
def read_sofa(path: str | Path, sampling_rate: int = 32000) -> Hrtf:
    """A head from a SOFA file, resampled to `sampling_rate` (Hz) and treated as KEMAR is. Where directions were measured
    at several distances, the farthest is taken.

    Raises:
        SceneError: the file is not there, cannot be read, is of another convention, has no left-right pairs of ears, or
            a source on the left is not earlier and louder in ear 0.
    """
    path = Path(path)
    if not path.is_file():
        raise SceneError(f"{path}: no such file; give a SOFA file with head-related impulse responses.")
    try:
        with warnings.catch_warnings():  # of old versions of the convention: what matters here is checked below
            warnings.simplefilter("ignore", UserWarning)
            sofa = sofar.read_sofa(str(path), verify=False, verbose=False)
        convention, rate = sofa.GLOBAL_SOFAConventions, float(np.squeeze(sofa.Data_SamplingRate))
        responses, positions = np.asarray(sofa.Data_IR, dtype=np.float64), np.atleast_2d(sofa.SourcePosition)
        delay, kind, view = np.atleast_2d(sofa.Data_Delay), sofa.SourcePosition_Type, np.ravel(sofa.ListenerView)
    except Exception as error:  # sofar and the netCDF library below it raise what they please
        raise SceneError(f"{path}: cannot be read as SOFA ({type(error).__name__}: {error}).") from None
    wanted = "expected SimpleFreeFieldHRIR: impulse responses (directions, 2 ears, taps), one position each."
    if convention != "SimpleFreeFieldHRIR" or responses.ndim != 3 or responses.shape[:2] != (len(positions), 2):
        raise SceneError(f"{path}: {convention} with data {responses.shape} at {len(positions)} positions; {wanted}")
    if not (np.isfinite(responses).all() and np.isfinite(positions).all() and responses.any(axis=-1).all()):
        raise SceneError(f"{path}: holds values that are not finite, or silent responses; measure or export it again.")
    if view[0] <= 0 or np.any(np.abs(view[1:]) > 1e-6):
        raise SceneError(f"{path}: ListenerView is {view}; expected the listener to look along x, [1, 0, 0].")
    if kind == "cartesian":
        positions = np.column_stack(vector_to_direction(positions))
    farthest = positions[:, 2] > positions[:, 2].max() - 0.01
    azimuth_deg, elevation_deg = positions[farthest, 0], positions[farthest, 1]
    responses = _delayed(responses, delay)[farthest]
    head = _made(responses, rate, azimuth_deg, elevation_deg, sampling_rate, None)
    _check_left(head, path)
    return head


def _delayed(responses: np.ndarray, delay: np.ndarray) -> np.ndarray:
    # Data.Delay, samples, one row for all directions or one each; most files have zeros.
    delay = np.broadcast_to(delay - delay.min(), responses.shape[:2])
    if not delay.any():
        return responses
    longest = int(np.ceil(delay.max()))
    spectrum = np.fft.rfft(np.pad(responses, ((0, 0), (0, 0), (0, longest))))
    taps = responses.shape[-1] + longest
    shift = np.exp(-2j * np.pi * np.arange(spectrum.shape[-1]) * delay[..., None] / taps)
    return np.fft.irfft(spectrum * shift, n=taps)


def _made(
    both: np.ndarray,
    rate: float,
    azimuth_deg: np.ndarray,
    elevation_deg: np.ndarray,
    sampling_rate: int,
    onset_s: float | None,
) -> Hrtf:
    # both: float64 (directions, ears, taps) at `rate`
    if sampling_rate < 16000:
        raise SceneError(f"HRTF at {sampling_rate} Hz: expected 16000 or more, below that the pinna is lost.")
    if onset_s is None:
        onset_s = max(0.0, _first_arrival(both) / rate - LEAD_S)
    resampled = soxr.resample(both.reshape(-1, both.shape[-1]).T, rate, sampling_rate).T
    resampled = resampled.reshape(*both.shape[:2], -1)
    start, taps, fade = (round(seconds * sampling_rate) for seconds in (onset_s, LENGTH_S, FADE_S))
    cut = resampled.shape[-1] > start + taps  # responses shorter than that end as they were measured
    resampled = resampled[..., start : start + taps].copy()
    if cut:
        resampled[..., -fade:] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(fade) + 1) / (fade + 1))
    directions = direction_to_vector(azimuth_deg, elevation_deg)
    in_front = resampled[np.argmax(directions[:, 0])]
    gain = np.sqrt(np.mean(np.sum(in_front**2, axis=-1)))
    return Hrtf(
        responses=(resampled / gain).astype(np.float32),
        directions=directions,
        azimuth_deg=wrap_azimuth_deg(azimuth_deg),
        elevation_deg=np.asarray(elevation_deg),
        sampling_rate=sampling_rate,
    )


def _first_arrival(both: np.ndarray) -> int:
    # Of any direction at any ear, in samples; a few directions whose noise comes first do not count.
    envelope = np.abs(both).reshape(-1, both.shape[-1])
    onsets = np.argmax(envelope > 0.1 * envelope.max(axis=-1, keepdims=True), axis=-1)
    return int(np.quantile(onsets, 0.02, method="lower"))


def interaural_delay_s(response: np.ndarray, sampling_rate: int) -> float:
    """How much later the right ear hears than the left in a response (ears, samples); negative when it is earlier.

    From the peak of the correlation below 1.5 kHz, between samples by a parabola: first-arrival thresholds misread it.
    """
    padded = np.pad(np.asarray(response, dtype=np.float64), ((0, 0), (256, 256)))
    low = sosfiltfilt(butter(4, 1500, fs=sampling_rate, output="sos"), padded)
    correlation = correlate(low[1], low[0])
    peak = int(np.argmax(correlation))
    left, top, right = correlation[peak - 1 : peak + 2]
    return (peak + 0.5 * (left - right) / (left - 2 * top + right) - (padded.shape[1] - 1)) / sampling_rate


def _check_left(head: Hrtf, path: Path) -> None:
    index = int(head.nearest(np.array([0.0, 1.0, 0.0])))
    response = head.responses[index]
    azimuth_deg, elevation_deg = head.azimuth_deg[index], head.elevation_deg[index]
    later_s = interaural_delay_s(response, head.sampling_rate)
    louder_db = 10 * np.log10(np.sum(response[0] ** 2) / np.sum(response[1] ** 2))
    if azimuth_deg < 30 or later_s <= 0 or louder_db <= 0:
        raise SceneError(
            f"{path}: a source at azimuth {azimuth_deg:.0f}, elevation {elevation_deg:.0f} degrees reaches ear 1 "
            f"{1e3 * later_s:.2f} ms after ear 0, which is {louder_db:.1f} dB louder; expected a direction near +90 (left) "
            "where ear 0 is earlier and louder. Are the ears exchanged, or is azimuth counted clockwise?"
        )


def mirrored_index(azimuth_deg: np.ndarray, elevation_deg: np.ndarray) -> np.ndarray:
    """For each direction of a grid the index of its mirror image in the plane between the ears.

    Raises:
        SceneError: the grid itself is not symmetric, so the mirror image of some direction was not measured.
    """
    directions = direction_to_vector(azimuth_deg, elevation_deg)
    distance, index = cKDTree(directions).query(directions * [1.0, -1.0, 1.0])
    if distance.max() > 1e-6:
        worst = int(np.argmax(distance))
        raise SceneError(
            f"direction {azimuth_deg[worst]:.1f}, {elevation_deg[worst]:.1f} degrees has no mirror image in the grid; "
            "expected a grid symmetric in left and right, such as KEMAR's."
        )
    return index
