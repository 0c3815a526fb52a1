"""Writes the language model of a saved model with LoRA in its weights, for engines that serve language models.

Such an engine knows no encoder. It takes the embeddings of a whole prompt, with the audio in place, which are computed here
(`Heard.prompt_embeds`): then recordings keep their channels, whatever the engine does with audio itself.
"""

import os
from pathlib import Path

from spatial_llm.errors import CheckpointError
from spatial_llm.files import atomic_path, check_place
from spatial_llm.model import SpatialLLM, SpatialLLMConfig
from spatial_llm.model.finding import check_folder
from spatial_llm.model.parts import language_model_of
from spatial_llm.shipped import find_model


def export_merged(folder: str | os.PathLike, out: str | os.PathLike) -> str:
    """Writes language model and tokenizer of a saved model to a folder, whole or not at all, as transformers reads them.

    Args:
        folder: of a `SpatialLLM`, or the name of one.
        out: where to write; new, or empty.

    Returns:
        What was written, in words.

    Raises:
        CheckpointError: the audio of this model is not part of its prompt alone: its fusion works inside the language model,
            or the language model hears by itself; or it has time tokens.
        OutputError: the folder cannot be written.
    """
    check_place(out, folder=True, replaces="")
    folder = Path(find_model(folder))
    check_folder(folder)
    config = SpatialLLMConfig.from_pretrained(folder)  # before weights of gigabytes are read
    if config.joined_by.deep or config.mono is not None:
        why = "its language model hears by itself" if config.mono is not None else f"its fusion is {config.joined_by.name}"
        raise CheckpointError(
            f"{folder}: {why}, so that no plain language model with prompt embeddings answers as it does; serve it with "
            "spatial-llm serve, or export one whose fusion is prefix."
        )
    if config.time_tokens is not None:
        raise CheckpointError(
            f"{folder}: it writes times in tokens of their own, behind the vocabulary of its language model; a plain "
            "language model does not have them: serve it with spatial-llm serve."
        )
    model = SpatialLLM.from_pretrained(folder)
    language_model = language_model_of(model, merged=config.lora is not None)
    # The placeholder of audio would need a recording that is not there.
    language_model.generation_config.suppress_tokens = model.suppressed_token_ids
    with atomic_path(out) as temporary:
        language_model.save_pretrained(temporary)
        model.processor.tokenizer.save_pretrained(temporary)
    lora = "LoRA is in its weights" if config.lora is not None else "there was no LoRA to merge"
    return (
        f"{os.fspath(out)}: the language model ({config.text_config.model_type}) with its tokenizer; {lora}. It takes "
        "prompt embeddings, which Heard.prompt_embeds of this model computes (docs/serving.md)."
    )
