"""Seals the folder of a model anew after a wanted change: `spatial-llm seal`."""

import os
from pathlib import Path
from typing import Any

from transformers import AutoModel

from spatial_llm.encoders.folder_files import CONFIG, exists, in_words, read_json
from spatial_llm.encoders.seal import MODEL, PROCESSOR, SEAL, write_seal
from spatial_llm.errors import CheckpointError
from spatial_llm.model.configuration_spatial_llm import SpatialLLMConfig
from spatial_llm.model.modeling_spatial_llm import SpatialLLMForConditionalGeneration
from spatial_llm.model.pipeline import SpatialLLM

PROCESSOR_CONFIG = "processor_config.json"


def reseal(folder: str | os.PathLike) -> None:
    """Seals a folder as it is now, after an intended change (see `spatial_llm.encoders.seal`): `spatial-llm seal`.

    Args:
        folder: folder of a saved `SpatialLLM`, of its model alone, or of an encoder.

    Raises:
        CheckpointError: the content of the folder does not load, apart from the seal; the old seal stays as it is.
    """
    folder = Path(folder)
    if not exists(folder / CONFIG):
        raise CheckpointError(f"{folder}: no {CONFIG} in this folder; give the folder of a saved model.")
    loader: Any = AutoModel
    if read_json(folder / CONFIG).get("model_type") == SpatialLLMConfig.model_type:
        loader = SpatialLLM if exists(folder / PROCESSOR_CONFIG) else SpatialLLMForConditionalGeneration
    seal, aside = folder / SEAL, folder / f"{SEAL}.old"
    if exists(seal):
        os.replace(seal, aside)
    try:
        with in_words(str(folder)):
            loader.from_pretrained(folder)
        write_seal(folder, MODEL, PROCESSOR)
    except BaseException:
        if exists(aside):
            os.replace(aside, seal)
        raise
    aside.unlink(missing_ok=True)
