"""The kinds of encoders that `ParallelEncoder` runs side by side: how each is fed, and how its output is read.

A new kind is one subclass of `Member` and one line of `MEMBERS`.
"""

import math
from typing import Any

import torch
from transformers import PreTrainedModel

from spatial_llm.encoders.parallel_members import Member, Slices
from spatial_llm.errors import SpatialLLMError

FBANK_SHIFT_S = 0.01  # of Kaldi's filter banks, which ASTFeatureExtractor computes
WHISPER_STRIDE = 2  # of its second convolution


class SpatialMember(Member):
    """An encoder of this library, which hears both ears. A shorter recording is padded with silence to its window."""

    extractor_type = "SpatialFeatureExtractor"

    def read_window(self) -> None:
        self.window_s = self.config.duration_s

    def read_sizes(self) -> None:
        layout = self.config.token_layout
        self.num_cls_tokens, self.own_grid, self.row_s = layout.num_cls_tokens, layout.grid, layout.seconds_per_row
        self.width, self.num_layers = self.config.hidden_size, self.config.num_hidden_layers
        self.input_size = math.prod(self.config.input_shape)

    @property
    def front_end(self) -> dict[str, Any]:
        return super().front_end | {"window_samples": self.config.window_samples}

    @property
    def claims(self) -> Any:
        return self.config

    @property
    def last_slices(self) -> Slices:
        return self.config.token_layout.channel_slices

    @property
    def layer_slices(self) -> Slices:
        # DSpAST's three branches pass the trunk at full width.
        return tuple((k * self.width, (k + 1) * self.width) for k in range(len(self.last_slices)))

    def inputs(self, numbers: torch.Tensor, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        return {"input_features": numbers.unflatten(1, self.config.input_shape)}

    def in_order(self, states: torch.Tensor, batch: int) -> torch.Tensor:
        # Layers within DSpAST have its branches stacked along the batch, sample by sample.
        return states.unflatten(0, (batch, -1)).transpose(1, 2).flatten(2)


class ASTMember(Member):
    """Audio Spectrogram Transformer (arXiv 2104.01778), of transformers; its two CLS tokens are CLS and distillation."""

    extractor_type = "ASTFeatureExtractor"
    num_cls_tokens = 2

    def read_window(self) -> None:
        self.check_equal(("num_mel_bins", "num_mel_bins"), ("max_length", "max_length"))
        self.window_s = self.config.max_length * FBANK_SHIFT_S

    def read_sizes(self) -> None:
        config, patch = self.config, self.config.patch_size
        rows = (config.max_length - patch) // config.time_stride + 1
        self.own_grid = rows, (config.num_mel_bins - patch) // config.frequency_stride + 1
        self.row_s = config.time_stride * FBANK_SHIFT_S
        self.width, self.num_layers = config.hidden_size, config.num_hidden_layers
        self.input_size = config.max_length * config.num_mel_bins

    def inputs(self, numbers: torch.Tensor, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        return {"input_values": numbers.unflatten(1, (self.config.max_length, -1)).to(dtype)}

    def in_order(self, states: torch.Tensor, batch: int) -> torch.Tensor:
        # Its patches come frequency by frequency.
        patches = states[:, self.num_cls_tokens :].unflatten(1, self.own_grid[::-1]).transpose(1, 2).flatten(1, 2)
        return torch.cat([states[:, : self.num_cls_tokens], patches], dim=1)


class ClapMember(Member):
    """Audio encoder of CLAP (LAION, arXiv 2211.06687), of transformers: an HTS-AT, whose last grid is unfolded to time x
    frequency. A recording shorter than its window is repeated or padded as its feature extractor is set to."""

    extractor_type = "ClapFeatureExtractor"

    def read_window(self) -> None:
        self.check_equal(("feature_size", "num_mel_bins"))
        if (self.extractor.truncation == "fusion") != self.config.enable_fusion:
            raise SpatialLLMError(
                f"its extractor has truncation {self.extractor.truncation!r}, and enable_fusion is "
                f'{self.config.enable_fusion}; expected "fusion" with a fused encoder alone.'
            )
        self.window_s = self.extractor.max_length_s

    def read_sizes(self) -> None:
        config, extractor = self.config, self.extractor
        stride = config.patch_stride if isinstance(config.patch_stride, list | tuple) else [config.patch_stride] * 2
        folds = config.spec_size // config.num_mel_bins  # stretches of time that it stacks along the frequency
        high, long = (config.spec_size // 2 ** (len(config.depths) - 1) // step for step in stride)
        self.own_grid = folds * long, high // folds
        self.row_s = self.window_s / self.own_grid[0]
        self.width = config.patch_embeds_hidden_size * 2 ** (len(config.depths) - 1)
        self.num_layers = len(config.depths)
        if self.output_layers:
            raise SpatialLLMError("output_layers: the stages of CLAP have other grids than its last one; leave them out.")
        self.planes = (4 if config.enable_fusion else 1), extractor.nb_max_samples // extractor.hop_length + 1
        self.input_size = math.prod(self.planes) * config.num_mel_bins + 1

    def build(self) -> PreTrainedModel:
        from transformers import ClapAudioModel  # here, because this file is imported with every model

        return ClapAudioModel._from_config(self.own_config())

    def inputs(self, numbers: torch.Tensor, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        mels = numbers[:, :-1].unflatten(1, (*self.planes, -1)).to(dtype)
        return {"input_features": mels, "is_longer": numbers[:, -1:] > 0.5}

    def in_order(self, states: torch.Tensor, batch: int) -> torch.Tensor:
        return states.permute(0, 3, 2, 1).flatten(1, 2)  # (B, width, frequency, time)


class WhisperMember(Member):
    """Encoder of Whisper (arXiv 2212.04356), of transformers, without its decoder. Its extractor pads to 30 s."""

    extractor_type = "WhisperFeatureExtractor"

    def read_window(self) -> None:
        self.check_equal(("feature_size", "num_mel_bins"))
        frames = WHISPER_STRIDE * self.config.max_source_positions
        if self.extractor.nb_max_frames != frames:
            raise SpatialLLMError(f"its extractor makes {self.extractor.nb_max_frames} frames; expected {frames}.")
        self.window_s = self.extractor.chunk_length

    def read_sizes(self) -> None:
        self.own_grid = self.config.max_source_positions, 1
        self.row_s = self.window_s / self.config.max_source_positions
        self.width, self.num_layers = self.config.d_model, self.config.encoder_layers
        self.input_size = self.config.num_mel_bins * self.extractor.nb_max_frames

    def build(self) -> PreTrainedModel:
        from transformers.models.whisper.modeling_whisper import WhisperEncoder  # here, as above

        return WhisperEncoder._from_config(self.own_config())

    @staticmethod
    def part_of(model: PreTrainedModel) -> PreTrainedModel:
        return getattr(model.base_model, "encoder", model)

    def inputs(self, numbers: torch.Tensor, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        return {"input_features": numbers.unflatten(1, (self.config.num_mel_bins, -1)).to(dtype)}


class WaveformMember(Member):
    """wav2vec 2.0 (arXiv 2006.11477) and its relatives, of transformers, which take the waveform of any length."""

    extractor_type = "Wav2Vec2FeatureExtractor"

    def read_window(self) -> None:
        if getattr(self.config, "add_adapter", False):
            raise SpatialLLMError("add_adapter is true, which changes the rate of its tokens; expected an encoder without.")
        self.window_s = math.inf

    def read_sizes(self) -> None:
        self.input_size = rows = round(self.duration_s * self.extractor.sampling_rate)
        for kernel, stride in zip(self.config.conv_kernel, self.config.conv_stride, strict=True):
            rows = (rows - kernel) // stride + 1
        if rows < 1:
            raise SpatialLLMError(f"a recording of {self.duration_s:g} s is shorter than one of its frames; give a longer.")
        self.own_grid = rows, 1
        self.row_s = math.prod(self.config.conv_stride) / self.extractor.sampling_rate
        self.width, self.num_layers = self.config.hidden_size, self.config.num_hidden_layers

    def inputs(self, numbers: torch.Tensor, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        return {"input_values": numbers.to(dtype)}


# By the model type of the config of the encoder.
MEMBERS: dict[str, type[Member]] = {
    "spatial_ast": SpatialMember,
    "dspast": SpatialMember,
    "audio-spectrogram-transformer": ASTMember,
    "clap_audio_model": ClapMember,
    "whisper": WhisperMember,
    "wav2vec2": WaveformMember,
    "hubert": WaveformMember,
    "wavlm": WaveformMember,
}
