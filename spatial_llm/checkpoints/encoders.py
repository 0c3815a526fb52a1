"""Loads released SpatialAST and DSpAST weights by name, and names our weights as the released ones are.

Both official repositories and their weights are CC BY-NC 4.0: non-commercial use only.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedConfig

from spatial_llm.checkpoints.official_names import constants, encoder_names, idle_tensors
from spatial_llm.checkpoints.report import KeyReport, as_tensors, check_default_fields, float32, load_by_name
from spatial_llm.encoders import DSpASTConfig, DSpASTForLocalization, SpatialASTConfig, SpatialASTForLocalization
from spatial_llm.encoders.configuration_base import SpatialEncoderConfig
from spatial_llm.encoders.folder_files import check_regular, exists
from spatial_llm.errors import CheckpointError

SPATIAL_AST_LICENCE = "CC BY-NC 4.0 (zszheng147/Spatial-AST)"
DSPAST_LICENCE = "CC BY-NC 4.0 (wilkinghoff/DSpAST)"

UNPACKED = 4  # one byte of a released file may unpack to at most this many bytes
# Arguments of the official constructors; the published file has the defaults.
_SIZES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "num_event_classes")
# Fields that only training reads, and names; no official file holds them.
_TRAINING = {
    "initializer_range",
    "attention_probs_dropout_prob",
    "hidden_dropout_prob",
    "drop_path_rate",
    "spec_augment_mel_bins",
    "spec_augment_frames",
    "mask_rows",
    "mask_columns",
    "event_labels",
    "loss_weights",
    "adacos_target_term",
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
    return _load(SpatialASTForLocalization, config, state_dict, KeyReport(SPATIAL_AST_LICENCE), "SpatialAST state dict")


def convert_dspast(state_dict: Mapping, config: DSpASTConfig | None = None) -> tuple[DSpASTForLocalization, KeyReport]:
    """Converts official DSpAST weights to our model. Arguments, returns and errors are those of `convert_spatial_ast`."""
    config = config or DSpASTConfig()
    return _load(DSpASTForLocalization, config, state_dict, KeyReport(DSPAST_LICENCE), "DSpAST state dict")


def export_encoder(model: SpatialASTForLocalization | DSpASTForLocalization) -> dict[str, torch.Tensor]:
    """Names the weights of an encoder with heads as the official code does: the inverse of `convert_spatial_ast` and
    `convert_dspast`, bit for bit.

    The constants of the front end and the tensors that no official code uses are in it as the official code makes them,
    because it loads no file without them.

    Returns:
        official names -> copies of the tensors: float32, counts int64. In a released file they are the value of "model".

    Raises:
        CheckpointError: a field of the config has a value that the official code does not have, or a tensor is float64.
    """
    check_expressible(model.config, type(model).__name__)
    ours = model.state_dict()
    state = {}
    for official, place in encoder_names(model.config).items():
        name, rows = (place, ...) if isinstance(place, str) else place
        state[official] = float32(ours[name][rows], name)
    fixed = constants(model.config) | idle_tensors(model.config)
    return state | {official: tensor.clone() for official, tensor in fixed.items()}


def check_expressible(config: PreTrainedConfig, what: str) -> None:
    """Raises CheckpointError unless the official code of SpatialAST or DSpAST can build the encoder of this config."""
    if not isinstance(config, SpatialASTConfig | DSpASTConfig):
        raise CheckpointError(
            f"{what}: its encoder is of type {config.model_type}; released files exist for spatial_ast and dspast."
        )
    check_default_fields(config, _TRAINING.union(_SIZES), what)


def other_sizes(config: SpatialEncoderConfig) -> str:
    """Returns, in words, the sizes of an encoder that are not those of the published one; "" if there are none."""
    usual = type(config)()
    sizes = {name: getattr(config, name) for name in _SIZES if getattr(config, name) != getattr(usual, name)}
    return ", ".join(f"{name} {value}" for name, value in sizes.items())


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


def _load(
    model_class: type,
    config: SpatialEncoderConfig,
    state_dict: Any,
    report: KeyReport,
    what: str,
) -> tuple[Any, KeyReport]:
    tensors = as_tensors(state_dict, what)
    wrong = _take_constants(tensors, config, report)
    names, idle = encoder_names(config), idle_tensors(config)
    report.unused = [key for key in tensors if key in idle]
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
    wrong = []
    for key, value in constants(config).items():
        if key in tensors:
            given = tensors.pop(key)
            report.constants.append(key)
            # Kernels are of order 1, mel weights of order 0.01: 1e-4 of the largest is far above rounding of both.
            close = given.shape == value.shape and (given - value).abs().max() <= 1e-4 * value.abs().max()
            if not close:
                wrong.append(key)
    return wrong
