"""Dry sounds and responses to cues, on the device of the model (specs a.1: "convolution on GPU inside the model")."""

from typing import Any

import scipy.fft
import torch
from torch import nn

from spatial_llm.audio.cues import binaural_cues


class Convolution(nn.Module):
    """(B, samples) dry sounds and (B, 2 ears, taps) responses -> (B, 2 ears, samples) recordings: the full convolution, cut
    to the window. One FFT, in float32 wherever the inputs lie; what `scenes.render.render` computes on the CPU."""

    def forward(self, dry: torch.Tensor, response: torch.Tensor) -> torch.Tensor:
        samples = dry.shape[-1]
        # What a response does after the end of the window cannot be heard in it.
        response = response[..., :samples].float()
        size = scipy.fft.next_fast_len(samples + response.shape[-1] - 1, real=True)
        spectrum = torch.fft.rfft(dry.float(), size)[:, None] * torch.fft.rfft(response, size)
        return torch.fft.irfft(spectrum, size)[..., :samples]


class CueRenderer(nn.Module):
    """(B, samples) and (B, 2, taps) -> `input_features` (B, cues, frames, mel bins) for an encoder of this config."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.convolution = Convolution()

    @torch.no_grad()
    def forward(self, dry: torch.Tensor, response: torch.Tensor) -> torch.Tensor:
        config = self.config
        with torch.autocast(dry.device.type, enabled=False):
            recording = self.convolution(dry, response)
            return binaural_cues(
                recording, config.cues, config.sampling_rate, config.n_fft, config.hop_length, config.num_mel_bins,
                config.f_min, config.f_max,
            )  # fmt: skip
