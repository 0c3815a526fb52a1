"""Computes fingerprints by which a trained part recognises the encoder and the language model that it was trained with.

A fingerprint must be fast for billions of weights, and the same whether they were loaded as float32 or bfloat16. So it
covers every tensor, but at most 65,536 evenly spaced values of each, rounded to bfloat16. Further training changes all of a
tensor, and so the fingerprint.
"""

import hashlib
import warnings

import torch
from torch import nn

from spatial_llm.errors import CheckpointError
from spatial_llm.model.trained_parts import base_state

VALUES = 65_536


def fingerprint(module: nn.Module) -> str | None:
    """Returns the SHA-256 over names, shapes and sampled values of the weights and buffers of `module`, without added
    modules.

    Returns None if the weights are in another form than float32 or bfloat16 (float16, quantised, spread over processes),
    because the same model has other values then.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(base_state(module).items()):
        if tensor.is_meta or (tensor.is_floating_point() and tensor.dtype not in (torch.float32, torch.bfloat16)):
            return None
        if tensor.dtype in (torch.uint8, torch.int8) or (tensor.numel() == 0 and tensor.dim() > 0):
            return None
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        values = tensor.detach().reshape(-1)[:: -(-max(tensor.numel(), 1) // VALUES)]
        values = values.to(torch.bfloat16).view(torch.int16) if values.is_floating_point() else values.to(torch.int64)
        digest.update(values.cpu().numpy().tobytes())
    return digest.hexdigest()


def check_base(name: str, module: nn.Module, expected: str | None, what: str) -> None:
    """Raises CheckpointError if `module`, the `name` under the adapters in `what`, differs from the one they were trained
    with.

    Warns if one of the two has no fingerprint.
    """
    found = fingerprint(module)
    if expected is None or found is None:
        warnings.warn(
            f"{what}: whether this {name} is the one it was trained on could not be checked (one of them has no "
            "fingerprint: not float32 or bfloat16).",
            stacklevel=3,
        )
    elif found != expected:
        raise CheckpointError(
            f"{what} was trained on another {name}: its fingerprint is {found[:12]}, expected {expected[:12]}. "
            f"Give the {name} it was trained on."
        )
