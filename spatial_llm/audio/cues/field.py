"""Cues of the sound field: one set of planes for ambisonics of every order and for every array.

For each time and frequency, the recording is compared with the plane waves from all directions of a grid, and the map of
likeness is kept as spherical harmonics. With V the transfer functions of the format (channels, directions), a diffuse field
has the covariance R = mean of v v^H; recording and transfer functions are whitened by H = (R + load)^(-1/2), because small
arrays receive mostly what all their channels share. The map is P(q) = |v'^H x'|^2 / (|v'|^2 |x'|^2), 1 towards a plane wave
and flat in a diffuse field (a steered response as in J. DiBiase et al., Robust localization in reverberant rooms, 2001,
with the whitening of diffuse noise). It is a quadratic form of x', so that its harmonics are as well: s_nm = x'^H M_nm x' /
|x'|^2 with one small matrix M_nm a frequency, and no map is ever computed.

Planes, each (frames, mel bins):

    logmel_mean     10 log10 of the mean power of the channels, in units of that of one microphone in a diffuse field
    map_y ... map_p harmonics of degree 1 to 3 of the map (N3D, ACN order), averaged over a mel bin by |x'|^2, those of each
                    degree in units of their root mean square for single plane waves, known_n, where that is not small
    directness      length of all harmonics, in units of that for one plane wave: 0 in a diffuse field
    known_1 to 3    what this format can know: that root mean square, which is 0 where the map has no such detail

The units make one plane wave the same to every format, as far as the format can know it; without them the map of
third-order ambisonics, whose peak is narrow, has a third of the first degree of that of first order. Rotating a scene
rotates the harmonics of each degree among themselves and leaves the other planes as they are. The planes of degree 3 of a
recording in first-order ambisonics are 0, as is its known_3.
"""

import functools
import os
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from spatial_llm.audio.ambisonics import encode, rotation
from spatial_llm.audio.cues.front_end import FrontEnd
from spatial_llm.audio.directions import direction_grid, rings_for
from spatial_llm.audio.formats import AudioFormat
from spatial_llm.audio.formats.ambisonics import ACN_NAMES, MAX_ORDER, Ambisonics
from spatial_llm.audio.spectral import frame, mel_filters, mel_projection, spectrum
from spatial_llm.errors import AudioError
from spatial_llm.files import file_stamp

Steering = Callable[[AudioFormat, NDArray, NDArray], NDArray]

LOGMEL_MEAN, DIRECTNESS = "logmel_mean", "directness"
MAP = tuple(f"map_{letter.lower()}" for letter in ACN_NAMES[1:])
KNOWN = tuple(f"known_{degree}" for degree in range(1, MAX_ORDER + 1))
FIELD_CUES = (LOGMEL_MEAN, *MAP, DIRECTNESS, *KNOWN)

LOAD = 0.01  # of the mean power of a channel, added before the whitening: 20 dB of differences between channels count
SMALL = 0.02  # known_n below which harmonics are not brought to full size: they would be noise
QUIET = 1e-10  # power of a mel bin below which nothing is told; 16-bit noise has more
BLOCK_NUMBERS = 2**22  # of the products of channels that are computed together: they stay in the cache of a CPU
FREQUENCIES = 32  # of the matrices that are computed together: those of many microphones are large
_DEGREES = Ambisonics(MAX_ORDER).degrees


def harmonics(directions: NDArray) -> NDArray:
    """Returns the real spherical harmonics of degree 0 to 3 of directions (Q, xyz), N3D, ACN order: (Q, 16)."""
    return encode(directions, MAX_ORDER) * np.sqrt(2 * _DEGREES + 1)


