"""Finds the folder of a model by the name that a user gives."""

import os
import re
from pathlib import Path
from typing import Any

from huggingface_hub import constants, try_to_load_from_cache

from spatial_llm.encoders.folder_files import CONFIG, exists, read_json
from spatial_llm.errors import CheckpointError
from spatial_llm.model.configuration_spatial_llm import SpatialLLMConfig
from spatial_llm.shipped import shipped_models

_GIVE = "the folder that recipes/finetune_bat.py wrote (RUN_FOLDER/model)"


def _or_shipped() -> str:
    names = ", ".join(shipped_models())
    return f", or the name of a model that comes with the package ({names})" if names else ""


def on_hub(name: str, options: dict[str, Any]) -> bool:
    """Returns whether `name` may be that of a model on the hub; offline, whether its config is in the cache."""
    if os.path.isdir(name) or not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return False
    config = "/".join(part for part in (options.get("subfolder"), "config.json") if part)
    where = {"cache_dir": options.get("cache_dir"), "revision": options.get("revision")}
    return not constants.HF_HUB_OFFLINE or isinstance(try_to_load_from_cache(name, config, **where), str)


def check_folder(folder: Path) -> None:
    """Raises CheckpointError for a folder of another model. transformers would read its config as ours and fill the gaps
    with the sizes of a 7B model."""
    if not exists(folder / CONFIG):
        is_folder = exists(folder) and os.path.isdir(folder)
        below = ("*/config.json", "*/model/config.json") if is_folder else ()
        near = [path.parent for pattern in below for path in sorted(folder.glob(pattern))]
        hint = f"did you mean {near[0]}?" if near else f"give {_GIVE}{_or_shipped()}."
        raise CheckpointError(f"{folder}: {'no model in this folder' if is_folder else 'no such folder'}; {hint}")
    try:
        kind = read_json(folder / CONFIG).get("model_type")
    except CheckpointError as error:
        raise CheckpointError(f"{folder}: no model's config: {error}") from None
    if not isinstance(kind, str):
        raise CheckpointError(f"{folder / CONFIG}: no model's config (JSON with a model_type); save the model again.")
    if kind != SpatialLLMConfig.model_type:
        raise CheckpointError(f"{folder}: a {kind}, expected a {SpatialLLMConfig.model_type}; give {_GIVE}.")
