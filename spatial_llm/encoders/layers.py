"""Defines the layers of SpatialAST and DSpAST: cue norm, fusion, patches, ViT blocks.

Shapes: B batch, F cues, T frames, M mel bins, S tokens, D hidden_size. Sources: BAT (arXiv 2402.01591), DSpAST (arXiv
2509.13927), and facts about the released code of both.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers.activations import ACT2FN
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from spatial_llm.encoders.augmentation import DropPath
from spatial_llm.encoders.configuration_base import SpatialEncoderConfig
from spatial_llm.encoders.precision import KeptInFloat32
from spatial_llm.errors import SpatialLLMError


class CueNorm(KeptInFloat32):
    """Normalises cues with running statistics and stretches them to the encoder's frames, in float32 (float64 in a model
    that was cast to float64).

    The official models hold one BatchNorm per group of planes (`bn` over the log-mels, `bn_ild`); statistics are per
    plane, so one BatchNorm over all normalised planes is the same.
    """

    def __init__(self, config: SpatialEncoderConfig) -> None:
        super().__init__()
        self.num_cues = len(config.cues)
        self.num_mel_bins = config.num_mel_bins
        self.num_frames = config.num_frames
        self.window_frames = min(config.num_frames, config.window_samples // config.hop_length + 1)
        self.normalized = [config.cues.index(cue) for cue in config.normalized_cues]
        self.norm = nn.BatchNorm2d(max(1, len(self.normalized)), affine=False, dtype=torch.float32)

    def forward(self, input_features: torch.Tensor) -> torch.Tensor:
        """Maps (B, F, frames <= T, M) -> (B, F, T, M) in the dtype of the statistics."""
        if (
            input_features.ndim != 4
            or input_features.shape[1] != self.num_cues
            or input_features.shape[3] != self.num_mel_bins
        ):
            raise SpatialLLMError(
                f"input_features of shape {tuple(input_features.shape)}, expected (B, {self.num_cues} cues, frames, "
                f"{self.num_mel_bins} mel bins): use SpatialFeatureExtractor.for_encoder(config)."
            )
        if input_features.shape[2] > self.num_frames:
            raise SpatialLLMError(
                f"input_features has {input_features.shape[2]} frames, the encoder takes at most {self.num_frames}: "
                "cut the recording to the window (config.window_samples)."
            )
        if input_features.shape[2] < self.window_frames and not torch.compiler.is_compiling():
            warnings.warn(
                f"input_features has {input_features.shape[2]} frames, a window has {self.window_frames}: the encoder "
                "stretches them in time, which changes its answers. Pad the recording with silence to "
                "config.window_samples, as SpatialLLM.ask and SpatialLLMProcessor do.",
                stacklevel=2,
            )
        features = input_features.to(self.norm.running_mean.dtype)
        if self.normalized:
            features = features.clone()
            features[:, self.normalized] = self.norm(features[:, self.normalized])
        if features.shape[2] < self.num_frames:
            size = (self.num_frames, self.num_mel_bins)
            features = functional.interpolate(features, size, mode="bicubic", align_corners=True)
        return features


class CueFusion(nn.Module):
    """Applies a convolution over the cues, 3 x 3 without bias, then BatchNorm and GELU: (B, F, T, M) -> (B, C, T, M)."""

    def __init__(self, config: SpatialEncoderConfig) -> None:
        super().__init__()
        self.conv = nn.Conv2d(len(config.cues), config.fusion_channels, kernel_size=3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(config.fusion_channels)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return functional.gelu(self.norm(self.conv(features.to(self.conv.weight.dtype))))


class PatchProjection(nn.Conv2d):
    """Applies a convolution whose stride is its kernel, as a matrix product: (B, C, T, M) -> (B, rows * columns, D),
    time-major.

    The patches do not overlap, and on a CPU the gradient of such a convolution takes far longer. The weight is read here, in
    the forward of the module that owns it, because offloading fetches weights module by module.
    """

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        parts = (
            plane.unflatten(3, (-1, self.kernel_size[1])).unflatten(2, (-1, self.kernel_size[0])).permute(0, 2, 4, 1, 3, 5)
        )
        return functional.linear(parts.flatten(3).flatten(1, 2), self.weight.flatten(1), self.bias)


class PatchEmbeddings(nn.Module):
    """Embeds patches of the fused plane and adds fixed positions: (B, C, T, M) -> (B, rows * columns, D), time-major.

    The position table is AudioMAE's sine-cosine table (arXiv 2207.06405), never trained, hence a buffer. Its row 0 belongs
    to a CLS token of AudioMAE that these encoders do not use; it is kept so that released tables load unchanged.
    """

    def __init__(self, config: SpatialEncoderConfig) -> None:
        super().__init__()
        self.grid = config.token_layout.grid
        patch = tuple(config.patch_size)
        self.projection = PatchProjection(config.fusion_channels, config.hidden_size, kernel_size=patch, stride=patch)
        # In the dtype in which the model is built, like the parameters; loading casts to the dtype of the buffer.
        self.register_buffer("positions", self.sine_cosine_table().to(torch.get_default_dtype()))

    def sine_cosine_table(self) -> torch.Tensor:
        """Returns (1, 1 + rows * columns, D) float32: half of the channels encode the column, half the row; row 0 is
        zero."""
        rows, columns = self.grid
        size = self.projection.out_channels
        frequencies = 1.0 / 10_000 ** (np.arange(size // 4) / (size / 4))

        def encode(position: np.ndarray) -> np.ndarray:
            angles = position.reshape(-1, 1) * frequencies
            return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)

        row, column = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        table = np.concatenate([encode(column), encode(row)], axis=1)
        return torch.from_numpy(np.concatenate([np.zeros((1, size)), table])[None].astype(np.float32))

    def forward(self, plane: torch.Tensor) -> torch.Tensor:
        patches = self.projection(plane)
        return patches + self.positions[:, 1:].to(patches.dtype)


def eager_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Computes attention step by step, for callers that need the weights: (B, heads, S, D / heads) each -> (B, S, heads,
    ...)."""
    weights = torch.matmul(query, key.transpose(2, 3)) * scaling
    if attention_mask is not None:
        weights = weights + attention_mask
    weights = functional.softmax(weights, dim=-1, dtype=torch.float32).to(query.dtype)
    weights = functional.dropout(weights, p=dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), weights


