"""Classical cues of first-order ambisonics: log-mel spectra, intensity vector, diffuseness.

Source: V. Pulkki, Spatial sound reproduction with directional audio coding, J. Audio Eng. Soc. 55, 2007; as planes for
networks T. N. T. Nguyen et al., SALSA, 2022, and PSELDNets (arXiv 2411.06399). The recording may be of a higher order; its
first four channels are used. With W, Y, Z, X in SN3D, I = Re(W* [X, Y, Z]) and E = (|W|^2 + |X|^2 + |Y|^2 + |Z|^2) / 2 in
mel bins: the intensity planes are I / E, the direction of a single plane wave as a unit vector, and the diffuseness 1 - |I|
/ E is 0 for it and 1 in a diffuse field.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from spatial_llm.audio.cues.front_end import FrontEnd
from spatial_llm.audio.spectral import frame, mel_projection, spectrum
from spatial_llm.errors import AudioError

AXES = ("x", "y", "z")
LOGMELS = ("logmel_w", *(f"logmel_{axis}" for axis in AXES))
INTENSITY = tuple(f"intensity_{axis}" for axis in AXES)
DIFFUSENESS = "diffuseness"
INTENSITY_CUES = (*LOGMELS, *INTENSITY, DIFFUSENESS)
QUIET = 1e-10  # energy of a mel bin below which nothing is told


def intensity_cues(waveform: torch.Tensor, cues: Sequence[str], front: FrontEnd) -> torch.Tensor:
    """Computes ACN/SN3D (B, channels, samples) -> (B, len(cues) planes, frames, mel bins) float32, planes in the order of
    `cues`.

    Raises:
        AudioError: an unknown cue, or fewer samples than half a frame.
    """
    unknown = [cue for cue in cues if cue not in INTENSITY_CUES]
    if unknown or not cues:
        raise AudioError(f"cues {unknown or 'none'} unknown; expected some of {', '.join(INTENSITY_CUES)}.")
    project = mel_projection(*front.mel)
    first, last = project.support
    wxyz = waveform[:, [0, 3, 1, 2]].float()
    bins = spectrum(frame(wxyz, front.n_fft, front.hop_length))[..., first:last]  # (B, 4, frames, bins)
    powers = project(torch.view_as_real(bins).square().sum(-1), first)
    flow = project((bins[:, :1].conj() * bins[:, 1:]).real, first)
    energy = powers.sum(1, keepdim=True) / 2
    intensity = torch.where(energy > QUIET, flow / energy.clamp(min=QUIET), 0.0)
    diffuse = 1 - torch.linalg.vector_norm(intensity, dim=1, keepdim=True)
    planes = torch.cat([powers.clamp(min=1e-10).log10() * 10, intensity, diffuse], dim=1)
    return planes[:, [INTENSITY_CUES.index(cue) for cue in cues]]


def rotate_intensity_cues(features: torch.Tensor, cues: Sequence[str], matrix: NDArray) -> torch.Tensor:
    """Rotates the cues (..., cues, frames, mel bins) of a recording: those of the same scene after turning every direction d
    to `matrix` @ d.

    The spectra of X, Y and Z say nothing of how these channels are related, so that they can only be exchanged.

    Raises:
        AudioError: some of three axes are missing; or their spectra are among the cues and the rotation does more than
            exchange axes (such as a quarter turn).
    """
    out, names = features.clone(), list(cues)
    turned = torch.from_numpy(np.asarray(matrix)).to(features)
    exchange = torch.round(turned).abs()
    for group, by in ((INTENSITY, turned), (LOGMELS[1:], exchange)):
        rows = [names.index(name) for name in group if name in names]
        if not rows:
            continue
        if len(rows) < len(group):
            raise AudioError(f"cues {names} cannot be rotated: expected all of {', '.join(group)} or none.")
        if by is exchange and not torch.allclose(turned.abs(), exchange, atol=1e-6):
            raise AudioError(f"cues {names} can only be rotated by quarter turns; leave out {', '.join(group)} for others.")
        out[..., rows, :, :] = torch.einsum("ij,...jtb->...itb", by, features[..., rows, :, :])
    return out


def mirror_intensity_cues(features: torch.Tensor, cues: Sequence[str]) -> torch.Tensor:
    """Mirrors the cues (..., cues, frames, mel bins) of a recording: those of the scene with left and right exchanged."""
    signs = torch.tensor([-1.0 if cue == "intensity_y" else 1.0 for cue in cues]).to(features)
    return features * signs[:, None, None]
