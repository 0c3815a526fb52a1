"""Loads released SpatialAST and DSpAST weights by name; the key names are those of the released code of both.

Both official repositories and their weights are CC BY-NC 4.0: non-commercial use only.
"""

import math
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spatial_llm.audio.spectral import mel_filters
from spatial_llm.checkpoints.report import KeyReport, Names, as_tensors, load_by_name
from spatial_llm.encoders import DSpASTConfig, DSpASTForLocalization, SpatialASTConfig, SpatialASTForLocalization
from spatial_llm.encoders.configuration_base import SpatialEncoderConfig
from spatial_llm.encoders.folder_files import check_regular, exists
from spatial_llm.errors import CheckpointError

SPATIAL_AST_LICENCE = "CC BY-NC 4.0 (zszheng147/Spatial-AST)"
DSPAST_LICENCE = "CC BY-NC 4.0 (wilkinghoff/DSpAST)"

UNPACKED = 4  # one byte of a released file may unpack to at most this many bytes

# Every gate of an official DSpAST file holds statistics of a second BatchNorm that no forward pass reads. Our single
# BatchNorm over the cues needs one count of batches instead of two.
_UNUSED = re.compile(r"conv_downsample\d\.0\.bn2\..+|bn_ild\.num_batches_tracked")

_BLOCK_NAMES = {
    "norm1": "norm_before",
    "attn.qkv": "attention.qkv",
    "attn.proj": "attention.out",
    "norm2": "norm_after",
    "mlp.fc1": "fc1",
    "mlp.fc2": "fc2",
}


def convert_spatial_ast(
    state_dict: Mapping, config: SpatialASTConfig | None = None
) -> tuple[SpatialASTForLocalization, KeyReport]:
    """Converts official SpatialAST weights to our model.

    Args:
        state_dict: official names -> tensors or arrays; or the file's root, which holds them under "model".
        config: sizes, where they are not the published ones.

    Returns:
        the model in eval mode, float32, and a report in which nothing is missing or left over.

    Raises:
        CheckpointError: a key is missing, unknown, of another shape or kind of number, not finite (once cast to float32) or
            negative where that is impossible; or a constant of the file (STFT kernels, mel matrix) differs from what the
            front end computes. All are named.
    """
    config = config or SpatialASTConfig()
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
    for head in ("distance", "azimuth", "elevation"):
        names |= _weight_bias(f"{head}_head", f"{head}_head")
    report = KeyReport(SPATIAL_AST_LICENCE)
    return _load(SpatialASTForLocalization, config, state_dict, names, report, "SpatialAST state dict")


def convert_dspast(state_dict: Mapping, config: DSpASTConfig | None = None) -> tuple[DSpASTForLocalization, KeyReport]:
    """Converts official DSpAST weights to our model. Arguments, returns and errors are those of `convert_spatial_ast`."""
    config = config or DSpASTConfig()
    report = KeyReport(DSPAST_LICENCE)
    names: Names = {
        **shared_names(config),
        **_weight_bias("fc_norm", "event_norm"),
        "bn.num_batches_tracked": "encoder.cue_norm.norm.num_batches_tracked",
    }
    # The official planes are normalised by two BatchNorms, ours by one over all of them.
    for statistic in ("running_mean", "running_var"):
        names[f"bn.{statistic}"] = (f"encoder.cue_norm.norm.{statistic}", slice(0, 2))
        names[f"bn_ild.{statistic}"] = (f"encoder.cue_norm.norm.{statistic}", slice(2, 3))
    for k, branch in ((k, f"encoder.branches.{k - 1}") for k in (1, 2, 3)):
        names[f"cls_tokens{k}"] = ("encoder.cls_tokens", slice(k - 1, k))
        names |= _batch_norm(f"conv_downsample{k}.0.bn", f"{branch}.gate.norm", affine=False)
        names |= _weight_bias(f"conv_downsample{k}.0.fc.0", f"{branch}.gate.fc1")
        names |= _weight_bias(f"conv_downsample{k}.0.fc.2", f"{branch}.gate.fc2")
        names |= {f"conv_downsample{k}.1.weight": f"{branch}.fusion.conv.weight"}
        names |= _batch_norm(f"conv_downsample{k}.2", f"{branch}.fusion.norm")
        names |= _weight_bias(f"pre_head{k}", f"encoder.branch_heads.{k - 1}")
    for head in ("distance", "azimuth", "elevation"):
        names |= {f"{head}_head.W": f"{head}_head.weight", f"{head}_head.s": f"{head}_head.scale"}
    return _load(DSpASTForLocalization, config, state_dict, names, report, "DSpAST state dict")


