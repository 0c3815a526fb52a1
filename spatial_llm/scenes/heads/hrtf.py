"""The head: measured impulse responses from every direction to the two ears.

MIT KEMAR (W. G. Gardner and K. D. Martin, J. Acoust. Soc. Am. 97, 3907, 1995) ships with the package, built by
data/build_kemar.py. Note: its ears mirror each other exactly, so swapping the ears of any scene gives exactly the mirrored
scene. The direction grid is used as measured, because interpolation would break that symmetry: directions between grid
points take the nearest one (5 degrees apart at the horizon, nothing below -40 degrees).

Any other head comes from a SOFA file (AES69) with the convention SimpleFreeFieldHRIR: `sofa_file` reads it, `head_checks`
refuses files that contradict themselves. No grid covers all directions: `Hrtf.check_direct` limits from where a direct sound
may come.
"""

import functools
import warnings
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
import soxr
from pyroomacoustics.doa import fibonacci_spherical_sampling
from scipy.signal import butter, correlate, sosfiltfilt
from scipy.spatial import cKDTree

from spatial_llm.errors import SceneError
from spatial_llm.files import file_stamp
from spatial_llm.geometry import direction_to_vector, vector_to_direction, wrap_azimuth_deg
from spatial_llm.scenes.heads.head_checks import check_head, shell_of
from spatial_llm.scenes.heads.sofa_file import read_measured_head

KEMAR_FILE = "mit_kemar.npz"
# The first arrival at any ear comes 28 samples into KEMAR's measured 512; 99.9 % of the energy lies before sample 347.
ONSET_S, LENGTH_S, FADE_S = 20 / 44100, 0.0075, 0.0015
LEAD_S = 8 / 44100  # kept before the first arrival at any ear
FRACTIONS = 32  # delays are rounded to 1/32 sample: at most 0.5 us at 32 kHz
# KEMAR's widest gap is 5 degrees, IRCAM Listen's 10, but below -40 and -45 of elevation neither has any direction.
NEAR_DEG, FAR_DEG = 15.0, 30.0  # of a direct sound from the nearest measured direction: warned of, refused
ARC_ENDS_DEG = -30.0  # a grid that goes down so far leaves out what is below, up to the pole
KEPT = 0.05  # least share of the energy of a direction, against that of the others, that a cut head must hold
PAD = 16  # zeros before and after a head response, so that delaying it by a fraction rings into them


