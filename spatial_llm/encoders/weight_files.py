"""Reads the headers of a saved model's safetensors files: names, shapes and types of tensors, without reading a weight.

A config is compared with them before anything is built from it: a config that claims 10,000 layers or a width of 2**40 would
otherwise take minutes or all memory first. And a tensor of integers is never cast to a weight.
"""

import copy
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from spatial_llm.encoders.folder_files import INDEX, LISTS_BYTES, check_regular, exists, in_words, named, read_json
from spatial_llm.errors import CheckpointError

WEIGHTS = "model.safetensors"
_PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_FLOATS = {"F64", "F32", "F16", "BF16"}
_WHOLE = {"I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8"}
# Config fields that are a dimension of some tensor, in language models, encoders and projectors.
_DIMENSIONS = (
    "hidden_size",
    "intermediate_size",
    "vocab_size",
    "num_query_tokens",
    "encoder_hidden_size",
    "text_hidden_size",
    "fusion_channels",
)


class Header(NamedTuple):
    """One tensor of a file: its shape, its type as safetensors spells it ("F32"), and the file."""

    shape: tuple[int, ...]
    dtype: str
    file: Path


def weight_files(folder: Path, variant: str | None = None) -> list[Path]:
    """Returns the safetensors files that transformers would load from `folder`; none where the weights have another form.

    Raises:
        CheckpointError: there are no weights at all, or the index of shards is damaged or names a missing file.
    """
    infix = f".{variant}" if variant else ""
    single, index = folder / f"model{infix}.safetensors", folder / INDEX.replace(".index", f".index{infix}")
    if exists(single):
        return [single]
    if exists(index):
        shards = read_json(index, LISTS_BYTES).get("weight_map")
        if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
            raise CheckpointError(f"{index}: weight_map is no object of file names; save the model again.")
        names = sorted(set(shards.values()))
        if strange := [name for name in names if Path(name).name != name]:
            raise CheckpointError(f"{index}: weight_map leads out of the folder ({strange[0]!r}); save the model again.")
        return [folder / name for name in names]
    if not any(exists(folder / name) for name in _PICKLED):
        raise CheckpointError(f"{folder}: no {single.name} in this folder: copy the weights there, or save the model again.")
    return []


def read_headers(files: Iterable[Path]) -> dict[str, Header]:
    """Returns the tensors of all `files`, by name.

    Raises:
        CheckpointError: a file is missing, cut, no safetensors file, or a placeholder for one (a Git LFS pointer).
    """
    found: dict[str, Header] = {}
    for path in files:
        check_regular(path)
        try:
            with path.open("rb") as start:
                if start.read(20) == b"version https://git-":
                    raise CheckpointError(f"{path} is a pointer of Git LFS, not the weights: run `git lfs pull`.")
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118
                    part = file.get_slice(name)
                    found[name] = Header(tuple(part.get_shape()), part.get_dtype(), path)
        except (OSError, SafetensorError) as error:
            reason = str(error).splitlines()[0][:200]
            raise CheckpointError(f"{path} cannot be read ({reason}); expected a whole safetensors file.") from None
    return found


def check_claims(config: Any, headers: dict[str, Header], what: str) -> None:
    """Refuses a config whose layers or widths are beyond anything in the file; this costs next to nothing.

    Args:
        config: of one model, without parts.
        headers: its tensors.
        what: the file and part that the config was read from, for the error.
    """
    if _quantized(config):
        return
    if isinstance(parts := getattr(config, "claims", None), dict):  # several encoders, by the start of their names
        for start, part in parts.items():
            check_claims(part, {name: header for name, header in headers.items() if start in name}, f"{what}: {start[:-1]}")
        return
    largest = max(itertools.chain.from_iterable(header.shape for header in headers.values()), default=0)
    numel = max((_numel(header.shape) for header in headers.values()), default=0)
    layers = getattr(config, "num_hidden_layers", 0)
    if isinstance(layers, int) and layers > len(headers):
        raise CheckpointError(
            f"{what}: num_hidden_layers is {layers:,}, but the weights hold {len(headers)} tensors in all: the config is "
            "damaged or another model's."
        )
    claims = {name: getattr(config, name, None) for name in _DIMENSIONS}
    if slices := getattr(config, "slice_sizes", None):
        # Such a projector reads the encoder's channels slice by slice, so no tensor is as wide as all of them together.
        claims["slice_sizes"], claims["encoder_hidden_size"] = max(slices), None
    for name, value in claims.items():
        if isinstance(value, int) and value > largest:
            raise CheckpointError(
                f"{what}: {name} is {value:,}, but no dimension of a tensor in the weights is larger than {largest:,}: the "
                "config is damaged or another model's."
            )
    layout = getattr(config, "token_layout", None)  # the table of positions is computed, and is a tensor of the file too
    tokens = layout.num_tokens if layout is not None else 0
    if layout is not None and (tokens - layout.num_cls_tokens) * config.hidden_size > numel:
        raise CheckpointError(
            f"{what}: num_frames, num_mel_bins and patch_size make {tokens:,} tokens of {config.hidden_size:,} values, but "
            f"the largest tensor in the weights has {numel:,}: the config is damaged or another model's."
        )


def check_tensors(model_class: Any, config: Any, headers: dict[str, Header], what: str, start: str = "") -> None:
    """Builds the model without memory and compares shapes and kinds of numbers with the file.

    Names that only one of the two has are left to transformers, which knows what it renames. `start` is the prefix of a
    part's names in the file.

    Raises:
        CheckpointError: the config cannot be built; a tensor has another shape, or holds integers, booleans or complex
            numbers where weights are expected (and the reverse); or the config describes far more values than the file
            holds.
    """
    with named(what), in_words(f"{what}: the config cannot be built and"), torch.device("meta"):
        model = model_class(copy.deepcopy(config))
    if _quantized(config):
        return
    prefix = f"{model_class.base_model_prefix}."
    wanted, wrong = 0, []
    for name, tensor in model.state_dict(keep_vars=True).items():
        name = start + name
        header = headers.get(name) or headers.get(prefix + name) or headers.get(name.removeprefix(prefix))
        if header is None:
            wanted += tensor.numel()
            continue
        if header.shape != tuple(tensor.shape):
            wrong.append(f"{name} is {header.shape}, expected {tuple(tensor.shape)}")
        elif name.endswith("num_batches_tracked") and header.dtype in _FLOATS:
            pass  # transformers casts this count with the module that it keeps in float32, and saves it so
        elif header.dtype not in (_FLOATS if tensor.is_floating_point() else _WHOLE):
            kind = "floating point" if tensor.is_floating_point() else "whole"
            wrong.append(f"{name} is of type {header.dtype}, expected {kind} numbers")
    if wrong:
        listed = "; ".join(wrong[:8]) + (f" and {len(wrong) - 8} more" if len(wrong) > 8 else "")
        raise CheckpointError(
            f"{what}: the file does not fit the model. mismatched: {listed}. Is it the right file, of the right size?"
        )
    held = sum(_numel(header.shape) for header in headers.values())
    if wanted > held + 2**24:
        raise CheckpointError(
            f"{what}: the config describes {wanted:,} values that the weights do not hold (they hold {held:,}): it is "
            "damaged or another model's."
        )


def _numel(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _quantized(config: Any) -> bool:
    parts = [config, *(getattr(config, name, None) for name in getattr(config, "sub_configs", {}))]
    return any(getattr(part, "quantization_config", None) is not None for part in parts)
