"""Names and constants of the official SpatialAST and DSpAST state dicts, for reading released files and for writing such.

Sources: the released code of BAT (arXiv 2402.01591) and DSpAST (arXiv 2509.13927), and torchlibrosa 0.1.0, by which both
compute their front end.
"""

import math
from functools import lru_cache

import numpy as np
import torch
from scipy.signal import get_window
from transformers.audio_utils import hertz_to_mel, mel_filter_bank, mel_to_hertz

from spatial_llm.checkpoints.report import Names
from spatial_llm.encoders import DSpASTConfig
from spatial_llm.encoders.configuration_base import SpatialEncoderConfig
from spatial_llm.encoders.configuration_dspast import BRANCHES

PLACES = ("distance", "azimuth", "elevation")
_BLOCK_NAMES = {
    "norm1": "norm_before",
    "attn.qkv": "attention.qkv",
    "attn.proj": "attention.out",
    "norm2": "norm_after",
    "mlp.fc1": "fc1",
    "mlp.fc2": "fc2",
}


def encoder_names(config: SpatialEncoderConfig) -> Names:
    """Returns official -> our keys of the encoder with heads that `config` describes."""
    return _dspast_names(config) if isinstance(config, DSpASTConfig) else _spatial_ast_names(config)


def shared_names(config: SpatialEncoderConfig) -> Names:
    """Returns official -> our keys that SpatialAST and DSpAST have in common."""
    names: Names = {
        "pos_embed": "encoder.patch_embeddings.positions",
        **_weight_bias("patch_embed.proj", "encoder.patch_embeddings.projection"),
        **_weight_bias("head", "event_head"),
    }
    for layer in range(config.num_hidden_layers):
        for official, ours in _BLOCK_NAMES.items():
            names |= _weight_bias(f"blocks.{layer}.{official}", f"encoder.layers.{layer}.{ours}")
    return names


def _spatial_ast_names(config: SpatialEncoderConfig) -> Names:
    names: Names = {
        **shared_names(config),
        "cls_tokens": "encoder.cls_tokens",
        **_weight_bias("fc_norm", "event_norm"),
        **_weight_bias("dis_norm", "distance_norm"),
        **_weight_bias("doa_norm", "direction_norm"),
        **_batch_norm("bn", "encoder.cue_norm.norm", affine=False),
        "conv_downsample.0.weight": "encoder.fusion.conv.weight",
        **_batch_norm("conv_downsample.1", "encoder.fusion.norm"),
    }
    for head in PLACES:
        names |= _weight_bias(f"{head}_head", f"{head}_head")
    return names


def _dspast_names(config: SpatialEncoderConfig) -> Names:
    names: Names = {**shared_names(config), **_weight_bias("fc_norm", "event_norm")}
    # The official planes are normalised by two BatchNorms, which see the same batches, ours by one over all of them.
    for official, planes in (("bn", slice(0, 2)), ("bn_ild", slice(2, 3))):
        for statistic in ("running_mean", "running_var"):
            names[f"{official}.{statistic}"] = (f"encoder.cue_norm.norm.{statistic}", planes)
        names[f"{official}.num_batches_tracked"] = "encoder.cue_norm.norm.num_batches_tracked"
    for k, branch in ((k, f"encoder.branches.{k - 1}") for k in _branch_numbers()):
        names[f"cls_tokens{k}"] = ("encoder.cls_tokens", slice(k - 1, k))
        names |= _batch_norm(f"conv_downsample{k}.0.bn", f"{branch}.gate.norm", affine=False)
        names |= _weight_bias(f"conv_downsample{k}.0.fc.0", f"{branch}.gate.fc1")
        names |= _weight_bias(f"conv_downsample{k}.0.fc.2", f"{branch}.gate.fc2")
        names |= {f"conv_downsample{k}.1.weight": f"{branch}.fusion.conv.weight"}
        names |= _batch_norm(f"conv_downsample{k}.2", f"{branch}.fusion.norm")
        names |= _weight_bias(f"pre_head{k}", f"encoder.branch_heads.{k - 1}")
    for head in PLACES:
        names |= {f"{head}_head.W": f"{head}_head.weight", f"{head}_head.s": f"{head}_head.scale"}
    return names


