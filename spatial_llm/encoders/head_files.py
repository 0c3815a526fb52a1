"""Files of heads that stand beside a saved model: written whole and sealed with it, and read with checks.

Such a file knows the encoder that its heads were trained on by its fingerprint, because heads of another encoder may have
the same shapes.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from spatial_llm.encoders.folder_files import check_regular
from spatial_llm.encoders.seal import MODEL, write_seal
from spatial_llm.encoders.weight_files import read_headers
from spatial_llm.errors import CheckpointError
from spatial_llm.files import atomic_path

_OF = "encoder_fingerprint"


def read_heads(folder: str | os.PathLike, name: str, encoder: str | None = None) -> dict[str, torch.Tensor]:
    """Returns the tensors of a file of heads, by name.

    Args:
        folder: of the saved model.
        name: of the file.
        encoder: fingerprint of the encoder; None where it has none.

    Raises:
        CheckpointError: the file is damaged, or was saved with another encoder.
    """
    path = Path(folder, name)
    check_regular(path)
    read_headers([path])
    with safe_open(path, "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        saved = (file.metadata() or {}).get(_OF)
    if None not in (saved, encoder) and saved != encoder:
        raise CheckpointError(
            f"{path}: the heads of another encoder, which an earlier save left there or which were copied; save model "
            f"and heads together with SpatialLLM.save_pretrained, or delete the file and run spatial-llm seal {folder}."
        )
    return tensors


def write_heads(
    folder: str | os.PathLike, name: str, tensors: Mapping[str, torch.Tensor], encoder: str | None = None
) -> None:
    """Writes the tensors of heads to a file in the folder of a saved model, whole or not at all, and seals it with it.

    Args:
        folder: of the saved model.
        name: of the file.
        tensors: the state dict of the heads.
        encoder: fingerprint of the encoder, by which `read_heads` tells the heads of another one; None writes none.
    """
    # One entry only: safetensors writes several in an order that changes, and equal heads would have other bytes.
    metadata = {"format": "pt"} if encoder is None else {_OF: encoder}
    with atomic_path(Path(folder, name)) as path:
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, path, metadata=metadata)
    write_seal(Path(folder), MODEL)


def load_heads(heads: nn.Module, tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Gives `heads`, which may be on the meta device, copies of `tensors` as float32.

    Raises:
        CheckpointError: these are not the tensors of such heads, or are not finite; `where` and the tensor are named.
    """
    own = {name: tuple(tensor.shape) for name, tensor in heads.state_dict().items()}
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if own != given:
        other = sorted(name for name in own.keys() | given.keys() if own.get(name) != given.get(name))
        raise CheckpointError(
            f"{where}: {other[0]} is {given.get(other[0], 'missing')}, expected {own.get(other[0], 'no such tensor')}: "
            "these are not the heads of this encoder; save the model again with its own."
        )
    if bad := [name for name, tensor in tensors.items() if not torch.isfinite(tensor).all()]:
        raise CheckpointError(f"{where}: {bad[0]} contains NaN or infinity; copy the file again.")
    heads.load_state_dict({name: tensor.detach().clone().float() for name, tensor in tensors.items()}, assign=True)