class FieldMatrices:
    """What the cues of one format are computed with, for every frequency of a front end.

    Args:
        format: of the recordings.
        front: the front end.
        steering: the transfer functions of the format, see `audio.steering.steering`.

    Attributes:
        whitening: (frequencies, channels, channels) complex64, H.
        forms: (frequencies, channels^2, 15) float32: harmonics 1 to 15 from the products of whitened channels that
            `products` returns.
        pressure: (frequencies,) float32: power of an omnidirectional microphone over the sum of the channels' powers.
        known: (3, mel bins) float32: root mean square of the harmonics of each degree for single plane waves.
    """

    def __init__(self, format: AudioFormat, front: FrontEnd, steering: Steering) -> None:
        frequencies = np.fft.rfftfreq(front.n_fft, 1 / front.sampling_rate)
        # The harmonics of ambisonics are those of every frequency.
        distinct = frequencies[:1] if isinstance(format, Ambisonics) else frequencies
        directions, weights = direction_grid(rings_for(format, front.f_max))
        vectors = torch.from_numpy(np.array(steering(format, directions, distinct)))  # (F, C, Q)
        weights, wanted = torch.from_numpy(weights), torch.from_numpy(harmonics(directions)[:, 1:])
        parts = [_matrices(part, weights, wanted) for part in vectors.split(FREQUENCIES)]
        whitening, forms, pressure, seen = (torch.cat(each) for each in zip(*parts, strict=True))
        of_all = [each.expand(len(frequencies), *each.shape[1:]) for each in (whitening, forms, pressure, seen)]
        self.whitening, self.forms, self.pressure = of_all[0].to(torch.complex64), of_all[1].float(), of_all[2].float()
        filters = mel_filters(*front.mel).double()
        banded = torch.einsum("fb,fqn->bqn", filters, of_all[3]) / filters.sum(0).clamp(min=1e-12)[:, None, None]
        energy = weights @ banded.square()  # (mel bins, 15)
        degrees = [energy[:, _DEGREES[1:] == degree].sum(dim=1) for degree in range(1, MAX_ORDER + 1)]
        self.known = torch.stack(degrees).sqrt().float()


