"""Builds the composite for fine-tuning: a trained encoder, a language model, and a fresh or trained projector and LoRA."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoProcessor,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedConfig,
    PreTrainedModel,
)

from spatial_llm.encoders.folder_files import in_words
from spatial_llm.encoders.frame_head import FRAME_HEAD, FrameHead
from spatial_llm.encoders.kinds import ENCODERS
from spatial_llm.encoders.readout import HEADS, EncoderHeads, has_heads
from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.fusion import read_fusion
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration, SpatialLLMProcessor, add_lora
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.model.mono_base import language_model_class, mono_base_of
from spatial_llm.model.storage import load_tensors, read_tensors
from spatial_llm.model.taught_file import read_taught
from spatial_llm.model.time_rows import TimeTokenRows, start_time_rows
from spatial_llm.model.trained_parts import added_modules, kind, trained_keys
from spatial_llm.projectors.settings import projector_config
from spatial_llm.shipped import find_model
from spatial_llm.training.engine.base_models import load_base
from spatial_llm.training.engine.launching import device
from spatial_llm.training.engine.trainable import freeze
from spatial_llm.training.finetune.arguments import BatArguments

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def build_bat(arguments: BatArguments) -> tuple[PreTrainedModel, SpatialLLMProcessor]:
    """Builds the composite and its processor. Only projector, fusion and LoRA require gradients; they are float32 in any
    precision.

    Raises:
        SpatialLLMError: 4-bit is configured and bitsandbytes is not installed.
        CheckpointError: `start_from` is not a model of the same parts.
    """
    if arguments.goes_on_whole:
        return build_whole(arguments)
    encoder = load_base(AutoModel, arguments.encoder, "encoder", dtype=torch.float32)
    language_model = freeze(load_language_model(arguments))
    # A base that hears by itself has a processor, of which its tokenizer is a part.
    reader = AutoTokenizer if mono_base_of(language_model.config) is None else AutoProcessor
    tokenizer = load_base(reader, arguments.language_model, f"{reader.__name__[4:].lower()} of the language_model")
    text_size = language_model.get_input_embeddings().embedding_dim
    fusion = read_fusion(arguments.fusion)
    layout = fusion.projector_layout(encoder.config.token_layout)
    widths = {"encoder_hidden_size": layout.width, "text_hidden_size": fusion.audio_width(text_size)}
    model = SpatialLLMForConditionalGeneration.from_parts(
        encoder=encoder,
        language_model=language_model,
        projector=AutoModel.from_config(projector_config(arguments.projector, layout, **widths)),
        fusion=arguments.fusion,
        time_tokens=arguments.time_settings,
    )
    if arguments.lora is not None:
        add_lora(model, **vars(arguments.lora))
    set_trained(model, arguments.trains)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    processor = SpatialLLMProcessor.for_model(model, tokenizer)
    if processor.times is not None:
        start_time_rows(model.language_model, processor.times, processor.characters, arguments.seed)
    if arguments.start_from is not None:
        start = find_model(arguments.start_from)
        load_trained(model, Path(start))
        processor.taught = read_taught(start)
    return model, processor


def build_whole(arguments: BatArguments) -> tuple[PreTrainedModel, SpatialLLMProcessor]:
    """Loads all parts from `start_from`; a frozen language model has the precision of the run, all else is float32.

    Raises:
        CheckpointError: there is no such model.
    """
    start = SpatialLLM.from_pretrained(arguments.start_from, dtype=torch.float32)
    model = start.model
    freeze_language_model(model, language_model_dtype(arguments))
    set_trained(model, arguments.trains)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    return model, start.processor


def load_heads(arguments: BatArguments, config: PreTrainedConfig) -> EncoderHeads | None:
    """Returns the heads that belong to the encoder of the run, to be saved with the model; None if it has none, or trains.

    Args:
        arguments: of the run.
        config: config of the encoder.
    """
    if arguments.trains == "all" or not has_heads(config) or config.event_labels is None:
        return None
    if arguments.encoder is None:
        folder = Path(find_model(arguments.start_from))
        return EncoderHeads.from_pretrained(folder, config) if (folder / HEADS).is_file() else None
    kind = ENCODERS[config.model_type]
    saved = AutoConfig.from_pretrained(arguments.encoder).architectures or []
    if kind.with_heads.__name__ not in saved:
        return None
    return EncoderHeads(kind.with_heads.from_pretrained(arguments.encoder))


def load_frame_head(arguments: BatArguments, encoder: PreTrainedModel) -> FrameHead | None:
    """Returns the frame head that stands beside the encoder of the run; None if there is none, or the encoder trains.

    Raises:
        CheckpointError: it is the head of another encoder.
    """
    folder = Path(arguments.encoder or find_model(arguments.start_from))
    if arguments.trains == "all" or not (folder / FRAME_HEAD).is_file():
        return None
    return FrameHead.from_pretrained(folder, encoder.config, fingerprint(encoder))


def set_trained(model: PreTrainedModel, trains: str) -> None:
    """Switches gradients on or off so that what `BatArguments.trains` names trains, given a model of which the projector,
    the modules of the fusion and LoRA do.

    Raises:
        SpatialLLMError: weights of a language model that hears by itself are to train; or an encoder is, behind a
            projector through which it would learn nothing of the answers.
    """
    if trains == "all" and not model.projector.config.passes_gradients:
        raise SpatialLLMError(
            f"trains is all with a {model.projector.config.model_type}: codes let no gradient of the answers through, so "
            "that the encoder would learn to be quantised and nothing else. Train it before (recipes/train_encoder.py), and "
            "set trains to adapters or language_model."
        )
    if model.mono_base is not None and trains in ("language_model", "all"):
        raise SpatialLLMError(
            f"trains is {trains}, and the language model ({model.config.text_config.model_type}) hears by itself: it stays "
            "frozen, so that without spatial tokens it answers as before; set trains to adapters or projector."
        )
    model.config.freeze_encoder = trains != "all"
    model.encoder.requires_grad_(trains == "all")
    if trains == "projector":
        with_lora = ("LoRA", TimeTokenRows.__name__)
        for part in model.trained_parts().values():
            if kind(part) in with_lora and part is not model.projector and part is not model.fusion_modules:
                part.requires_grad_(False)
    elif trains != "adapters":
        model.language_model.requires_grad_(True)


def freeze_language_model(model: PreTrainedModel, dtype: torch.dtype) -> None:
    """Freezes the language model of a composite and converts it to `dtype`, but for what was added inside it to train."""
    model.language_model.requires_grad_(False)
    ours = trained_keys(model)
    for name, parameter in model.named_parameters():
        if name in ours:
            parameter.requires_grad_(True)
        elif name.startswith("language_model."):
            parameter.data = parameter.data.to(dtype)


def language_model_dtype(arguments: BatArguments) -> torch.dtype:
    """Returns the number type of the language model's own weights: the run's precision, or float32 where they train."""
    return torch.float32 if arguments.trains in ("language_model", "all") else DTYPES[arguments.schedule.precision]


def load_language_model(arguments: BatArguments) -> PreTrainedModel:
    """Loads the language model as `language_model_dtype` says, or in 4 bits (QLoRA, arXiv 2305.14314, section 3)."""
    dtype = language_model_dtype(arguments)
    options: dict[str, Any] = {}
    if arguments.quantization == "4bit":
        if importlib.util.find_spec("bitsandbytes") is None:
            raise SpatialLLMError(
                "quantization is 4bit and bitsandbytes is not installed: pip install 'spatial-llm[4bit]', or take none."
            )
        options["quantization_config"] = quantization_config(dtype)
        options["device_map"] = {"": device()}
    auto_class = language_model_class(load_base(AutoConfig, arguments.language_model, "language_model"))
    return load_base(auto_class, arguments.language_model, "language_model", dtype=dtype, **options)


def quantization_config(dtype: torch.dtype) -> BitsAndBytesConfig:
    """Returns the settings of QLoRA: NF4 with double quantisation; matrix products are computed in `dtype`."""
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def load_trained(model: PreTrainedModel, folder: Path) -> None:
    """Copies what a saved model trained (projector, LoRA), in either form, into `model`.

    Rows of time tokens stay as they were initialised if the saved model has none.

    Raises:
        CheckpointError: there is no model in the folder, or it has other parts.
    """
    expected = trained_keys(model)
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"start_from {folder}: no *.safetensors there; give the folder `model` of a finished run.")
    with torch.device("meta"), in_words(f"start_from {folder}"):
        config = type(model).config_class.from_pretrained(folder)
        theirs = trained_keys(type(model)(config))
    if config.time_tokens is None:
        rows = [name for name, part in added_modules(model.language_model).items() if isinstance(part, TimeTokenRows)]
        expected = {key for key in expected if not key.startswith(tuple(f"language_model.{name}." for name in rows))}
    tensors = {key: tensor for file in files for key, tensor in read_tensors(file).items() if key in theirs}
    load_tensors(model, tensors, expected, f"start_from {folder}")