@dataclass(frozen=True, eq=False)
class Hrtf:
    """Head-related impulse responses in the internal frame.

    Attributes:
        responses: float32 (directions, ears, taps), ear 0 = left; scaled so that a source in front has unit gain: white
            noise keeps its level, averaged over the ears.
        directions: (directions, xyz) unit vectors.
        azimuth_deg, elevation_deg: the same directions as angles, (directions).
        sampling_rate: Hz.
        name: the file that it was read from.
    """

    responses: np.ndarray
    directions: np.ndarray
    azimuth_deg: np.ndarray
    elevation_deg: np.ndarray
    sampling_rate: int
    name: str = "MIT KEMAR"

    @functools.cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.directions)

    def nearest(self, xyz: np.ndarray) -> np.ndarray:
        """Returns the index of the measured direction nearest to each vector: (..., xyz) of any length -> (...) int."""
        xyz = np.asarray(xyz, dtype=np.float64)
        return self._tree.query(xyz / np.linalg.norm(xyz, axis=-1, keepdims=True))[1]

    def gap_deg(self, xyz: np.ndarray) -> np.ndarray:
        """Returns the angle from each vector (..., xyz) to the measured direction nearest to it, degrees (...)."""
        xyz = np.asarray(xyz, dtype=np.float64)
        chord = self._tree.query(xyz / np.linalg.norm(xyz, axis=-1, keepdims=True))[0]
        return np.rad2deg(2 * np.arcsin(np.minimum(chord / 2, 1)))

    def is_far(self, xyz: np.ndarray) -> np.ndarray:
        """Returns whether the nearest measured direction is too far from these (..., xyz) to represent them: more than
        FAR_DEG. Directions below are excepted, because arcs of loudspeakers end above the floor and most heads have a gap
        there."""
        lowest_deg = self.elevation_deg.min()
        elevation_deg = vector_to_direction(xyz)[1]
        return (self.gap_deg(xyz) > FAR_DEG) & ~((lowest_deg <= ARC_ENDS_DEG) & (elevation_deg < lowest_deg))

    @functools.cached_property
    def covers_all(self) -> bool:
        """Returns whether no direction is far from the measured ones."""
        return not self.is_far(fibonacci_spherical_sampling(1024).T).any()

    def check_direct(self, xyz: np.ndarray) -> None:
        """Raises SceneError where no measured direction is near that of a direct sound (xyz). Within FAR_DEG, or in the hole
        below, it warns from NEAR_DEG on."""
        gap_deg = float(self.gap_deg(xyz))
        if gap_deg <= NEAR_DEG:
            return
        nearest = int(self.nearest(xyz))
        azimuth_deg, elevation_deg, _ = vector_to_direction(xyz)
        if self.is_far(xyz):
            raise SceneError(
                f"direct sound from azimuth {azimuth_deg:.0f}, elevation {elevation_deg:.0f} degrees, but {self.name} was "
                f"measured no nearer than {gap_deg:.0f} degrees from there (azimuth {self.azimuth_deg[nearest]:.0f}, "
                f"elevation {self.elevation_deg[nearest]:.0f}); expected {FAR_DEG:g} at most: move the source, or "
                "take another head."
            )
        # The angle is rounded to steps, so that many scenes give one warning.
        step_deg = NEAR_DEG * (gap_deg // NEAR_DEG)
        warnings.warn(
            f"{self.name}: direct sounds come from {step_deg:g} degrees or more beyond the measured directions, such as "
            f"azimuth {self.azimuth_deg[nearest]:.0f}, elevation {self.elevation_deg[nearest]:.0f}, and take the nearest.",
            stacklevel=4,
        )

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
    """Returns MIT KEMAR, normal pinna, resampled once to `sampling_rate` (Hz). Raises SceneError for a rate below 16 kHz."""
    file = resources.files("spatial_llm.scenes") / "package_data" / KEMAR_FILE
    with resources.as_file(file) as path, np.load(path, allow_pickle=False) as data:
        left, rate = data["left"].astype(np.float64), int(data["rate"])
        azimuth_deg, elevation_deg = data["azimuth_deg"], data["elevation_deg"]
    right = left[left_right_partner(azimuth_deg, elevation_deg)]
    both = np.stack([left, right], axis=1)  # (directions, ears, taps)
    return made_head(both, rate, azimuth_deg, elevation_deg, sampling_rate, ONSET_S)


def read_sofa(path: str | Path, sampling_rate: int = 32000) -> Hrtf:
    """Returns a head from a SOFA file, resampled to `sampling_rate` (Hz) and processed like KEMAR. If directions were
    measured at several distances, the farthest one is used, with a warning. A file that was replaced is read again."""
    path = Path(path)
    if not path.is_file():
        raise SceneError(f"{path}: no such file; give a SOFA file with head-related impulse responses.")
    return _read_sofa(path, file_stamp(path), sampling_rate)


@functools.lru_cache(maxsize=4)
def _read_sofa(path: Path, _stamp: tuple, sampling_rate: int) -> Hrtf:
    measured = read_measured_head(path)
    check_head(measured, path)
    taken = shell_of(measured, path)
    azimuth_deg, elevation_deg = measured.azimuth_deg[taken], measured.elevation_deg[taken]
    head = made_head(measured.responses[taken], measured.rate, azimuth_deg, elevation_deg, sampling_rate, None)
    check_kept(head, measured.responses[taken], measured.rate, path)
    return replace(head, name=str(path))


def made_head(
    both: np.ndarray,
    rate: float,
    azimuth_deg: np.ndarray,
    elevation_deg: np.ndarray,
    sampling_rate: int,
    onset_s: float | None,
) -> Hrtf:
    """Returns measured responses at a rate, cut around what arrives and scaled, see `Hrtf`.

    Args:
        both: float64 (directions, ears or microphones, taps) at `rate` Hz.
        azimuth_deg, elevation_deg: (directions).
        sampling_rate: Hz, 16000 or more.
        onset_s: where the responses begin in what was measured; None = shortly before the first arrival.

    Raises:
        SceneError: the sampling rate is below 16000 Hz.
    """
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
    # The earliest onset of any direction at any ear, in samples; the lowest 2 % are left out, their noise may come first.
    envelope = np.abs(both).reshape(-1, both.shape[-1])
    onsets = np.argmax(envelope > 0.1 * envelope.max(axis=-1, keepdims=True), axis=-1)
    return int(np.quantile(onsets, 0.02, method="lower"))


def interaural_delay_s(response: np.ndarray, sampling_rate: int) -> float:
    """Returns the delay of the right ear against the left in a response (ears, samples); negative where the right ear is
    earlier.

    It is the peak of the correlation below 1.5 kHz, interpolated between samples by a parabola: thresholds of the first
    arrival misread it.
    """
    padded = np.pad(np.asarray(response, dtype=np.float64), ((0, 0), (256, 256)))
    low = sosfiltfilt(butter(4, 1500, fs=sampling_rate, output="sos"), padded)
    correlation = correlate(low[1], low[0])
    peak = int(np.argmax(correlation))
    left, top, right = correlation[peak - 1 : peak + 2]
    return (peak + 0.5 * (left - right) / (left - 2 * top + right) - (padded.shape[1] - 1)) / sampling_rate


def check_kept(head: Hrtf, measured: np.ndarray, rate: float, path: Path) -> None:
    """Raises SceneError where a direction of what was measured (directions, ears, taps) is silent or was cut away."""
    # A direction that arrives after LENGTH_S would be cut away whole; a direction without a measurement is silent.
    kept, whole = (np.sum(np.square(each, dtype=np.float64), axis=(1, 2)) for each in (head.responses, measured))
    kept, whole = kept / np.median(kept), whole / np.median(whole)
    lost = np.flatnonzero((kept < KEPT * whole) | (whole < 1e-6))
    if len(lost):
        where = lost[0]
        raise SceneError(
            f"{path}: the response at azimuth {head.azimuth_deg[where]:.0f}, elevation {head.elevation_deg[where]:.0f} "
            f"degrees is silent, or begins more than {1e3 * LENGTH_S:g} ms after the first ({len(lost)} such); measure it "
            "again."
        )


def left_right_partner(azimuth_deg: np.ndarray, elevation_deg: np.ndarray) -> np.ndarray:
    """Returns, for each direction of a grid, the index of its mirror image on the other side of the head."""
    directions = direction_to_vector(azimuth_deg, elevation_deg)
    distance, index = cKDTree(directions).query(directions * [1.0, -1.0, 1.0])
    if distance.max() > 1e-6:
        worst = int(np.argmax(distance))
        raise SceneError(
            f"direction {azimuth_deg[worst]:.1f}, {elevation_deg[worst]:.1f} degrees has no mirror image in the grid; "
            "expected a grid symmetric in left and right, such as KEMAR's."
        )
    return index
