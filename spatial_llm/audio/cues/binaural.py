"""The binaural cues of SpatialAST and DSpAST, from waveform to planes of (frames, mel bins).

Source: BAT (arXiv 2402.01591; log-mel, IPD) and DSpAST (arXiv 2509.13927; GCC-PHAT, ILD), as their checkpoints were trained.
Everything here is an island of float32: phases and the ILD, whose range is huge, do not survive half precision. Signs: when
a sound reaches the left ear later by tau (the source is on the right), IPD = phase(right) - phase(left) = +omega tau, and
GCC-PHAT peaks at lag +tau. To add a cue, add a line to `CUES`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from spatial_llm.audio.cues.front_end import FrontEnd
from spatial_llm.audio.spectral import MelProjection, frame, mel_projection, spectrum
from spatial_llm.errors import AudioError

LOGMEL_LEFT, LOGMEL_RIGHT = "logmel_left", "logmel_right"
GCC_PHAT, ILD, COS_IPD, SIN_IPD = "gcc_phat", "ild", "cos_ipd", "sin_ipd"

SPATIAL_AST_CUES = (LOGMEL_LEFT, LOGMEL_RIGHT, COS_IPD, SIN_IPD)
DSPAST_CUES = (LOGMEL_LEFT, LOGMEL_RIGHT, GCC_PHAT, ILD, COS_IPD, SIN_IPD)

# Frames of one clip that are computed together on a CPU: everything a block needs stays in the cache, which makes the
# whole up to twice as fast as plane after plane; a third of the 1001 frames of a clip of 10 s.
BLOCK_FRAMES = 334


def binaural_cues(waveform: torch.Tensor, cues: Sequence[str], front: FrontEnd) -> torch.Tensor:
    """Computes (B, 2 ears, samples) -> (B, len(cues) planes, frames, num_mel_bins) float32, planes in the order of `cues`.

    Raises:
        AudioError: an unknown cue, more GCC lags than the transform has, or fewer samples than half a frame.
    """
    unknown = [cue for cue in cues if cue not in CUES]
    if unknown or not cues:
        raise AudioError(f"cues {unknown or 'none'} unknown; expected some of {', '.join(CUES)}.")
    num_mel_bins = front.num_mel_bins
    if GCC_PHAT in cues and num_mel_bins > front.n_fft:
        raise AudioError(f"{num_mel_bins} GCC lags asked of n_fft = {front.n_fft}; expected at most n_fft.")
    frames = frame(waveform.float(), front.n_fft, front.hop_length)  # (B, ears, frames, n_fft)
    project = mel_projection(*front.mel)
    shape = (len(waveform), len(cues), frames.shape[2], num_mel_bins)
    features = torch.empty(shape, dtype=torch.float32, device=waveform.device)
    every_bin = any(CUES[cue].every_bin for cue in cues)
    # A GPU is fed best with few large kernels, a CPU with blocks that fit its cache.
    clips, rows = (1, BLOCK_FRAMES) if waveform.device.type == "cpu" else shape[0::2]
    for clip in range(0, shape[0], clips):
        for row in range(0, shape[2], rows):
            part = frames[clip : clip + clips, :, row : row + rows]
            block = Block(part, project, num_mel_bins, every_bin)
            for index, cue in enumerate(cues):
                features[clip : clip + clips, index, row : row + rows] = CUES[cue].compute(block)
    return features


class Block:
    """A block of frames, and the quantities that its cues are made of, each computed when it is first used.

    Args:
        frames: (B, 2 ears, frames, n_fft).
        project: of magnitudes to mel bins.
        num_mel_bins: columns of every cue.
        every_bin: True where a cue needs all frequencies, not only those of a mel filter.
    """

    def __init__(self, frames: torch.Tensor, project: MelProjection, num_mel_bins: int, every_bin: bool) -> None:
        self.project, self.num_mel_bins = project, num_mel_bins
        self.first, last = (0, frames.shape[-1] // 2 + 1) if every_bin else project.support
        bins = torch.view_as_real(spectrum(frames)[..., self.first : last])
        self.real, self.imag = bins[..., 0].contiguous(), bins[..., 1].contiguous()
        self.magnitude = torch.addcmul(self.real * self.real, self.imag, self.imag).sqrt_()

    @cached_property
    def logmel(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns left and right log-mel spectra, each (B, frames, mel bins) in dB: 10 log10 of a magnitude (not a power)
        spectrum, floor 1e-10, no top_db, as the checkpoints were trained."""
        return self.project(self.magnitude, self.first).clamp_(min=1e-10).log10_().mul_(10).unbind(1)

    @cached_property
    def empty(self) -> torch.Tensor | None:
        """Returns (B, 2 ears, frames, bins), True where a bin is digital silence; None if none is."""
        return self.magnitude == 0 if bool(self.magnitude.amin() == 0) else None

    @cached_property
    def phase_difference(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns cosine and sine of phase(right) - phase(left), each (B, frames, bins)."""
        magnitude, real = self.magnitude, self.real
        if self.empty is not None:  # an empty bin has phase 0, as torch.angle defines it
            magnitude, real = magnitude.masked_fill(self.empty, 1.0), real.masked_fill(self.empty, 1.0)
        scale = magnitude.reciprocal()
        left_real, right_real = (real * scale).unbind(1)
        left_imag, right_imag = (self.imag * scale).unbind(1)
        # right * conj(left) has the phase right - left; its parts are cos and sin of it without a single arctangent.
        cosine = torch.addcmul(right_real * left_real, right_imag, left_imag)
        sine = torch.addcmul(right_imag * left_real, right_real, left_imag, value=-1)
        return cosine, sine

    @cached_property
    def ipd(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns cosine and sine of the phase difference in mel bins. The official code multiplies them by the mel matrix
        as if they were magnitudes, without a logarithm."""
        return self.project(torch.stack(self.phase_difference), self.first).unbind(0)

    def gcc_phat(self) -> torch.Tensor:
        """Returns GCC-PHAT of the two ears; the official phase of a product with 0 is 0."""
        cosine, sine = self.phase_difference
        if self.empty is not None:
            either = self.empty.any(dim=1)
            cosine, sine = cosine.masked_fill(either, 1.0), sine.masked_fill(either, 0.0)
        return gcc_phat(torch.complex(cosine, -sine), self.num_mel_bins)


@dataclass(frozen=True)
class Cue:
    """One cue: how it is computed from a block, (B, frames, mel bins), and whether it needs every bin of the spectrum."""

    compute: Callable[[Block], torch.Tensor]
    every_bin: bool = False


CUES: dict[str, Cue] = {
    LOGMEL_LEFT: Cue(lambda block: block.logmel[0]),
    LOGMEL_RIGHT: Cue(lambda block: block.logmel[1]),
    GCC_PHAT: Cue(Block.gcc_phat, every_bin=True),
    ILD: Cue(lambda block: level_difference(*block.logmel)),
    COS_IPD: Cue(lambda block: block.ipd[0]),
    SIN_IPD: Cue(lambda block: block.ipd[1]),
}


def level_difference(logmel_left: torch.Tensor, logmel_right: torch.Tensor) -> torch.Tensor:
    """Returns DSpAST's ILD plane, exp(l_left) / (exp(l_right) + 1e-16) of log-mels in dB: (m_left / m_right)^4.343,
    floored."""
    return torch.exp(logmel_left) / (torch.exp(logmel_right) + 1e-16)


def gcc_phat(cross_phasor: torch.Tensor, num_lags: int) -> torch.Tensor:
    """Returns the generalised cross-correlation with phase transform: lags -num_lags/2 ... num_lags/2 - 1 of each frame.

    Args:
        cross_phasor: (B, frames, bins) complex, unit phasors of left * conj(right).
        num_lags: columns to keep, even.

    Returns:
        (B, frames, num_lags) float32; a left ear later by tau samples peaks at column num_lags / 2 + tau.
    """
    correlation = torch.fft.irfft(cross_phasor)
    half = num_lags // 2
    return torch.cat([correlation[..., -half:], correlation[..., : num_lags - half]], dim=-1)


def mirror_binaural_cues(features: torch.Tensor, cues: Sequence[str]) -> torch.Tensor:
    """Mirrors the cues (..., cues, frames, mel bins) of a recording: those of the same scene with exchanged ears.

    This is exact except in one column of GCC-PHAT: lags run from -n/2 to n/2 - 1, so the mirrored lag -n/2 would need lag
    n/2, which is not stored; it keeps its own value. No head is wide enough for that lag to matter. The ILD plane cannot be
    mirrored, because in quiet frames its one-sided floor hides the level of one ear.

    Raises:
        AudioError: the ILD plane, or the log-mel of one ear alone, is among the cues.
    """
    planes = dict(zip(cues, features.unbind(-3), strict=True))
    mirrored = {
        LOGMEL_LEFT: planes.get(LOGMEL_RIGHT),
        LOGMEL_RIGHT: planes.get(LOGMEL_LEFT),
        GCC_PHAT: planes[GCC_PHAT].flip(-1).roll(1, -1) if GCC_PHAT in planes else None,
        COS_IPD: planes.get(COS_IPD),
        SIN_IPD: -planes[SIN_IPD] if SIN_IPD in planes else None,
    }
    if any(mirrored.get(cue) is None for cue in cues):
        raise AudioError(f"cues {list(cues)} cannot be mirrored: expected no ILD, and log-mels of both ears or none.")
    return torch.stack([mirrored[cue] for cue in cues], dim=-3)