def _matrices(vectors: torch.Tensor, weights: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Returns, of transfer functions (F, C, Q), weights (Q,) and harmonics (Q, 15) of the grid: whitening (F, C, C), forms
    (F, C^2, 15), pressure (F,), and the harmonics of a plane wave from each direction (F, Q, 15)."""
    channels = vectors.shape[1]
    covariance = (vectors * weights) @ vectors.mH
    total = covariance.diagonal(dim1=1, dim2=2).real.sum(-1)
    # Above half the rate of measured responses nothing is known; there the map is flat.
    unknown = total == 0
    load = torch.where(unknown, 1.0, LOAD / channels * total)[:, None, None] * torch.eye(channels)
    values, basis = torch.linalg.eigh(covariance + load)
    whitening = (basis / values.sqrt()[:, None]) @ basis.mH
    white = whitening @ vectors
    waves = products(white / torch.linalg.vector_norm(white, dim=1, keepdim=True).clamp(min=1e-12))  # (F, C^2, Q)
    # |v^H x|^2 is the sum over i and j of v_i v_j* x_i* x_j: powers once, pairs twice, in the order of `products`.
    twice = torch.full((channels**2,), 2.0, dtype=torch.float64)
    twice[:channels] = 1
    forms = twice[:, None] * (waves @ (weights[:, None] * wanted))
    return whitening, forms, torch.where(unknown, 0.0, 1 / total), waves.mT @ forms


def field_matrices(format: AudioFormat, front: FrontEnd, steering: Steering) -> FieldMatrices:
    """Returns the `FieldMatrices` of a format, computed once; anew where its file of measured responses was replaced."""
    measured = format.sofa is not None and os.path.isfile(format.sofa)
    return _field_matrices(format, front, steering, file_stamp(format.sofa) if measured else None)


@functools.lru_cache(maxsize=64)
def _field_matrices(format: AudioFormat, front: FrontEnd, steering: Steering, _stamp: tuple | None) -> FieldMatrices:
    return FieldMatrices(format, front, steering)


def products(channels: torch.Tensor) -> torch.Tensor:
    """Returns all products of channels, (..., C, columns) complex -> (..., C^2, columns) real: the powers, then of all pairs
    i < j the real parts of conj(x_i) x_j, then their imaginary parts."""
    real, imag = (part.contiguous() for part in (channels.real, channels.imag))
    parts = [real.square() + imag.square()]
    rows = [(real[..., i : i + 1, :], imag[..., i : i + 1, :], slice(i + 1, None)) for i in range(real.shape[-2] - 1)]
    parts += [torch.addcmul(re * real[..., rest, :], im, imag[..., rest, :]) for re, im, rest in rows]
    parts += [torch.addcmul(re * imag[..., rest, :], im, real[..., rest, :], value=-1) for re, im, rest in rows]
    return torch.cat(parts, dim=-2)


def field_cues(
    waveform: torch.Tensor, format: AudioFormat, cues: Sequence[str], front: FrontEnd, steering: Steering
) -> torch.Tensor:
    """Computes (B, channels of `format`, samples) -> (B, len(cues) planes, frames, mel bins) float32, planes in the order of
    `cues`.

    Raises:
        AudioError: an unknown cue, fewer samples than half a frame, or a format without transfer functions.
    """
    unknown = [cue for cue in cues if cue not in FIELD_CUES]
    if unknown or not cues:
        raise AudioError(f"cues {unknown or 'none'} unknown; expected some of {', '.join(FIELD_CUES)}.")
    matrices, project = field_matrices(format, front, steering), mel_projection(*front.mel)
    frames = frame(waveform.float(), front.n_fft, front.hop_length)  # (B, C, frames, n_fft)
    clips, channels, rows = frames.shape[:3]
    planes = torch.empty((clips, len(FIELD_CUES), rows, front.num_mel_bins), device=waveform.device)
    first, last = project.support
    block = max(8, BLOCK_NUMBERS // ((last - first) * channels**2))
    for clip in range(clips):
        for row in range(0, rows, block):
            bins = spectrum(frames[clip, :, row : row + block])[..., first:last].permute(2, 0, 1)  # (bins, C, rows)
            forms = _quadratic(bins, matrices, first, last)
            found = _planes(project.over_bins(forms, first), matrices)
            planes[clip, :, row : row + block] = found.transpose(1, 2)
    return planes[:, [FIELD_CUES.index(cue) for cue in cues]]


def _quadratic(bins: torch.Tensor, matrices: FieldMatrices, first: int, last: int) -> torch.Tensor:
    """Returns (bins, 17, rows) of (bins, C, rows): pressure power, whitened power, and its share in each harmonic."""
    device, channels = bins.device, bins.shape[1]
    numbers = products(matrices.whitening[first:last].to(device) @ bins)
    out = torch.empty(len(bins), 2 + len(MAP), bins.shape[2], device=device)
    power = torch.view_as_real(bins).square().sum(-1).sum(1)
    out[:, 0] = power * matrices.pressure[first:last, None].to(device)
    out[:, 1] = numbers[:, :channels].sum(1)
    out[:, 2:] = matrices.forms[first:last].to(device).mT @ numbers
    return out


def _planes(banded: torch.Tensor, matrices: FieldMatrices) -> torch.Tensor:
    """Returns all planes of a block, (mel bins, 17, rows) -> (20, mel bins, rows)."""
    power, total, shares = banded[:, 0], banded[:, 1], banded[:, 2:].transpose(0, 1)
    logmel = power.clamp(min=1e-10).log10_().mul_(10)
    shares = torch.where(total > QUIET, shares / total.clamp(min=QUIET), 0.0)
    known = matrices.known.to(power.device)[..., None]  # (3, mel bins, 1)
    directness = (shares.square().sum(0) / (known.square().sum(0) + SMALL**2)).sqrt()
    units = (known / (known.square() + SMALL**2))[_DEGREES[1:] - 1]
    return torch.cat([logmel[None], shares * units, directness[None], known.expand(-1, -1, logmel.shape[1])])


def rotate_field_cues(features: torch.Tensor, cues: Sequence[str], matrix: NDArray) -> torch.Tensor:
    """Rotates the cues (..., cues, frames, mel bins) of a recording: those of the same scene after turning every direction d
    to `matrix` @ d.

    Raises:
        AudioError: some but not all harmonics of a degree are among the cues.
    """
    out = features.clone()
    turned = torch.from_numpy(rotation(MAX_ORDER, matrix)).to(features)
    for degree in range(1, MAX_ORDER + 1):
        names = [MAP[index] for index in range(len(MAP)) if _DEGREES[index + 1] == degree]
        rows = [list(cues).index(name) for name in names if name in cues]
        if rows and len(rows) < len(names):
            raise AudioError(f"cues {list(cues)} cannot be rotated: expected all of {', '.join(names)} or none.")
        block = turned[degree**2 : (degree + 1) ** 2, degree**2 : (degree + 1) ** 2]
        if rows:
            out[..., rows, :, :] = torch.einsum("ij,...jtb->...itb", block, features[..., rows, :, :])
    return out


def mirror_field_cues(features: torch.Tensor, cues: Sequence[str]) -> torch.Tensor:
    """Mirrors the cues (..., cues, frames, mel bins) of a recording: those of the scene with left and right exchanged."""
    odd = Ambisonics(MAX_ORDER).mirror(np.ones((len(_DEGREES), 1)))[1:, 0]
    signs = dict(zip(MAP, odd, strict=True))
    return features * torch.tensor([signs.get(cue, 1.0) for cue in cues]).to(features)[:, None, None]
