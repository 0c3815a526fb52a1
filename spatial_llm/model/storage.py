"""Reads and writes the two forms of a saved composite, and checks every save.

Everything in one folder is transformers' own form. The trained-only form consists of the projector and LoRA in
`trained.safetensors`, the whole `config.json`, and in `trained.json` pointers to encoder and language model with their
fingerprints: a folder of a few hundred MB at most beside a language model of many GB. Local pointers are relative to the
folder. Loading refuses an encoder or a language model whose fingerprint differs.
"""

import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel, GenerationConfig, PreTrainedModel

from spatial_llm.encoders.folder_files import CONFIG, GENERATION, POINTERS, exists, in_words, read_json
from spatial_llm.encoders.pretrained import (
    PARTS,
    check_folder,
    impossible,
    one_dtype,
    raise_on_gaps,
    read_settings,
    same_kind,
)
from spatial_llm.encoders.seal import MODEL, check_seal, forget, write_seal
from spatial_llm.encoders.weight_files import Header, check_claims, check_tensors, read_headers
from spatial_llm.errors import CheckpointError
from spatial_llm.files import atomic_path, write_json
from spatial_llm.fusion import read_fusion
from spatial_llm.model.configuration_spatial_llm import SpatialLLMConfig
from spatial_llm.model.fingerprint import check_base, fingerprint
from spatial_llm.model.mono_base import language_model_class
from spatial_llm.model.trained_parts import trained_keys

TRAINED_WEIGHTS = "trained.safetensors"
TRAINED_POINTERS = POINTERS
# Options of `from_pretrained` that locate a model, or let its own code run.
_OF_CONFIG = ("revision", "subfolder", "cache_dir", "token", "local_files_only", "trust_remote_code")


def is_trained_only(folder: Any) -> bool:
    """Returns whether `folder` is a local folder in the trained-only form."""
    return isinstance(folder, str | os.PathLike) and exists(Path(folder) / TRAINED_POINTERS)


def check_fusion(folder: Any, options: dict[str, Any]) -> None:
    """Raises CheckpointError if the options of `from_pretrained` exchange the fusion of a local folder, by `fusion` or by
    another `config`: some fusions have the same tensors, so that the answers alone would differ."""
    config = options.get("config")
    given = {"fusion": config.fusion} if isinstance(config, SpatialLLMConfig) else {}
    given |= {name: value for name, value in options.items() if name == "fusion"}
    if not given:
        return
    if not isinstance(folder, str | os.PathLike) or not exists(Path(folder) / CONFIG):
        return
    saved, asked = read_fusion(read_json(Path(folder) / CONFIG).get("fusion")), read_fusion(given["fusion"])
    if asked != saved:
        raise CheckpointError(
            f"{folder} was saved with fusion {saved.to_dict()}, but {asked.to_dict()} was given: leave it out; a model with "
            "another fusion is trained anew."
        )


def verify_saved(model: PreTrainedModel, folder: Path) -> None:
    """Reopens the weights in `folder` and raises CheckpointError if a tensor that trains is not there.

    Removes a trained-only form that an earlier save left in the same folder, because this save contains all of it.
    """
    expected = trained_keys(model) - set(model._keys_to_ignore_on_save or ())
    raise_on_gaps(f"{folder}, just saved", missing=expected - _keys_in(folder.glob("*.safetensors")))
    for name in (TRAINED_WEIGHTS, TRAINED_POINTERS):
        (folder / name).unlink(missing_ok=True)
    forget(folder, (TRAINED_WEIGHTS, TRAINED_POINTERS))


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
    # The model without head does not generate, but its folder may be loaded as a model that does.
    generation_config = getattr(model, "generation_config", None) or model.language_model.generation_config
    generation_config.save_pretrained(folder)
    with atomic_path(folder / TRAINED_WEIGHTS) as path:
        save_file(tensors, path, metadata={"format": "pt"})
    fingerprints = {name: fingerprint(getattr(model, name)) for name in found}
    write_json(folder / TRAINED_POINTERS, found | {"fingerprints": fingerprints})
    saved = _keys_in([folder / TRAINED_WEIGHTS])
    raise_on_gaps(f"{folder}, just saved", missing=set(tensors) - saved, unexpected=saved - set(tensors))
    write_seal(folder, MODEL)


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
    kwargs.pop("config", None)  # given by the Auto classes; the same config is read here
    read_settings(folder)
    pointers, fingerprints = _read_pointers(folder)
    config = SpatialLLMConfig.from_pretrained(folder)
    _check_trained(config, read_headers([folder / TRAINED_WEIGHTS]), folder)
    if not isinstance(encoder, PreTrainedModel):
        encoder = _load_encoder(encoder or _follow(folder, "encoder", pointers), config, folder)
    if not isinstance(language_model, PreTrainedModel):
        language_model = _load_language_model(language_model or _follow(folder, "language_model", pointers), kwargs)
    for name, part in (("encoder", encoder.base_model), ("language_model", language_model)):
        check_base(name, part, fingerprints.get(name), str(folder))
    model = model_class.from_parts(
        encoder=encoder,
        language_model=language_model,
        projector=AutoModel.from_config(config.projector_config),
        audio_token_id=config.audio_token_id,
        lora=config.lora,
        fusion=config.fusion,
        mono=config.mono,
        time_tokens=config.time_tokens,
    )
    model.config.freeze_encoder = config.freeze_encoder
    model.encoder.requires_grad_(not config.freeze_encoder)
    model.freeze()
    with in_words(str(folder / GENERATION)):
        model.generation_config = GenerationConfig.from_pretrained(folder)
    load_tensors(model, read_tensors(folder / TRAINED_WEIGHTS), trained_keys(model), str(folder / TRAINED_WEIGHTS))
    check_seal(folder, MODEL, [folder / TRAINED_WEIGHTS])
    model.config._name_or_path = str(folder)
    model.eval()
    gaps = {"missing_keys": set(), "unexpected_keys": set(), "mismatched_keys": set(), "error_msgs": []}
    return (model, gaps) if output_loading_info else model


