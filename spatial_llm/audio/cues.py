"""The binaural cues of SpatialAST and DSpAST, from waveform to planes of (frames, mel bins).

Source: specs a.2 (log-mel, IPD) and b.1 (GCC-PHAT, ILD). Everything here is an island of float32: phases and the ILD,
whose range is huge, do not survive half precision. Signs: when the left ear hears a sound later by tau (the source is on
the right), IPD = phase(right) - phase(left) = +omega tau, and GCC-PHAT peaks at lag +tau.
"""

from collections.abc import Sequence

import torch

from spatial_llm.audio.spectral import MelProjection, frame, mel_projection, spectrum
from spatial_llm.errors import AudioError

LOGMEL_LEFT, LOGMEL_RIGHT = "logmel_left", "logmel_right"
GCC_PHAT, ILD, COS_IPD, SIN_IPD = "gcc_phat", "ild", "cos_ipd", "sin_ipd"

SPATIAL_AST_CUES = (LOGMEL_LEFT, LOGMEL_RIGHT, COS_IPD, SIN_IPD)
DSPAST_CUES = (LOGMEL_LEFT, LOGMEL_RIGHT, GCC_PHAT, ILD, COS_IPD, SIN_IPD)
CUES = DSPAST_CUES  # every cue there is

# Frames of one clip that are computed together on a CPU: everything a block needs stays in the cache, which makes the
# whole up to twice as fast as plane after plane; a third of the 1001 frames of a clip of 10 s.
BLOCK_FRAMES = 334


def binaural_cues(
    waveform: torch.Tensor,
    cues: Sequence[str],
    sampling_rate: int,
    n_fft: int,
    hop_length: int,
    num_mel_bins: int,
    f_min: float,
    f_max: float,
) -> torch.Tensor:
    """(B, 2 ears, samples) -> (B, len(cues) planes, frames, num_mel_bins) float32, planes in the order of `cues`.

    Raises:
        AudioError: an unknown cue, more GCC lags asked for than the transform has, or fewer samples than half a frame.
    """
    unknown = [cue for cue in cues if cue not in CUES]
    if unknown or not cues:
        raise AudioError(f"cues {unknown or 'none'} unknown; expected some of {', '.join(CUES)}.")
    if GCC_PHAT in cues and num_mel_bins > n_fft:
        raise AudioError(f"{num_mel_bins} GCC lags asked of n_fft = {n_fft}; expected at most n_fft.")
    frames = frame(waveform.float(), n_fft, hop_length)  # (B, ears, frames, n_fft)
    project = mel_projection(sampling_rate, n_fft, num_mel_bins, f_min, f_max)
    shape = (len(waveform), len(cues), frames.shape[2], num_mel_bins)
    features = torch.empty(shape, dtype=torch.float32, device=waveform.device)
    # A GPU is fed best with few large kernels, a CPU with blocks that fit its cache.
    clips, rows = (1, BLOCK_FRAMES) if waveform.device.type == "cpu" else shape[0::2]
    for clip in range(0, shape[0], clips):
        for row in range(0, shape[2], rows):
            block = frames[clip : clip + clips, :, row : row + rows]
            planes = _cues_of_block(block, cues, project, num_mel_bins)
            for index, cue in enumerate(cues):
                features[clip : clip + clips, index, row : row + rows] = planes[cue]
    return features


def _cues_of_block(
    frames: torch.Tensor, cues: Sequence[str], project: MelProjection, num_mel_bins: int
) -> dict[str, torch.Tensor]:
    """(B, 2 ears, frames, n_fft) -> cue name -> (B, frames, mel bins)."""
    # GCC-PHAT needs every bin, the others only those of a mel filter.
    first, last = (0, frames.shape[-1] // 2 + 1) if GCC_PHAT in cues else project.support
    bins = torch.view_as_real(spectrum(frames)[..., first:last])
    real, imag = bins[..., 0].contiguous(), bins[..., 1].contiguous()
    magnitude = torch.addcmul(real * real, imag, imag).sqrt_()
    planes: dict[str, torch.Tensor] = {}
    if {LOGMEL_LEFT, LOGMEL_RIGHT, ILD} & set(cues):
        # 10 log10 of a magnitude (not a power) spectrum, floor 1e-10, no top_db: as the checkpoints saw it.
        logmel = project(magnitude, first).clamp_(min=1e-10).log10_().mul_(10)
        planes[LOGMEL_LEFT], planes[LOGMEL_RIGHT] = logmel.unbind(1)
        if ILD in cues:
            planes[ILD] = level_difference(planes[LOGMEL_LEFT], planes[LOGMEL_RIGHT])
    if {GCC_PHAT, COS_IPD, SIN_IPD} & set(cues):
        silent = bool(magnitude.amin() == 0)
        if silent:  # digital silence; an empty bin has phase 0, as torch.angle says
            empty = magnitude == 0
            magnitude, real = magnitude.masked_fill(empty, 1.0), real.masked_fill(empty, 1.0)
        scale = magnitude.reciprocal()
        left_real, right_real = (real * scale).unbind(1)
        left_imag, right_imag = (imag * scale).unbind(1)
        # right * conj(left) has the phase right - left; its parts are cos and sin of it without a single arctangent.
        cosine = torch.addcmul(right_real * left_real, right_imag, left_imag)
        sine = torch.addcmul(right_imag * left_real, right_real, left_imag, value=-1)
        # The official code multiplies cos and sin by the mel matrix as if they were magnitudes, without a logarithm.
        planes[COS_IPD], planes[SIN_IPD] = project(torch.stack([cosine, sine]), first).unbind(0)
        if GCC_PHAT in cues:
            if silent:  # the official phase of a product with 0 is 0
                either = empty.any(dim=1)
                cosine, sine = cosine.masked_fill(either, 1.0), sine.masked_fill(either, 0.0)
            planes[GCC_PHAT] = gcc_phat(torch.complex(cosine, -sine), num_mel_bins)
    return planes


def level_difference(logmel_left: torch.Tensor, logmel_right: torch.Tensor) -> torch.Tensor:
    """DSpAST's ILD plane, exp(l_left) / (exp(l_right) + 1e-16) of log-mels in dB: (m_left / m_right)^4.343, floored."""
    return torch.exp(logmel_left) / (torch.exp(logmel_right) + 1e-16)


def gcc_phat(cross_phasor: torch.Tensor, num_lags: int) -> torch.Tensor:
    """Generalised cross-correlation with phase transform: lags -num_lags/2 ... num_lags/2 - 1 of each frame.

    Args:
        cross_phasor: (B, frames, bins) complex, unit phasors of left * conj(right).
        num_lags: columns to keep, even.

    Returns:
        (B, frames, num_lags) float32; a left ear later by tau samples peaks at column num_lags / 2 + tau.
    """
    correlation = torch.fft.irfft(cross_phasor)
    half = num_lags // 2
    return torch.cat([correlation[..., -half:], correlation[..., : num_lags - half]], dim=-1)
