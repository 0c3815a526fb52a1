"""Turns what people hand to a processor as recordings into the input of the encoder, by the same steps as `ask`."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from spatial_llm.audio.formats import AudioFormat, as_format
from spatial_llm.audio.given import is_file, is_one, recordings_in, unpacked
from spatial_llm.audio.io import prepare_waveform
from spatial_llm.audio.limits import DEFAULT_LIMITS, AudioLimits
from spatial_llm.encoders.feature_extraction_base import RecordingFeatureExtractor
from spatial_llm.errors import AudioError
from spatial_llm.model.derived import derived_note, rendering
from spatial_llm.model.mono_inputs import MonoInputs


@dataclass(frozen=True)
class AudioOptions:
    """How recordings are read; the fields mean what they mean in `SpatialLLM.ask`.

    Attributes:
        sampling_rate: in Hz, of arrays that do not say their own; None is taken for the extractor's, with a warning.
        limits: how long and large a recording may be, and whether a cut file may be read.
        format: what the recordings are, one for all or a list with one for each; None for the extractor's `default_format`.
        scale_known: whether arrays come from `prepare_waveform`, which has checked their scale.
        head, heading_deg: to whose ears ambisonics and arrays are rendered for an encoder of two ears.
    """

    sampling_rate: float | None = None
    limits: AudioLimits = DEFAULT_LIMITS
    format: str | AudioFormat | Sequence[str | AudioFormat] | None = None
    scale_known: bool = False
    head: str | None = None
    heading_deg: float = 0.0


def clips_by_text(audio: Any) -> list[int] | None:
    """Returns the number of recordings in each item of a list of lists of recordings; None where `audio` is not one."""
    if audio is None or is_one(audio) or not all(isinstance(item, list | tuple) and not is_one(item) for item in audio):
        return None
    return [len(recordings_in(item)) for item in audio]


def encoder_input(
    audio: Any,
    extractor: RecordingFeatureExtractor,
    window_samples: int | None,
    options: AudioOptions,
    mono: MonoInputs | None = None,
) -> dict[str, torch.Tensor]:
    """Computes the encoder's input of all recordings, and that of a mono base.

    Args:
        audio: one recording in any form of `prepare_waveform`, or several as batch, list or list of lists.
        extractor: of the encoder.
        window_samples: of the encoder: shorter recordings are padded, of longer ones the loudest window is taken. None
            where it is not known: all recordings must then be of one length.
        options: how they are read.
        mono: makes what a mono base hears by itself; None for other language models.

    Returns:
        `input_features` (recordings, *input_shape of the encoder) float32, on the device of a tensor of recordings; with
        `mono`, `mono_features` and `mono_mask` too.

    Raises:
        AudioError: see `prepare_waveform` and `RecordingFeatureExtractor`.
    """
    target, items = extractor.sampling_rate, recordings_in(audio)
    rate = options.sampling_rate
    if rate is None and any(_lacks_rate(item) for item in items):
        rate = target
        warnings.warn(f"no sampling_rate given: the recording is taken to be at {rate} Hz.", stacklevel=4)
    waveforms, known, formats = audio, options.scale_known, None
    said = mono is not None or options.format is not None or options.head is not None or options.heading_deg
    if said or not all(_is_ready(item, rate, target, window_samples) for item in items):
        given = _formats_of(options.format, len(items), extractor)
        renders = [rendering(own, extractor.format, options.head, options.heading_deg) for own in given]
        prepared = [
            prepare_waveform(
                item, rate, target, window_samples, options.limits, known, format=extractor.format, given=own, render=render
            )
            for item, own, render in zip(items, given, renders, strict=True)
        ]
        for own in {own for own, render in zip(given, renders, strict=True) if render is not None}:
            warnings.warn(derived_note(own, options.head), stacklevel=4)
        pairs = zip(given, renders, strict=True)
        known, formats = True, [own.internal if render is None else extractor.format for own, render in pairs]
        waveforms = [torch.from_numpy(each) for each in prepared]
        if window_samples is not None and len({each.shape for each in prepared}) == 1:
            waveforms = torch.stack(waveforms)
            waveforms = waveforms.to(audio.device) if isinstance(audio, torch.Tensor) else waveforms
    elif isinstance(audio, list | tuple) and not is_one(audio):
        waveforms = items
    features = extractor(waveforms, sampling_rate=target, return_tensors="pt", scale_known=known, formats=formats)
    found = {"input_features": features["input_features"]}
    return found if mono is None else found | mono(waveforms)


def _formats_of(
    given: str | AudioFormat | Sequence[str | AudioFormat] | None, recordings: int, extractor: RecordingFeatureExtractor
) -> list[AudioFormat]:
    if given is None:
        return [extractor.default_format] * recordings
    formats = [given] * recordings if isinstance(given, str | AudioFormat) else list(given)
    if len(formats) != recordings:
        raise AudioError(f"{len(formats)} formats for {recordings} recordings; give one for all, or one for each.")
    return [as_format(each) for each in formats]


def _lacks_rate(item: Any) -> bool:
    found, rate = unpacked(item, None)
    return rate is None and not is_file(found)


def _is_ready(item: Any, rate: float | None, target: int, window_samples: int | None) -> bool:
    """Returns whether an array needs no more than the extractor's own checks."""
    if item is None or is_file(item) or isinstance(item, dict) or rate != target or hasattr(item, "get_all_samples"):
        return False
    if window_samples is None:
        return True
    return np.ndim(item) == 2 and np.shape(item)[1] == window_samples