def _load_encoder(where: str, config: SpatialLLMConfig, folder: Path) -> PreTrainedModel:
    with in_words(f"the encoder {where}"):
        encoder = AutoModel.from_pretrained(where)
    expected, given = config.encoder_config.model_type, encoder.config.model_type
    if given != expected:
        raise CheckpointError(f"{folder} was trained on an encoder of type {expected}, but {where} is a {given}.")
    return encoder


def _load_language_model(where: str, options: dict[str, Any]) -> PreTrainedModel:
    """Loads the language model, with checks: transformers builds whatever a damaged config claims, and fills missing tensors
    at random."""
    local = Path(where)
    with in_words(f"the language model {where}"):
        config = AutoConfig.from_pretrained(where, **{name: options[name] for name in _OF_CONFIG if name in options})
        auto_class = language_model_class(config)
        if os.path.isdir(local) and "trust_remote_code" not in options:
            model_class = auto_class._model_mapping.get(type(config), None)
            if isinstance(model_class, type):
                check_folder(local, model_class, config, options)
        model, info = auto_class.from_pretrained(where, output_loading_info=True, **options)
    raise_on_gaps(f"the language model {where}", missing=info["missing_keys"])
    return model


def _check_trained(config: SpatialLLMConfig, headers: dict[str, Header], folder: Path) -> None:
    """Compares projector and LoRA of a config with the file before any module is built."""
    start, what = PARTS["projector_config"], f"{folder / CONFIG}: projector_config"
    projector = {name: header for name, header in headers.items() if name.startswith(start)}
    check_claims(config.projector_config, projector, what)
    projector_class = AutoModel._model_mapping[type(config.projector_config)]
    check_tensors(projector_class, config.projector_config, projector, what, start)
    for name, header in headers.items():
        side = next((side for side, part in enumerate((".lora_A.", ".lora_B.")) if part in name), None)
        if side is None or len(header.shape) != 2 or config.lora is None:
            continue
        if header.shape[side] != config.lora["rank"]:
            raise CheckpointError(
                f"{folder / CONFIG}: lora.rank is {config.lora['rank']}, but {name} has rank {header.shape[side]}: the "
                "config is damaged or another model's."
            )


def load_tensors(model: PreTrainedModel, tensors: dict[str, torch.Tensor], expected: set[str], what: str) -> None:
    """Copies `tensors` into `model`: all of `expected` and nothing else. Raises CheckpointError naming each tensor of
    another shape or number type, or, after the cast to the model's type, with an impossible value."""
    state = model.state_dict()
    common = expected & set(tensors)
    shapes = [
        f"{key} ({tuple(tensors[key].shape)}, expected {tuple(state[key].shape)})"
        for key in common
        if tensors[key].shape != state[key].shape
    ]
    kinds = [f"{key} ({tensors[key].dtype})" for key in common if not same_kind(tensors[key], state[key])]
    raise_on_gaps(
        what,
        missing=expected - set(tensors),
        unexpected=set(tensors) - expected,
        mismatched=shapes,
        another_kind_of_number=kinds,
    )
    cast = {key: tensors[key].to(state[key].dtype) for key in expected}
    raise_on_gaps(
        what,
        not_finite=[key for key in cast if not torch.isfinite(cast[key]).all()],
        negative=[key for key in cast if impossible(key, cast[key])],
    )
    with torch.no_grad():
        for key in expected:
            state[key].copy_(cast[key])


def _read_pointers(folder: Path) -> tuple[dict[str, str], dict[str, str | None]]:
    """Returns the locations of encoder and language model, and their fingerprints, by name."""
    path = folder / TRAINED_POINTERS
    pointers = read_json(path)
    fingerprints = pointers.get("fingerprints", {})
    for name in ("encoder", "language_model"):
        if not isinstance(pointers.get(name), str) or not pointers[name]:
            raise CheckpointError(f"{path}: {name} is {pointers.get(name)!r}, expected a folder or a name on the hub.")
    if not isinstance(fingerprints, dict) or not all(isinstance(one, str | None) for one in fingerprints.values()):
        raise CheckpointError(f"{path}: fingerprints is {fingerprints!r}, expected text by name; save the model again.")
    return pointers, fingerprints


def _follow(folder: Path, name: str, pointers: dict[str, str]) -> str:
    """Returns the folder or hub id that a pointer refers to."""
    pointer = pointers[name]
    local = os.path.normpath(folder / pointer)
    if exists(Path(local)) and os.path.isdir(local):
        if is_trained_only(local):
            raise CheckpointError(
                f"{folder / TRAINED_POINTERS} points to the {name} at {pointer}, which is a trained part itself; expected "
                f"the folder of a {name}."
            )
        return local
    if pointer.startswith(".") or os.path.isabs(pointer):
        raise CheckpointError(
            f"{folder / TRAINED_POINTERS} points to the {name} at {pointer}, which is no folder: put it there, or give "
            f"from_pretrained(..., {name}=folder, hub id or model)."
        )
    return pointer


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """Returns the tensors of a safetensors file. Raises CheckpointError if it is not complete."""
    read_headers([path])
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
