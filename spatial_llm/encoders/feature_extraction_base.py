"""The base class of the feature extractors of all encoders: what a recording is, and how it is checked.

An extractor neither pads nor crops, and it takes one rate, because each of these changes what the model receives:
`spatial_llm.audio.io.prepare_waveform` (used by `ask`) and the data set do so.
"""

import warnings
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, SequenceFeatureExtractor

from spatial_llm.audio.arrays import to_numpy
from spatial_llm.audio.formats import AudioFormat, parse_format
from spatial_llm.audio.io import check_waveform
from spatial_llm.errors import AudioError


class RecordingFeatureExtractor(SequenceFeatureExtractor):
    """Checks waveforms and converts them to `input_features` (B, ...) float32; subclasses compute these in `features`.

    Attributes:
        audio_format: of the waveforms, as a short text (see `spatial_llm.audio.formats.parse_format`).
    """

    model_input_names = ["input_features"]  # noqa: RUF012  (the name and form transformers asks for)
    audio_format: str

    @property
    def format(self) -> AudioFormat:
        """Returns the format of the waveforms, parsed from `audio_format`."""
        return parse_format(self.audio_format)

    def fetch_audio(self, audio: Any) -> Any:
        """Returns recordings as they are, for the processor to read; pipelines of transformers call it.

        The method that this one replaces reads files itself, and averages their channels.
        """
        return audio

    def features(self, recordings: torch.Tensor) -> torch.Tensor:
        """Computes (B, channels, samples) float32, checked -> (B, ...) float32 on the same device."""
        raise NotImplementedError

    @torch.no_grad()
    def __call__(
        self,
        waveforms: Any,
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        scale_known: bool = False,
        **kwargs: Any,
    ) -> BatchFeature:
        """Computes the input of the encoder.

        Args:
            waveforms: one recording (channels, samples), a batch (B, channels, samples), or a list of recordings of one
                length; arrays or tensors, channels as the extractor's format has them. Tensors keep their device.
            sampling_rate: of the waveforms, Hz; another rate than the extractor's is an error, None gives a warning.
            return_tensors: "pt", "np" or None (NumPy).
            scale_known: whether the waveforms come from `prepare_waveform`, which has judged their scale.

        Returns:
            BatchFeature with `input_features`: cues (B, cues, frames, mel bins) of `SpatialFeatureExtractor`, (B, numbers)
            of `ParallelFeatureExtractor`.

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
        features = self.features(_batch(waveforms, self.format, scale_known))
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
