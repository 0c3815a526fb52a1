"""`SpatialFeatureExtractor`: waveforms to the cue planes that an encoder takes.

It only computes cues. It neither resamples nor pads nor crops, because each of these changes what the model receives:
`spatial_llm.audio.io.prepare_waveform` (used by `ask`) and the data set do so. Sources of the cues: `audio.cues`.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, SequenceFeatureExtractor

from spatial_llm.audio.arrays import to_numpy
from spatial_llm.audio.cues import DSPAST_CUES, binaural_cues
from spatial_llm.audio.formats import BINAURAL, AudioFormat, check_same, parse_format
from spatial_llm.audio.io import check_waveform
from spatial_llm.errors import AudioError


class SpatialFeatureExtractor(SequenceFeatureExtractor):
    """Waveforms -> `input_features` (B, cues, frames, mel bins) float32.

    Args:
        feature_size: mel bins (and GCC lags) a frame.
        sampling_rate: of the waveforms, Hz.
        padding_value: of the inherited `pad`; calling the extractor never pads.
        n_fft: samples of a frame, and of its Hann window.
        hop_length: samples between frames.
        f_min, f_max: pass-band of the mel filters, Hz.
        cues: planes to compute, in order; see `spatial_llm.audio.cues`.
        audio_format: of the waveforms, as a short text (see `spatial_llm.audio.formats.parse_format`).

    Raises:
        AudioError: no such format, or one that there are no cues for.
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
        audio_format: str = BINAURAL.name,
        **kwargs: Any,
    ) -> None:
        # Every cue that there is compares two ears.
        check_same(parse_format(audio_format), BINAURAL, "audio_format", "the feature extractor")
        super().__init__(feature_size, sampling_rate, padding_value, **kwargs)
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.f_min = f_min
        self.f_max = f_max
        self.cues = list(cues)
        self.audio_format = audio_format

    @property
    def format(self) -> AudioFormat:
        """Returns the format of the waveforms, parsed from `audio_format`."""
        return parse_format(self.audio_format)

    @classmethod
    def for_encoder(cls, config: Any) -> "SpatialFeatureExtractor":
        """Returns the extractor for an encoder of this config (`SpatialASTConfig` or `DSpASTConfig`)."""
        return cls(
            feature_size=config.num_mel_bins,
            sampling_rate=config.sampling_rate,
            n_fft=config.n_fft,
            hop_length=config.hop_length,
            f_min=config.f_min,
            f_max=config.f_max,
            cues=config.cues,
            # Configs of encoders from elsewhere may not have the field.
            audio_format=getattr(config, "audio_format", BINAURAL.name),
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
            waveforms: one recording (channels, samples), a batch (B, channels, samples), or a list of recordings of one
                length; arrays or tensors, channels as the extractor's format has them. Tensors keep their device.
            sampling_rate: of the waveforms, Hz; another rate than the extractor's is an error, None gives a warning.
            return_tensors: "pt", "np" or None (NumPy).
            scale_known: whether the waveforms come from `prepare_waveform`, which has judged their scale.

        Returns:
            BatchFeature with `input_features` (B, cues, frames, mel bins).

        Raises:
            AudioError: another rate, another number of channels, (samples, channels) layout, empty, NaN, or lengths that
                differ.
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
        batch = _batch(waveforms, self.format, scale_known)
        features = binaural_cues(
            batch, self.cues, self.sampling_rate, self.n_fft, self.hop_length, self.feature_size, self.f_min, self.f_max
        )
        data = features if return_tensors == "pt" else features.cpu().numpy()
        return BatchFeature({"input_features": data}, tensor_type=return_tensors)


def _batch(waveforms: Any, format: AudioFormat, scale_known: bool) -> torch.Tensor:
    """Converts one recording, a batch, or a list of recordings to a (B, channels, samples) float32 tensor, every one
    checked."""
    device = waveforms.device if isinstance(waveforms, torch.Tensor) else "cpu"
    if isinstance(waveforms, list | tuple):
        recordings = [to_numpy(recording) for recording in waveforms]
        # A list of bare sequences is one recording, given channel by channel.
        if recordings and all(recording.ndim == 1 for recording in recordings):
            recordings = [to_numpy(recordings)]
    else:
        array = to_numpy(waveforms)
        recordings = list(array) if array.ndim == 3 else [array]
    if not recordings:
        n = format.channels
        raise AudioError(f"no recording given; expected ({n}, samples), (B, {n}, samples) or a list of ({n}, samples).")
    checked = [check_waveform(recording, format, f"recording {i}", scale_known) for i, recording in enumerate(recordings)]
    lengths = {recording.shape[1] for recording in checked}
    if len(lengths) > 1:
        raise AudioError(
            f"recordings of {sorted(lengths)} samples in one batch; expected one length: pad or cut them first "
            "(spatial_llm.audio.level.pad_or_cut)."
        )
    return torch.from_numpy(np.stack(checked)).to(device)
