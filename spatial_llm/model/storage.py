"""The two forms of a saved composite, and the check after every save.

Everything in one folder is transformers' own form. The trained-only form holds the projector and LoRA in
`trained.safetensors`, the whole `config.json`, and in `trained.json` pointers to encoder and language model with their
fingerprints: a folder of a few hundred MB at most beside a language model of many GB. Local pointers are relative to the
folder; on an encoder or a language model of another fingerprint the trained part is not put.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM, GenerationConfig, PreTrainedModel

from spatial_llm.encoders.pretrained import one_dtype, raise_on_gaps
from spatial_llm.errors import CheckpointError
from spatial_llm.files import atomic_path, write_json
from spatial_llm.model.adapters import inject_lora, trained_keys
from spatial_llm.model.configuration_spatial_llm import SpatialLLMConfig
from spatial_llm.model.fingerprint import check_base, fingerprint

TRAINED_WEIGHTS = "trained.safetensors"
TRAINED_POINTERS = "trained.json"


def is_trained_only(folder: Any) -> bool:
    """Whether `folder` is a local folder in the trained-only form."""
    return isinstance(folder, str | os.PathLike) and (Path(folder) / TRAINED_POINTERS).is_file()


def verify_saved(model: PreTrainedModel, folder: Path) -> None:
    """Reopens the weights in `folder` and raises CheckpointError if a tensor that trains is not there.

    A trained-only form that an earlier save left in the same folder is removed: this one holds all of it.
    """
    expected = trained_keys(model) - set(model._keys_to_ignore_on_save or ())
    raise_on_gaps(f"{folder}, just saved", missing=expected - _keys_in(folder.glob("*.safetensors")))
    for name in (TRAINED_WEIGHTS, TRAINED_POINTERS):
        (folder / name).unlink(missing_ok=True)


def save_trained_only(model: PreTrainedModel, folder: Path, pointers: dict[str, str | None]) -> None:
    """Writes the trained-only form; see `SpatialLLMForConditionalGeneration.save_pretrained`."""
    if any(folder.glob("model*.safetensors")):
        raise CheckpointError(f"{folder} holds a whole model: save the trained part alone to a folder of its own.")
    found = {}
    for name, pointer in pointers.items():
        pointer = pointer or getattr(model, name).name_or_path
        if not pointer:
            raise CheckpointError(
                f"the {name} was not loaded from a folder or the hub, so nothing can point to it: save it first and give "
                f"{name}=..., or save everything in one folder (trained_only=False)."
            )
        found[name] = os.path.relpath(pointer, folder) if os.path.isdir(pointer) else str(pointer)
    state = model.state_dict()
    tensors = {key: state[key].contiguous() for key in trained_keys(model)}
    folder.mkdir(parents=True, exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    # The model without head generates nothing itself, but its folder is read as one that does.
    generation_config = getattr(model, "generation_config", None) or model.language_model.generation_config
    generation_config.save_pretrained(folder)
    with atomic_path(folder / TRAINED_WEIGHTS) as path:
        save_file(tensors, path, metadata={"format": "pt"})
    fingerprints = {name: fingerprint(getattr(model, name)) for name in found}
    write_json(folder / TRAINED_POINTERS, found | {"fingerprints": fingerprints})
    saved = _keys_in([folder / TRAINED_WEIGHTS])
    raise_on_gaps(f"{folder}, just saved", missing=set(tensors) - saved, unexpected=saved - set(tensors))


def load_trained_only(
    model_class: Any,
    folder: Path,
    encoder: str | PreTrainedModel | None = None,
    language_model: str | PreTrainedModel | None = None,
    output_loading_info: bool = False,
    **kwargs: Any,
) -> Any:
    """Loads the trained-only form; see `SpatialLLMForConditionalGeneration.from_pretrained`."""
    one_dtype(kwargs)
    kwargs.pop("config", None)  # given by the Auto classes; it is the one read here
    pointers = json.loads((folder / TRAINED_POINTERS).read_text(encoding="utf-8"))
    fingerprints = pointers.get("fingerprints", {})
    config = SpatialLLMConfig.from_pretrained(folder)
    if not isinstance(encoder, PreTrainedModel):
        encoder = AutoModel.from_pretrained(encoder or _follow(folder, "encoder", pointers))
    if not isinstance(language_model, PreTrainedModel):
        where = language_model or _follow(folder, "language_model", pointers)
        language_model = AutoModelForCausalLM.from_pretrained(where, **kwargs)
    for name, part in (("encoder", encoder.base_model), ("language_model", language_model)):
        check_base(name, part, fingerprints.get(name), str(folder))
    model = model_class.from_parts(
        encoder=encoder,
        language_model=language_model,
        projector=AutoModel.from_config(config.projector_config),
        audio_token_id=config.audio_token_id,
    )
    if config.lora is not None:
        inject_lora(model.language_model, config.lora)
    model.config.lora = config.lora
    model.config.freeze_encoder = config.freeze_encoder
    model.encoder.requires_grad_(not config.freeze_encoder)
    model.freeze()
    model.generation_config = GenerationConfig.from_pretrained(folder)
    load_tensors(model, read_tensors(folder / TRAINED_WEIGHTS), trained_keys(model), str(folder / TRAINED_WEIGHTS))
    model.config._name_or_path = str(folder)
    model.eval()
    gaps = {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set(), "error_msgs": []}
    return (model, gaps) if output_loading_info else model


def load_tensors(model: PreTrainedModel, tensors: dict[str, torch.Tensor], expected: set[str], what: str) -> None:
    """Copies `tensors` into `model`, all of `expected` and nothing else; raises CheckpointError naming what does not fit."""
    state = model.state_dict()
    common = expected & set(tensors)
    raise_on_gaps(
        what,
        missing=expected - set(tensors),
        unexpected=set(tensors) - expected,
        mismatched=[
            f"{key} ({tuple(tensors[key].shape)}, expected {tuple(state[key].shape)})"
            for key in common
            if tensors[key].shape != state[key].shape
        ],
        not_finite=[key for key in common if not torch.isfinite(tensors[key]).all()],
    )
    with torch.no_grad():
        for key in expected:
            state[key].copy_(tensors[key])


def _follow(folder: Path, name: str, pointers: dict[str, str]) -> str:
    """The folder or hub id that a pointer leads to."""
    pointer = pointers[name]
    local = os.path.normpath(folder / pointer)
    if os.path.isdir(local):
        return local
    if pointer.startswith(".") or os.path.isabs(pointer):
        raise CheckpointError(
            f"{folder / TRAINED_POINTERS} points to the {name} at {pointer}, which is no folder: put it there, or give "
            f"from_pretrained(..., {name}=folder, hub id or model)."
        )
    return pointer


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file. Raises CheckpointError if it is not whole."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); expected a whole safetensors file.") from None


def _keys_in(paths: Any) -> set[str]:
    keys: set[str] = set()
    for path in paths:
        with safe_open(path, framework="pt") as file:
            keys |= set(file.keys())
    return keys