def read_official(path: str | Path) -> dict:
    """Reads a released pickled checkpoint (.pth, .pt) without running any code in it.

    Raises:
        CheckpointError: the file does not exist, is damaged (its checksums do not fit), holds anything but tensors, plain
            values and `argparse.Namespace`, or unpacks to far more bytes than it has.
    """
    import argparse

    path = Path(path)
    if not exists(path):
        raise CheckpointError(f"{path}: no such file; give the path of a released checkpoint (.pth or .pt).")
    check_regular(path)
    _check_archive(path)
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):
            root = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle ends in errors of nearly every kind
        raise CheckpointError(
            f"{path}: not a checkpoint of plain tensors ({_pickle_reason(error)}); nothing in it was run."
        ) from None
    if not isinstance(root, Mapping):
        raise CheckpointError(f"{path}: its root is a {type(root).__name__}, expected tensors by name; is it another file?")
    return root


def _pickle_reason(error: Exception) -> str:
    if isinstance(error, LookupError):
        return "it is no pickle"
    # torch's message advises reading the file without protection and states the fault at its end.
    found = re.search(r"WeightsUnpickler error: ([^\n]+?)(?:\.| was not| was given)?(?:\n|$| Please)", str(error))
    return (found[1] if found else (str(error).splitlines() or [type(error).__name__])[0])[:200]


def _check_archive(path: Path) -> None:
    """Checks the checksums and sizes of a zipped checkpoint, which torch unpacks without comparing them."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return  # the older form is no archive; its tensors are stored uncompressed
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            unpacked = sum(member.file_size for member in members)
            if unpacked > UNPACKED * path.stat().st_size + 2**24:
                raise CheckpointError(
                    f"{path}: {path.stat().st_size:,} bytes that unpack to {unpacked:,}; weights hardly shrink when packed: "
                    "it is no released checkpoint."
                )
            # A file may be written without checksums; then all of them are zero.
            damaged = archive.testzip() if any(member.CRC for member in members) else None
    except CheckpointError:
        raise
    except Exception as error:  # of zipfile, zlib and struct
        raise CheckpointError(f"{path}: the archive is damaged or cut ({error}); copy or download it again.") from None
    if damaged is not None:
        raise CheckpointError(f"{path}: {damaged} in it is damaged (its checksum differs); copy or download it again.")


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


def _weight_bias(official: str, ours: str) -> Names:
    return {f"{official}.{kind}": f"{ours}.{kind}" for kind in ("weight", "bias")}


def _batch_norm(official: str, ours: str, affine: bool = True) -> Names:
    kinds = ["running_mean", "running_var", "num_batches_tracked"] + (["weight", "bias"] if affine else [])
    return {f"{official}.{kind}": f"{ours}.{kind}" for kind in kinds}


def _load(
    model_class: type,
    config: SpatialEncoderConfig,
    state_dict: Any,
    names: Names,
    report: KeyReport,
    what: str,
) -> tuple[Any, KeyReport]:
    tensors = as_tensors(state_dict, what)
    wrong = _take_constants(tensors, config, report)
    report.unused = [key for key in tensors if _UNUSED.fullmatch(key)]
    wanted = {key: tensor for key, tensor in tensors.items() if key not in report.unused}
    optional = {key for key in names if key.endswith(("num_batches_tracked", "_head.s"))}
    # Every key is checked against a model without memory first: a wrong file is refused before one is built.
    with torch.device("meta"):
        probe = model_class(config)
    checked = KeyReport(report.licence)
    load_by_name(probe, wanted, names, optional, checked)
    if wrong:
        raise CheckpointError(
            f"{what}: constants {', '.join(wrong)} differ from what the front end computes; "
            "was the file made for other STFT or mel settings?"
        )
    checked.raise_if_incomplete(what)
    model = model_class(config).eval()
    load_by_name(model, wanted, names, optional, report)
    report.raise_if_incomplete(what)
    return model, report


def _take_constants(tensors: dict[str, torch.Tensor], config: SpatialEncoderConfig, report: KeyReport) -> list[str]:
    """Moves the constants of a file to `report.constants`; returns those that differ from ours."""
    expected = {}
    if any(key.startswith("spectrogram_extractor") for key in tensors):
        sample, frequency = torch.meshgrid(
            torch.arange(config.n_fft).double(), torch.arange(config.n_fft // 2 + 1).double(), indexing="ij"
        )
        window = torch.hann_window(config.n_fft, dtype=torch.float64)[:, None]
        kernel = window * torch.exp(-2j * math.pi * sample * frequency / config.n_fft)
        expected["spectrogram_extractor.conv_real.weight"] = kernel.real.T[:, None]
        expected["spectrogram_extractor.conv_imag.weight"] = kernel.imag.T[:, None]
    expected["logmel_extractor.melW"] = mel_filters(
        config.sampling_rate, config.n_fft, config.num_mel_bins, config.f_min, config.f_max
    )
    expected |= {f"{head}_head.pi": torch.tensor([math.pi]) for head in ("distance", "azimuth", "elevation")}
    wrong = []
    for key, value in expected.items():
        if key in tensors:
            given = tensors.pop(key)
            report.constants.append(key)
            # Kernels are of order 1, mel weights of order 0.01: 1e-4 of the largest is far above rounding of both.
            close = given.shape == value.shape and (given - value).abs().max() <= 1e-4 * value.abs().max()
            if not close:
                wrong.append(key)
    return wrong
