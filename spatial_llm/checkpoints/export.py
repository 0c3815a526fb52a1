"""Writes a saved model as a file of the official layout, for the official code of SpatialAST, DSpAST and BAT."""

import os
from pathlib import Path
from typing import Literal

import torch

from spatial_llm.checkpoints.bat import check_bat, export_bat
from spatial_llm.checkpoints.encoders import check_expressible, export_encoder, other_sizes
from spatial_llm.encoders.folder_files import CONFIG, exists, read_json
from spatial_llm.encoders.kinds import ENCODERS
from spatial_llm.encoders.readout import HEADS
from spatial_llm.errors import CheckpointError
from spatial_llm.files import atomic_path, check_place
from spatial_llm.model import SpatialLLM, SpatialLLMConfig, SpatialLLMForConditionalGeneration
from spatial_llm.model.finding import check_folder
from spatial_llm.shipped import find_model

Kind = Literal["spatial_ast", "dspast", "bat"]


def export_folder(kind: Kind, folder: str | os.PathLike, file: str | os.PathLike) -> str:
    """Writes the official file of a saved model, whole or not at all; `torch.load(file, weights_only=True)` reads it.

    Args:
        kind: "spatial_ast" or "dspast": {"model": weights} of an encoder with heads. "bat": the trained parts of a BAT,
            projector and LoRA, without a root.
        folder: of the encoder; or of a `SpatialLLM`, whose encoder and heads, or trained parts, are taken.
        file: where to write, usually *.pth for encoders and model.pt for BAT; replaced if it exists.

    Returns:
        What was written, and what a reader must know that the file does not hold, in words.

    Raises:
        CheckpointError: the folder holds another kind of model, or an encoder without heads; or the official layout cannot
            express it (see `export_encoder` and `export_bat`).
        OutputError: the file cannot be written.
    """
    check_place(file)
    folder = Path(find_model(folder))
    if kind == "bat":
        state, words = _bat(folder)
    else:
        state, words = _encoder(kind, folder)
    with atomic_path(file) as temporary:
        torch.save(state if kind == "bat" else {"model": state}, temporary)
    return f"{os.fspath(file)}: {len(state)} tensors under the names of the official {kind}. {words}"


def _encoder(kind: Kind, folder: Path) -> tuple[dict[str, torch.Tensor], str]:
    if not exists(folder / CONFIG):
        raise CheckpointError(f"{folder}: no {CONFIG} in this folder; give the folder of an encoder or of a SpatialLLM.")
    settings = read_json(folder / CONFIG)
    composite = settings.get("model_type") == SpatialLLMConfig.model_type
    found = (settings.get("encoder_config") or {}) if composite else settings
    if found.get("model_type") != kind:
        raise CheckpointError(f"{folder}: its encoder is of type {found.get('model_type')}, not {kind}.")
    config = (
        SpatialLLMConfig.from_pretrained(folder).encoder_config
        if composite
        else ENCODERS[kind].config.from_pretrained(folder)
    )
    # Before weights of gigabytes are read.
    check_expressible(config, str(folder))
    if settings.get("architectures") == [ENCODERS[kind].model.__name__] or (composite and not exists(folder / HEADS)):
        raise CheckpointError(
            f"{folder}: its encoder has no heads with it, and the official file has heads; export the folder that its "
            "training wrote."
        )
    if composite:
        joined = SpatialLLM.from_pretrained(folder)
        model = joined.heads.joined_with(joined.model.encoder)
    else:
        model = ENCODERS[kind].with_heads.from_pretrained(folder)
    sizes = other_sizes(config)
    built = (
        f"Build the official code with {sizes}: no file shows all of them." if sizes else "All sizes are the published ones."
    )
    return export_encoder(model), f"{built} Optimizer and arguments of a training run are not in it."


def _bat(folder: Path) -> tuple[dict[str, torch.Tensor], str]:
    check_folder(folder)
    config = SpatialLLMConfig.from_pretrained(folder)
    check_bat(config, str(folder))  # before weights of gigabytes are read
    state, sizes = export_bat(SpatialLLMForConditionalGeneration.from_pretrained(folder)), other_sizes(config.encoder_config)
    return state, (
        f"It holds the projector and LoRA; give its reader the encoder ({config.encoder_config.model_type}"
        f"{', ' + sizes if sizes else ''}), the language model ({config.text_config.model_type}, hidden_size "
        f"{config.get_text_config().hidden_size}) and LoRA's alpha ({config.lora['alpha']:g}), which are not in it."
    )
