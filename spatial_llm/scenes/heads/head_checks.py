"""Checks of a measured head: the directions in its file are compared with the responses.

The ear on the side of the source receives it earlier and louder, and the delay between the ears follows the sine of the
lateral angle (for every head that was tested the directions explain 99 % of it). The delays therefore reveal exchanged
ears, clockwise azimuths, colatitudes, other units and a listener who looked elsewhere. Front and back, above and below have
the same delays; the pinna tells them apart. From 3 to 5 kHz it shields sound from behind (3.4 to 6.0 dB less than from the
front, mean over a grid of KEMAR, KU100 or a human head), and its notch rises from about 6 to 10 kHz with elevation (5.5-7.5
against 8.5-11 kHz, 4.8 to 9.1 dB between above and below). A head is refused where these are clearly reversed; where they
are not clear, as for a sphere without pinnae, it is accepted.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfiltfilt
from scipy.spatial import cKDTree

from spatial_llm.errors import SceneError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.heads.sofa_file import MeasuredHead

SIDE_DEG = 30  # a direction this far to the side tells the ears apart
EXPLAINED = 0.6  # least share of the squared delays between the ears that the directions must explain
ONE_SIDED = 0.35  # a grid whose mean direction is longer than this covers one side only
ASKEW_DEG = 20.0  # largest angle of the axis through the ears, found from the delays, to the y axis
FRONT_DB, ABOVE_DB = -1.5, -2.0  # mean differences of mirrored directions; below, the grid is the wrong way round
LEAST_ABOVE = 0.8  # least ratio of a grid's highest elevation to its lowest
PAIRS = 8  # least number of mirrored directions for the comparison
SAME_DIRECTION = 0.1  # largest distance of two unit vectors that count as one direction, about 6 degrees
SHELL_GAP_M, SHELL_GAP = 0.04, 0.03  # least gap between the radii of two shells; smaller ones are scatter of one shell
BATCH = 256  # directions that are computed at a time
MOST_TAPS = 4096  # the spectrum is computed from so many taps at most
SCATTER = 0.8  # least ratio of the nearest to the farthest radius of one shell


def check_head(head: MeasuredHead, path: Path) -> None:
    """Raises SceneError where directions and responses contradict each other, see the module."""
    directions = direction_to_vector(head.azimuth_deg, head.elevation_deg)
    later_s = interaural_delays_s(head.responses, head.rate)
    _check_left(head, directions, later_s, path)
    _check_delays(head, directions, later_s, path)
    _check_pinna(head, directions, path)


def shell_of(head: MeasuredHead, path: Path) -> np.ndarray:
    """Returns which directions are used, (directions) bool: all of one shell, whose radii may scatter, or those of the
    farthest of several shells, with a warning that names it."""
    distance_m = head.distance_m
    ordered = np.sort(distance_m)
    gaps = np.flatnonzero(np.diff(ordered) > max(SHELL_GAP_M, SHELL_GAP * ordered[-1]))
    if not len(gaps):
        return np.ones(len(distance_m), dtype=bool)
    farthest = distance_m >= ordered[gaps[-1] + 1]
    directions = direction_to_vector(head.azimuth_deg, head.elevation_deg)
    alone = cKDTree(directions[farthest]).query(directions[~farthest])[0] > SAME_DIRECTION / 3
    if ordered[0] > SCATTER * ordered[-1] and alone.mean() > 0.5:
        return np.ones(len(distance_m), dtype=bool)
    shells = [f"{part.mean():.2f}" for part in np.split(ordered, gaps + 1)]
    lost = f"; {alone.sum()} directions measured only nearer are left out" if alone.any() else ""
    warnings.warn(
        f"{path}: measured at {len(shells)} distances ({', '.join(shells[:8])} m); the farthest is taken, "
        f"{farthest.sum()} of {len(farthest)} responses{lost}.",
        stacklevel=4,
    )
    return farthest


def interaural_delays_s(responses: np.ndarray, rate: float) -> np.ndarray:
    """Returns the delay of the right ear against the left: responses (directions, ears, taps) -> (directions) seconds, to a
    sample, from the correlation below 1.5 kHz."""
    size = 2 * (responses.shape[-1] + 512)
    below = butter(4, 1500, fs=rate, output="sos")
    later = []
    for first in range(0, len(responses), BATCH):
        low = sosfiltfilt(below, np.pad(responses[first : first + BATCH], ((0, 0), (0, 0), (256, 256))))
        spectrum = np.fft.rfft(low, size)
        correlation = np.fft.fftshift(np.fft.irfft(spectrum[:, 1] * spectrum[:, 0].conj(), size), axes=-1)
        later.append(np.argmax(correlation, axis=-1) - size // 2)
    return np.concatenate(later) / rate


def _check_left(head: MeasuredHead, directions: np.ndarray, later_s: np.ndarray, path: Path) -> None:
    index = int(np.argmax(np.abs(directions[:, 1])))
    to_the_side = np.sin(np.deg2rad(SIDE_DEG))
    if directions[:, 1].max() >= to_the_side:
        index = int(np.argmax(directions[:, 1]))
    louder_db = 10 * np.log10(np.sum(head.responses[index, 0] ** 2) / np.sum(head.responses[index, 1] ** 2))
    side = np.sign(directions[index, 1])
    if abs(directions[index, 1]) < to_the_side or side * later_s[index] <= 0 or side * louder_db <= 0:
        raise SceneError(
            f"{path}: a source at azimuth {head.azimuth_deg[index]:.0f}, elevation {head.elevation_deg[index]:.0f} degrees "
            f"reaches ear 1 {1e3 * later_s[index]:.2f} ms after ear 0, which is {louder_db:.1f} dB louder; expected a "
            "direction to the side, such as +90 (left), where ear 0 is earlier and louder (right: ear 1). Are the ears "
            "exchanged, is azimuth counted clockwise, or ListenerView another one than the listener had?"
        )


def _check_delays(head: MeasuredHead, directions: np.ndarray, later_s: np.ndarray, path: Path) -> None:
    slope = (directions[:, 1] @ later_s) / (directions[:, 1] @ directions[:, 1])
    rest = np.sum((later_s - slope * directions[:, 1]) ** 2) / np.sum(later_s**2)
    # The axis through the ears cannot be found from a grid on one side only, because the delays are slightly curved.
    axis, _, rank, _ = np.linalg.lstsq(directions, later_s, rcond=0.3)
    around = rank > 1 and np.linalg.norm(directions.mean(axis=0)) < ONE_SIDED
    askew_deg = np.rad2deg(np.arctan2(np.hypot(axis[0], axis[2]), axis[1])) if around else 0.0
    if slope <= 0 or rest > 1 - EXPLAINED or askew_deg > ASKEW_DEG:
        of_listener = ", as ListenerPosition, ListenerView and ListenerUp place them" if head.turned else ""
        raise SceneError(
            f"{path}: the delays between the ears do not fit the directions{of_listener} (they explain "
            f"{100 * max(0.0, 1 - rest):.0f} % of them; the axis through the ears is askew by {askew_deg:.0f} degrees); "
            "expected azimuth counter-clockwise from the front, elevation from -90 (below) to 90 (above). Is azimuth "
            "counted clockwise, elevation from above (colatitude), or ListenerView another one than the listener had?"
        )


def _check_pinna(head: MeasuredHead, directions: np.ndarray, path: Path) -> None:
    front_db = _difference(head, directions, 0, [(3000, 5000)])
    if front_db is not None and front_db < FRONT_DB:
        raise SceneError(
            f"{path}: sources in front are {-front_db:.1f} dB weaker from 3 to 5 kHz than those behind, where the pinna "
            "shields; expected them to be stronger. Is azimuth 0 behind, or front and back exchanged?"
        )
    lowest_deg, highest_deg = head.elevation_deg.min(), head.elevation_deg.max()
    if lowest_deg < -10 and highest_deg < LEAST_ABOVE * -lowest_deg:
        warnings.warn(
            f"{path}: measured from {lowest_deg:.0f} to {highest_deg:.0f} degrees of elevation, farther down than up, as "
            "no set-up is built. Is elevation counted downwards?",
            stacklevel=4,
        )
    above_db = _difference(head, directions, 2, [(5500, 7500), (8500, 11000)])
    if above_db is not None and above_db < ABOVE_DB:
        raise SceneError(
            f"{path}: the notch of the pinna falls with elevation ({above_db:.1f} dB between above and below); it rises for "
            "every head. Is elevation counted downwards, or the head upside down?"
        )


def _difference(head: MeasuredHead, directions: np.ndarray, axis: int, bands: Sequence[tuple[float, float]]) -> float | None:
    """Returns the level of directions with a positive coordinate minus that of their mirror images, in the first band minus
    in the second, mean in dB. None where too few directions have a mirror image, or the rate is too low."""
    flip = np.ones(3)
    flip[axis] = -1
    distance, index = cKDTree(directions).query(directions * flip)
    chosen = np.flatnonzero((distance < SAME_DIRECTION) & (directions[:, axis] > 0.25))
    if len(chosen) < PAIRS or bands[-1][1] > 0.48 * head.rate:
        return None
    responses = head.responses[..., :MOST_TAPS]
    size = 1 << max(9, (responses.shape[-1] - 1).bit_length())
    hertz = np.fft.rfftfreq(size, 1 / head.rate)

    def level_db(rows: np.ndarray) -> np.ndarray:
        power = np.sum(np.abs(np.fft.rfft(responses[rows], size)) ** 2, axis=1)
        first, *second = [10 * np.log10(power[:, (hertz >= a) & (hertz < b)].mean(axis=1) + 1e-30) for a, b in bands]
        return first - sum(second)

    return float(np.mean(level_db(chosen) - level_db(index[chosen])))
