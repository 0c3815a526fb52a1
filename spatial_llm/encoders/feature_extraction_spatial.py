"""`SpatialFeatureExtractor`: waveforms to the cue planes that an encoder takes.

It only computes cues; the checks of recordings are those of its base class. Sources of the cues: `audio.cues`.
"""

from collections.abc import Sequence
from typing import Any

import torch

from spatial_llm.audio.cues import DSPAST_CUES, FrontEnd, cue_set_of
from spatial_llm.audio.formats import BINAURAL, AudioFormat, check_same, parse_format, parse_input_format
from spatial_llm.encoders.feature_extraction_base import RecordingFeatureExtractor
from spatial_llm.encoders.transfer import transfer
from spatial_llm.errors import AudioError


class SpatialFeatureExtractor(RecordingFeatureExtractor):
    """Waveforms -> `input_features` (B, cues, frames, mel bins) float32.

    Args:
        feature_size: mel bins (and GCC lags) a frame.
        sampling_rate: of the waveforms, Hz.
        padding_value: of the inherited `pad`; calling the extractor never pads.
        n_fft: samples of a frame, and of its Hann window.
        hop_length: samples between frames.
        f_min, f_max: pass-band of the mel filters, Hz.
        cues: planes to compute, in order; see `spatial_llm.audio.cues`.
        audio_format: of the waveforms, as a short text (see `spatial_llm.audio.formats.parse_input_format`): that of the set
            of cues.
        microphone: where `audio_format` stands for several formats: the format of recordings of which nothing else is said.

    Raises:
        AudioError: no such format, another one than the cues are for, or cues of several sets.
    """

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
        microphone: str | None = None,
        **kwargs: Any,
    ) -> None:
        check_cue_format(cues, audio_format)
        super().__init__(feature_size, sampling_rate, padding_value, **kwargs)
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.f_min = f_min
        self.f_max = f_max
        self.cues = list(cues)
        self.audio_format = audio_format
        if microphone is not None:  # left out where nothing is said, so that saved settings stay as they were
            check_same(parse_format(microphone), self.format, "microphone", "the feature extractor")
            self.microphone = microphone

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

    @property
    def front_end(self) -> FrontEnd:
        """Returns the settings of the time-frequency analysis."""
        return FrontEnd(
            self.sampling_rate, self.n_fft, self.hop_length, self.feature_size, float(self.f_min), float(self.f_max)
        )

    def features(self, recordings: torch.Tensor, format: AudioFormat) -> torch.Tensor:
        """Computes recordings (B, channels of `format`, samples) -> cues (B, cues, frames, mel bins)."""
        return cue_set_of(self.cues).compute(recordings, format, self.cues, self.front_end, transfer)


def check_cue_format(cues: Sequence[str], audio_format: str) -> None:
    """Raises AudioError if these cues are not of one set, or `audio_format` is not what they are computed from."""
    takes = cue_set_of(cues).takes
    if parse_input_format(audio_format).layout != takes:
        raise AudioError(
            f"audio_format is {audio_format!r}, the cues {list(cues)[:2]} ... are for {takes.name!r}; give that."
        )
