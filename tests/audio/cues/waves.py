"""Microphones and plane waves for the tests of cues."""

import numpy as np
import torch

from spatial_llm.audio.cues import FrontEnd
from spatial_llm.audio.cues.field import FIELD_CUES, field_cues, harmonics
from spatial_llm.audio.formats import Ambisonics, Array, AudioFormat
from spatial_llm.audio.spectral import mel_filters
from spatial_llm.audio.steering import steering
from spatial_llm.geometry import SPEED_OF_SOUND_M_S

RATE, SAMPLES = 32_000, 4096
FRONT = FrontEnd(RATE, 512, 256, 40, 150.0, 12_000.0)
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 0.042 / np.sqrt(3)
RING = np.array([[0.0425 * np.cos(a), 0.0425 * np.sin(a), 0.0] for a in np.arange(8) * np.pi / 4])
LINE = np.array([[0.0, 0.04 * k - 0.06, 0.0] for k in range(4)])
GLASSES = np.array(
    [[0.07, 0.075, 0.01], [0.07, -0.075, 0.01], [0.085, 0, 0], [0.075, 0.05, -0.03], [0.075, -0.05, -0.03],
     [-0.03, 0.078, 0], [-0.03, -0.078, 0]]
)  # fmt: skip
# All directions of a cube's faces, edges and corners.
CUBE = np.array([[x, y, z] for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1) if x or y or z], dtype=float)
CUBE /= np.linalg.norm(CUBE, axis=1, keepdims=True)


def array(positions, radius: float | None = None) -> Array:
    return Array(tuple(tuple(map(float, position)) for position in positions), radius)


MICROPHONES = {
    "foa": Ambisonics(1),
    "hoa2": Ambisonics(2),
    "hoa3": Ambisonics(3),
    "open tetrahedron": array(TETRAHEDRON),
    "rigid tetrahedron": array(TETRAHEDRON, 0.042),
    "glasses": array(GLASSES),
    "ring": array(RING),
}
_FREQUENCIES = np.fft.rfftfreq(SAMPLES, 1 / RATE)


def received(format: AudioFormat, directions: np.ndarray) -> np.ndarray:
    """What the channels receive of unit plane waves, (frequencies, channels, waves). Of microphones in free air it is
    written out here, so that the library is not compared with itself; spheres and harmonics have tests of their own."""
    if isinstance(format, Array) and format.sphere_radius_m is None:
        early_s = np.array(format.positions_m) @ directions.T / np.linalg.norm(directions, axis=1) / SPEED_OF_SOUND_M_S
        return np.exp(2j * np.pi * _FREQUENCIES[:, None, None] * early_s)
    return steering(format, directions, _FREQUENCIES)


def waves(format: AudioFormat, directions: np.ndarray, seed: int = 0, noise: float = 0.0) -> np.ndarray:
    """Independent white plane waves from directions (waves, xyz), as the format receives them together: (channels, samples)
    float32, with independent noise of this share of the power in each channel."""
    rng = np.random.default_rng(seed)
    spectra = np.exp(2j * np.pi * rng.random((len(_FREQUENCIES), len(directions))))
    recording = np.fft.irfft(np.einsum("fcw,fw->cf", received(format, directions), spectra), SAMPLES)
    recording += np.sqrt(noise) * recording.std() * rng.standard_normal(recording.shape)
    return (0.1 * recording / recording.std()).astype(np.float32)


def planes(recording: np.ndarray, format: AudioFormat, front: FrontEnd = FRONT) -> np.ndarray:
    """The cues of the sound field of a recording, (cues, frames, mel bins)."""
    return field_cues(torch.from_numpy(recording)[None], format, FIELD_CUES, front, steering)[0].numpy()


def band(low_hz: float, high_hz: float, front: FrontEnd = FRONT) -> np.ndarray:
    """Which mel bins have their centre between two frequencies."""
    filters = mel_filters(*front.mel).numpy()
    centres = (filters * np.fft.rfftfreq(front.n_fft, 1 / RATE)[:, None]).sum(0) / np.maximum(filters.sum(0), 1e-9)
    return (centres >= low_hz) & (centres < high_hz)


_SPHERE = np.random.default_rng(0).standard_normal((20_000, 3))
_SPHERE /= np.linalg.norm(_SPHERE, axis=1, keepdims=True)


def peak(cues: np.ndarray, low_hz: float, high_hz: float) -> np.ndarray:
    """The direction (xyz) in which the map of a band, averaged over time, is largest."""
    shares = cues[1:16, :, band(low_hz, high_hz)].mean(axis=(1, 2))
    return _SPHERE[np.argmax(harmonics(_SPHERE)[:, 1:] @ shares)]


def degrees_between(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.rad2deg(np.arccos(np.clip(first @ second, -1, 1))))