def idle_tensors(config: SpatialEncoderConfig) -> dict[str, torch.Tensor]:
    """Returns the tensors of an official file that no official code uses, by official key, with the values they keep.

    Every gate of DSpAST has a second BatchNorm that no forward pass runs, so its statistics stay those of a fresh one.
    """
    idle: dict[str, torch.Tensor] = {}
    for k in _branch_numbers() if isinstance(config, DSpASTConfig) else ():
        fresh = torch.nn.BatchNorm2d(len(config.cues), affine=False, device="cpu")
        idle |= {f"conv_downsample{k}.0.bn2.{name}": tensor for name, tensor in fresh.state_dict().items()}
    return idle


def constants(config: SpatialEncoderConfig) -> dict[str, torch.Tensor]:
    """Returns the tensors of an official file that the front end and the heads compute, by official key, in float32 and
    with the bits of torchlibrosa 0.1.0."""
    real, imaginary = _stft_kernels(config.n_fft)
    found = {
        "spectrogram_extractor.conv_real.weight": real,
        "spectrogram_extractor.conv_imag.weight": imaginary,
        "logmel_extractor.melW": _mel_matrix(
            config.sampling_rate, config.n_fft, config.num_mel_bins, config.f_min, config.f_max
        ),
    }
    if isinstance(config, DSpASTConfig):
        found |= {f"{head}_head.pi": torch.tensor([math.pi], device="cpu") for head in PLACES}
    return found


@lru_cache(maxsize=2)
def _stft_kernels(n_fft: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns real and imaginary part of a windowed discrete Fourier transform, each (n_fft // 2 + 1 bins, 1, n_fft)."""
    # Powers of one root, as torchlibrosa computes them: exp of each angle rounds otherwise.
    sample, frequency = np.meshgrid(np.arange(n_fft), np.arange(n_fft // 2 + 1), indexing="ij")
    kernels = np.power(np.exp(-2j * np.pi / n_fft), sample * frequency) * get_window("hann", n_fft)[:, None]
    real, imaginary = (torch.from_numpy(part.T[:, None].astype(np.float32)) for part in (kernels.real, kernels.imag))
    return real, imaginary


@lru_cache(maxsize=2)
def _mel_matrix(sampling_rate: int, n_fft: int, num_mel_bins: int, f_min: float, f_max: float) -> torch.Tensor:
    """Returns (n_fft // 2 + 1 bins, num_mel_bins): `spatial_llm.audio.spectral.mel_filters`, rounded as librosa does."""
    scale = "slaney"
    shape = n_fft // 2 + 1, num_mel_bins
    triangles = mel_filter_bank(*shape, f_min, f_max, sampling_rate, norm=None, mel_scale=scale).astype(np.float32)
    edges = mel_to_hertz(np.linspace(hertz_to_mel(f_min, scale), hertz_to_mel(f_max, scale), num_mel_bins + 2), scale)
    # librosa rounds to float32 before it divides by the bandwidths and again after.
    return torch.from_numpy((triangles * (2 / (edges[2:] - edges[:-2]))).astype(np.float32))


def _branch_numbers() -> range:
    return range(1, len(BRANCHES) + 1)


def _weight_bias(official: str, ours: str) -> Names:
    return {f"{official}.{kind}": f"{ours}.{kind}" for kind in ("weight", "bias")}


def _batch_norm(official: str, ours: str, affine: bool = True) -> Names:
    kinds = ["running_mean", "running_var", "num_batches_tracked"] + (["weight", "bias"] if affine else [])
    return {f"{official}.{kind}": f"{ours}.{kind}" for kind in kinds}
