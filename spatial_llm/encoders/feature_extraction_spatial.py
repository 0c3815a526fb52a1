"""`SpatialFeatureExtractor`: binaural waveforms to the cue planes an encoder eats (specs a.2, b.1).

It computes, and nothing else: it neither resamples nor pads nor crops, because each of these changes what is heard. That
is the work of `spatial_llm.audio.io.prepare_waveform` (used by `ask`) and of the data set.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, SequenceFeatureExtractor

from spatial_llm.audio.arrays import to_numpy
from spatial_llm.audio.cues import DSPAST_CUES, binaural_cues
from spatial_llm.audio.io import check_waveform
from spatial_llm.errors import AudioError


class SpatialFeatureExtractor(SequenceFeatureExtractor):
    """Binaural waveforms -> `input_features` (B, cues, frames, mel bins) float32.

    Args:
        feature_size: mel bins (and GCC lags) a frame.
        sampling_rate: of the waveforms, Hz.
        padding_value: of the inherited `pad`; calling the extractor never pads.
        n_fft: samples of a frame, and of its Hann window.
        hop_length: samples between frames.
        f_min, f_max: pass-band of the mel filters, Hz.
        cues: planes to compute, in order; see `spatial_llm.audio.cues`.
    """

    model_input_names = ["input_features"]  # noqa: RUF012  (the name and form transformers asks for)

    def __init__(
        self,
        feature_size: int = 128,
        sampling_rate: int = 32_000,
        padding_value: float = 0.0,
        n_fft: int = 1024,
        hop_length: int = 320,
        f_min: float = 50.0,
        f_max: float = 14_000.0,
        cues: Sequence[str] = DSPAST_CUES,
        **kwargs: Any,
    ) -> None:
        super().__init__(feature_size, sampling_rate, padding_value, **kwargs)
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.f_min = f_min
        self.f_max = f_max
        self.cues = list(cues)

    @classmethod
    def for_encoder(cls, config: Any) -> "SpatialFeatureExtractor":
        """The extractor that feeds an encoder of this config (`SpatialASTConfig` or `DSpASTConfig`)."""
        return cls(
            feature_size=config.num_mel_bins,
            sampling_rate=config.sampling_rate,
            n_fft=config.n_fft,
            hop_length=config.hop_length,
            f_min=config.f_min,
            f_max=config.f_max,
            cues=config.cues,
        )

    @torch.no_grad()
    def __call__(
        self,
        waveforms: Any,
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        scale_known: bool = False,
        **kwargs: Any,
    ) -> BatchFeature:
        """Computes the cues.

        Args:
            waveforms: one recording (2 ears, samples), a batch (B, 2, samples), or a list of recordings of one length;
                arrays or tensors, left ear first. Tensors keep their device.
            sampling_rate: of the waveforms, Hz; another than the extractor's is refused, none is warned of.
            return_tensors: "pt", "np" or None (NumPy).
            scale_known: whether the waveforms come from `prepare_waveform`, which has judged their scale.

        Returns:
            BatchFeature with `input_features` (B, cues, frames, mel bins).

        Raises:
            AudioError: another rate, mono, (samples, 2) layout, empty, NaN, or lengths that differ.
        """
        if kwargs:
            raise AudioError(
                f"unknown option {', '.join(kwargs)}; the extractor takes sampling_rate, return_tensors and scale_known."
            )
        if sampling_rate is None:
            warnings.warn(
                f"no sampling_rate given: the waveforms are taken for {self.sampling_rate} Hz. Say the rate; another one "
                "shifts every cue without a trace.",
                stacklevel=2,
            )
        elif sampling_rate != self.sampling_rate:
            raise AudioError(
                f"sampling_rate is {sampling_rate}, expected {self.sampling_rate} Hz: resample first "
                "(spatial_llm.audio.io.resample)."
            )
        batch = _batch(waveforms, scale_known)
        features = binaural_cues(
            batch, self.cues, self.sampling_rate, self.n_fft, self.hop_length, self.feature_size, self.f_min, self.f_max
        )
        data = features if return_tensors == "pt" else features.cpu().numpy()
        return BatchFeature({"input_features": data}, tensor_type=return_tensors)


def _batch(waveforms: Any, scale_known: bool) -> torch.Tensor:
    """One recording, a batch, or a list of recordings -> (B, 2 ears, samples) float32 tensor, every one checked."""
    device = waveforms.device if isinstance(waveforms, torch.Tensor) else "cpu"
    if isinstance(waveforms, list | tuple):
        recordings = [to_numpy(recording) for recording in waveforms]
        # A list of two bare sequences is one recording given ear by ear.
        if recordings and all(recording.ndim == 1 for recording in recordings):
            recordings = [to_numpy(recordings)]
    else:
        array = to_numpy(waveforms)
        recordings = list(array) if array.ndim == 3 else [array]
    if not recordings:
        raise AudioError("no recording given; expected (2, samples), (B, 2, samples) or a list of (2, samples).")
    checked = [
        check_waveform(recording, name=f"recording {i}", scale_known=scale_known) for i, recording in enumerate(recordings)
    ]
    lengths = {recording.shape[1] for recording in checked}
    if len(lengths) > 1:
        raise AudioError(
            f"recordings of {sorted(lengths)} samples in one batch; expected one length: pad or cut them first "
            "(spatial_llm.audio.level.pad_or_cut)."
        )
    return torch.from_numpy(np.stack(checked)).to(device)
