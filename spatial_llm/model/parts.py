"""Takes a saved model apart: encoder and language model as folders of their own, from which other models are built."""

import copy
from pathlib import Path

import torch
from transformers import PreTrainedModel

from spatial_llm.encoders.seal import SEAL
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import atomic_path, check_place
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.model.mono_base import language_model_class
from spatial_llm.model.pipeline import SpatialLLM
from spatial_llm.model.trained_parts import base_state


def language_model_of(model: SpatialLLM, merged: bool) -> PreTrainedModel:
    """Returns the language model of a model as one of its own, with LoRA in its weights (`merged`) or without it.

    Raises:
        SpatialLLMError: LoRA is to be merged and there is none, or there are time tokens, which a language model alone
            cannot have.
    """
    net = model.model
    if merged and net.config.time_tokens is not None:
        raise SpatialLLMError(
            "the model writes times in tokens of their own, whose rows are no part of the language model's vocabulary, so "
            "the language model alone could not answer as the whole does: leave out merged, or save the whole model after "
            "merge_and_unload()."
        )
    if merged:
        net = copy.deepcopy(net).merge_and_unload()
    with torch.device("meta"):
        language_model = language_model_class(net.config.text_config).from_config(net.config.text_config)
    language_model.load_state_dict(base_state(net.language_model), assign=True)
    language_model.generation_config = copy.deepcopy(net.generation_config)
    return language_model


def save_parts(model: SpatialLLM, folder: str | Path, merged: bool = False) -> None:
    """Writes `encoder` (with its feature extractor, and its heads and its frame head if the model has them) and
    `language_model` (with its tokenizer, or its processor if it is a mono base) to `folder`.

    Args:
        model: a loaded model; it is not changed.
        folder: where to write; new, or written so before, then it is replaced.
        merged: adds LoRA to the weights of the language model. Without it, the language model is the one that LoRA was
            trained on.

    Raises:
        SpatialLLMError: the folder cannot be written, or LoRA is to be merged and there is none, or there are time tokens,
            which a language model alone cannot have.
    """
    check_place(folder, folder=True, replaces=f"encoder/{SEAL}")
    net, language_model = model.model, language_model_of(model, merged)
    with atomic_path(folder) as temporary:
        encoder = net.encoder if model.heads is None else model.heads.joined_with(net.encoder)
        encoder.save_pretrained(temporary / "encoder")
        if model.frame_head is not None:
            model.frame_head.save_pretrained(temporary / "encoder", fingerprint(net.encoder))
        model.processor.feature_extractor.save_pretrained(temporary / "encoder")
        language_model.save_pretrained(temporary / "language_model")
        mono = model.processor.mono_inputs
        read = model.processor.tokenizer if mono is None else mono.processor
        read.save_pretrained(temporary / "language_model")