class SelfAttention(nn.Module):
    """Applies multi-head self-attention with one fused qkv projection; transformers chooses the kernel (SDPA by default)."""

    def __init__(self, config: SpatialEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.head_dim = config.hidden_size // config.num_attention_heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.dropout = config.attention_probs_dropout_prob
        self.qkv = nn.Linear(config.hidden_size, 3 * config.hidden_size)
        self.out = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden_states: torch.Tensor, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor | None]:
        batch, tokens, size = hidden_states.shape
        qkv = self.qkv(hidden_states).view(batch, tokens, 3, -1, self.head_dim)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        attend: Callable = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager_attention)
        dropout = self.dropout if self.training else 0.0
        context, weights = attend(self, query, key, value, None, scaling=self.scaling, dropout=dropout, **kwargs)
        return self.out(context.reshape(batch, tokens, size)), weights


class EncoderLayer(GradientCheckpointingLayer):
    """Applies a pre-norm ViT block: (B, S, D) -> (B, S, D).

    Args:
        drop_path: in training, share of the samples that skip each of its two residuals.
    """

    def __init__(self, config: SpatialEncoderConfig, drop_path: float = 0.0) -> None:
        super().__init__()
        self.norm_before = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.attention = SelfAttention(config)
        self.norm_after = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.fc1 = nn.Linear(config.hidden_size, config.intermediate_size)
        self.activation = ACT2FN[config.hidden_act]
        self.fc2 = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.drop_path = DropPath(drop_path)

    def forward(self, hidden_states: torch.Tensor, **kwargs: Any) -> torch.Tensor:
        attended, _ = self.attention(self.norm_before(hidden_states), **kwargs)
        hidden_states = hidden_states + self.drop_path(self.dropout(attended))
        expanded = self.activation(self.fc1(self.norm_after(hidden_states)))
        return hidden_states + self.drop_path(self.dropout(self.fc2(expanded)))


def encoder_layers(config: SpatialEncoderConfig) -> nn.ModuleList:
    """Returns the trunk: `config.num_hidden_layers` blocks whose drop-path rises linearly from 0 to
    `config.drop_path_rate`."""
    rates = np.linspace(0, config.drop_path_rate, config.num_hidden_layers)
    return nn.ModuleList([EncoderLayer(config, float(rate)) for rate in rates])
