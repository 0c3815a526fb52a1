"""The base class of the feature extractors of all encoders: what a recording is, and how it is checked.

An extractor neither pads nor crops, and it takes one rate, because each of these changes what the model receives:
`spatial_llm.audio.io.prepare_waveform` (used by `ask`) and the data set do so.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, SequenceFeatureExtractor

from spatial_llm.audio.arrays import to_numpy
from spatial_llm.audio.formats import AudioFormat, as_format, check_same, parse_format, parse_input_format
from spatial_llm.audio.io import check_waveform
from spatial_llm.errors import AudioError


class RecordingFeatureExtractor(SequenceFeatureExtractor):
    """Checks waveforms and converts them to `input_features` (B, ...) float32; subclasses compute these in `features`.

    Attributes:
        audio_format: what the encoder takes, as a short text (see `spatial_llm.audio.formats.parse_input_format`).
        microphone: format of recordings of which nothing else is said, as a short text; None where it is `audio_format`, or
            must be said of every recording.
    """

    model_input_names = ["input_features"]  # noqa: RUF012  (the name and form transformers asks for)
    audio_format: str
    microphone: str | None = None

    @property
    def format(self) -> AudioFormat:
        """Returns what the encoder takes, parsed from `audio_format`."""
        return parse_input_format(self.audio_format)

    @property
    def default_format(self) -> AudioFormat:
        """Returns the format of recordings of which nothing else is said. One that stands for several formats has no number
        of channels, and raises AudioError where that is asked for."""
        return self.format if self.microphone is None else parse_format(self.microphone)

    def fetch_audio(self, audio: Any) -> Any:
        """Returns recordings as they are, for the processor to read; pipelines of transformers call it.

        The method that this one replaces reads files itself, and averages their channels.
        """
        return audio

    def features(self, recordings: torch.Tensor, format: AudioFormat) -> torch.Tensor:
        """Computes (B, channels of `format`, samples) float32, checked -> (B, ...) float32 on the same device."""
        raise NotImplementedError

    @torch.no_grad()
    def __call__(
        self,
        waveforms: Any,
        sampling_rate: int | None = None,
        return_tensors: str | None = None,
        scale_known: bool = False,
        formats: AudioFormat | str | Sequence[AudioFormat | str] | None = None,
        **kwargs: Any,
    ) -> BatchFeature:
        """Computes the input of the encoder.

        Args:
            waveforms: one recording (channels, samples), a batch (B, channels, samples), or a list of recordings of one
                length; arrays or tensors, channels as the extractor's format has them. Tensors keep their device.
            sampling_rate: of the waveforms, Hz; another rate than the extractor's is an error, None gives a warning.
            return_tensors: "pt", "np" or None (NumPy).
            scale_known: whether the waveforms come from `prepare_waveform`, which has judged their scale.
            formats: of all recordings, or one for each; None for `default_format`.

        Returns:
            BatchFeature with `input_features`: cues (B, cues, frames, mel bins) of `SpatialFeatureExtractor`, (B, numbers)
            of `ParallelFeatureExtractor`.

        Raises:
            AudioError: another rate, another number of channels, (samples, channels) layout, empty, NaN, or lengths that
                differ.
        """
        if kwargs:
            raise AudioError(
                f"unknown option {', '.join(kwargs)}; the extractor takes sampling_rate, return_tensors, scale_known and "
                "formats."
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
        recordings, own, device = self._checked(waveforms, formats, scale_known)
        distinct = list(dict.fromkeys(own))
        features: Any = [None] * len(recordings)
        for format in distinct:  # recordings of one format are one batch
            rows = [row for row, each in enumerate(own) if each == format]
            batch = torch.from_numpy(np.stack([recordings[row] for row in rows])).to(device)
            for row, found in zip(rows, self.features(batch, format), strict=True):
                features[row] = found
        features = torch.stack(features)
        data = features if return_tensors == "pt" else features.cpu().numpy()
        return BatchFeature({"input_features": data}, tensor_type=return_tensors)

    def _checked(
        self, waveforms: Any, formats: Any, scale_known: bool
    ) -> tuple[list[np.ndarray], list[AudioFormat], torch.device | str]:
        """Returns the recordings of one, of a batch, or of a list, each (channels, samples) float32 and checked; the format
        of each; and the device that they came from."""
        device = waveforms.device if isinstance(waveforms, torch.Tensor) else "cpu"
        recordings = _listed(waveforms)
        if not recordings:
            n = self.default_format.channels
            raise AudioError(f"no recording given; expected ({n}, samples), (B, {n}, samples) or a list of ({n}, samples).")
        own = self._formats(formats, len(recordings))
        checked = [
            check_waveform(recording, format, f"recording {i}", scale_known, silence_known=scale_known)
            for i, (recording, format) in enumerate(zip(recordings, own, strict=True))
        ]
        lengths = {recording.shape[1] for recording in checked}
        if len(lengths) > 1:
            raise AudioError(
                f"recordings of {sorted(lengths)} samples in one batch; expected one length: pad or cut them first "
                "(spatial_llm.audio.level.pad_or_cut)."
            )
        return checked, own, device

    def _formats(self, formats: Any, recordings: int) -> list[AudioFormat]:
        if formats is None:
            return [self.default_format] * recordings
        given = [formats] * recordings if isinstance(formats, str | AudioFormat) else list(formats)
        if len(given) != recordings:
            raise AudioError(f"{len(given)} formats for {recordings} recordings; give one for all, or one for each.")
        own = [as_format(each) for each in given]
        for row, each in enumerate(own):
            check_same(each, self.format, f"recording {row}")
        return own


def _listed(waveforms: Any) -> list[np.ndarray]:
    """Returns one recording, a batch, or a list of recordings as a list of arrays."""
    if isinstance(waveforms, list | tuple):
        recordings = [to_numpy(recording) for recording in waveforms]
        # A list of bare sequences is one recording, given channel by channel.
        return [to_numpy(recordings)] if recordings and all(each.ndim == 1 for each in recordings) else recordings
    array = to_numpy(waveforms)
    return list(array) if array.ndim == 3 else [array]
