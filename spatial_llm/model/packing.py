"""Packs a saved model so that it is small enough for a package: matrices in half precision, everything else unchanged.

Vectors (biases, norms, running statistics) stay in float32: they are few, and variances of cues leave the range of float16.
The config still names float32, so loading gives a float32 model whose matrices are rounded to 11 bits.
"""

import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from spatial_llm.encoders.folder_files import CONFIG, read_json
from spatial_llm.encoders.frame_head import FRAME_HEAD
from spatial_llm.encoders.head_files import read_heads, write_heads
from spatial_llm.encoders.readout import HEADS
from spatial_llm.encoders.seal import MODEL, PROCESSOR, SEAL, check_seal, write_seal
from spatial_llm.encoders.weight_files import read_headers
from spatial_llm.errors import CheckpointError
from spatial_llm.files import atomic_path, check_place
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.model.modeling_spatial_llm import SpatialLLMForConditionalGeneration

WEIGHTS = "model.safetensors"


def pack(folder: str | Path, out: str | Path) -> int:
    """Writes `folder`, a whole saved model in float32, to `out` with its matrices in float16; returns the bytes of `out`.

    Raises:
        CheckpointError: the folder lacks `model.safetensors` or a float32 `config.json`, a file of it is damaged or was
            changed since it was saved, its heads are those of another encoder, or a weight is beyond float16.
    """
    folder, out = Path(folder), Path(out)
    if not (folder / WEIGHTS).is_file():
        raise CheckpointError(f"{folder}: no {WEIGHTS}; give the folder of a model saved whole.")
    dtype = read_json(folder / CONFIG).get("dtype")
    if dtype != "float32":
        raise CheckpointError(f"{folder}: saved as {dtype}, expected float32.")
    read_headers([folder / WEIGHTS])
    with safe_open(folder / WEIGHTS, "pt") as file:
        metadata, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    for key, tensor in tensors.items():
        if tensor.ndim >= 2 and tensor.dtype == torch.float32:
            tensors[key] = half = tensor.half()
            if not torch.isfinite(half).all():
                raise CheckpointError(f"{folder}: {key} holds {tensor.abs().max():.3g}, more than float16 can.")
    # A folder that was changed by hand must not get a new seal here.
    check_seal(folder, MODEL)
    check_seal(folder, PROCESSOR)
    check_place(out, folder=True, replaces=SEAL)
    with atomic_path(out) as temporary:
        shutil.copytree(folder, temporary, ignore=shutil.ignore_patterns(WEIGHTS))
        save_file(tensors, temporary / WEIGHTS, metadata=metadata)
        write_seal(temporary, MODEL, PROCESSOR)
        _rebind_heads(folder, temporary)
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def _rebind_heads(folder: Path, packed: Path) -> None:
    """Writes the heads in `packed` with the fingerprint of the rounded encoder, by which they are recognised from now on."""
    names = [name for name in (HEADS, FRAME_HEAD) if (folder / name).is_file()]
    if names:
        before, after = (
            fingerprint(SpatialLLMForConditionalGeneration.from_pretrained(each).encoder) for each in (folder, packed)
        )
        for name in names:
            write_heads(packed, name, read_heads(folder, name, before), after)
