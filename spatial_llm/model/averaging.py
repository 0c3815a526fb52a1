"""Averages the weights of a model and of the one that its last training began with (WiSE-FT, arXiv 2109.01903).

A short training that adds something new costs a little of what was known. Between the two models, on the line from one to
the other, most of the new and all of the old can often be had together; which share is best is chosen on held-out data.
"""

import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from spatial_llm.encoders.frame_head import FRAME_HEAD
from spatial_llm.encoders.readout import HEADS
from spatial_llm.encoders.seal import MODEL, PROCESSOR, check_seal, write_seal
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.files import atomic_path, check_place
from spatial_llm.model.packing import WEIGHTS
from spatial_llm.shipped import find_model


def average(before: str | Path, after: str | Path, share: float, out: str | Path) -> None:
    """Writes the folder of `after` to `out` with the weights (1 - share) * before + share * after.

    LoRA's two matrices are averaged each by itself, not their product.

    Args:
        before: folder of the model that the training of `after` began with, or the name of one in the package (tiny).
        after: folder of the trained model; config, processor and data type are taken from it.
        share: 0 gives the weights of `before`, 1 those of `after`.
        out: folder to write; new, or empty.

    Raises:
        CheckpointError: a folder lacks `model.safetensors`, was changed since it was saved, or the two have weights of other
            names or shapes; or their encoders differ and `after` has heads, which fit no average of them.
        SpatialLLMError: `share` is not from 0 to 1.
        OutputError: `out` holds something, or cannot be written.
    """
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise SpatialLLMError(f"share is {share!r}; give a number from 0 (the model before) to 1 (the trained one).")
    before, after, out = Path(find_model(before)), Path(find_model(after)), Path(out)
    check_place(out, folder=True, replaces="")
    for folder in (before, after):
        if not (folder / WEIGHTS).is_file():
            raise CheckpointError(f"{folder}: no {WEIGHTS}; give the folder of a model saved whole.")
        check_seal(folder, MODEL)
        check_seal(folder, PROCESSOR)
    first, last = load_file(before / WEIGHTS), load_file(after / WEIGHTS)
    differ = sorted(
        name
        for name in first.keys() | last.keys()
        if name not in first or name not in last or first[name].shape != last[name].shape
    )
    if differ:
        raise CheckpointError(
            f"{after}: {len(differ)} weights, such as {differ[0]}, are not those of {before} in name or shape; give the "
            "model that its training began with."
        )
    heads = [name for name in (HEADS, FRAME_HEAD) if (after / name).is_file()]
    moved = [name for name in last if name.startswith("encoder.") and not torch.equal(first[name], last[name])]
    if heads and moved:
        raise CheckpointError(
            f"{after}: its training changed the encoder, so that {heads[0]}, the heads of its own, fits no average with "
            f"{before}; average models whose encoder stayed frozen, or that were saved without heads."
        )
    for name, tensor in last.items():
        if tensor.is_floating_point():
            last[name] = ((1 - share) * first[name].double() + share * tensor.double()).to(tensor.dtype)
        elif not torch.equal(tensor, first[name]):
            raise CheckpointError(f"{after}: {name} is {tensor.dtype}, which cannot be averaged, and differs from {before}.")
    with safe_open(after / WEIGHTS, "pt") as file:
        metadata = file.metadata()
    with atomic_path(out) as temporary:
        shutil.copytree(after, temporary, ignore=shutil.ignore_patterns(WEIGHTS))
        save_file(last, temporary / WEIGHTS, metadata=metadata)
        write_seal(temporary, MODEL, PROCESSOR)
