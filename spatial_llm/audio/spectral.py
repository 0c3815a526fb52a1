"""Short-time Fourier transform and mel filters as SpatialAST and DSpAST use them.

The official code convolves with DFT kernels; an FFT gives the same numbers within 3e-6 and is several times faster. Source:
BAT (arXiv 2402.01591) and its released encoder, Spatial-AST `utils/stft.py`: frames of 1024 samples, hop 320, periodic Hann
window, reflected ends, librosa's default mel filters.
"""

from functools import lru_cache

import torch
from torch.nn import functional
from torchaudio.functional import melscale_fbanks

from spatial_llm.errors import AudioError

GROUPS = 4  # groups of neighbouring mel filters; each group is one matrix product


def frame(waveform: torch.Tensor, n_fft: int, hop_length: int) -> torch.Tensor:
    """Returns a view (..., frames, n_fft) of (..., samples): centred frames, reflected ends, frames = samples // hop_length
    + 1.

    Raises:
        AudioError: there are fewer than n_fft // 2 + 1 samples, which cannot be reflected.
    """
    samples = waveform.shape[-1]
    if samples <= n_fft // 2:
        raise AudioError(
            f"the recording holds {samples} samples, expected at least {n_fft // 2 + 1} (half a frame): pad it."
        )
    padded = functional.pad(waveform.reshape(-1, samples), (n_fft // 2, n_fft // 2), mode="reflect")
    return padded.reshape(*waveform.shape[:-1], -1).unfold(-1, n_fft, hop_length)


def spectrum(frames: torch.Tensor) -> torch.Tensor:
    """Transforms (..., frames, n_fft) to (..., frames, n_fft // 2 + 1 bins) complex64 under a periodic Hann window."""
    return torch.fft.rfft(frames * _window(frames.shape[-1], frames.device))


@lru_cache(maxsize=16)
def _window(n_fft: int, device: torch.device) -> torch.Tensor:
    return torch.hann_window(n_fft, device=device)


@lru_cache(maxsize=16)
def mel_filters(sampling_rate: int, n_fft: int, num_mel_bins: int, f_min: float, f_max: float) -> torch.Tensor:
    """Returns (n_fft // 2 + 1 bins, num_mel_bins) float32: triangular filters with Slaney's mel scale and area
    normalisation."""
    return melscale_fbanks(n_fft // 2 + 1, f_min, f_max, num_mel_bins, sampling_rate, norm="slaney", mel_scale="slaney")


@lru_cache(maxsize=16)
def mel_projection(*settings: float) -> "MelProjection":
    """Returns the cached `MelProjection` of `mel_filters(*settings)`."""
    return MelProjection(mel_filters(*settings))


class MelProjection:
    """Multiplies with a mel matrix and skips its zeros: a filter spans a few bins, and neighbouring filters share most of
    them.

    Args:
        filters: (bins, mel bins) of `mel_filters`.

    Attributes:
        support: the first bin, and one past the last bin, that any filter uses.
    """

    def __init__(self, filters: torch.Tensor) -> None:
        self.groups = []
        for group in filters.tensor_split(min(GROUPS, filters.shape[1]), dim=1):
            used = group.any(dim=1).nonzero().flatten()
            start, stop = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
            self.groups.append((start, stop, group[start:stop].contiguous()))
        self.support = min(start for start, _, _ in self.groups), max(stop for _, stop, _ in self.groups)

    def __call__(self, planes: torch.Tensor, first_bin: int = 0) -> torch.Tensor:
        """Projects (..., bins from `first_bin` on) to (..., mel bins)."""
        return torch.cat(
            [
                planes[..., start - first_bin : stop - first_bin] @ weights.to(planes.device)
                for start, stop, weights in self.groups
            ],
            dim=-1,
        )

    def over_bins(self, planes: torch.Tensor, first_bin: int = 0) -> torch.Tensor:
        """Projects (bins from `first_bin` on, ...) to (mel bins, ...)."""
        parts = [
            weights.to(planes.device).T @ planes[start - first_bin : stop - first_bin].flatten(1)
            for start, stop, weights in self.groups
        ]
        return torch.cat(parts).unflatten(1, planes.shape[1:])
