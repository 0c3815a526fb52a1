"""Estimates how much GPU memory a run takes, in each of its modes, without loading a weight.

The model is built on torch's "meta" device, where tensors have shapes and no bytes. One training step runs there, forward
and backward, while the bytes of every live tensor are counted. The numbers are upper estimates: attention is counted with
its whole matrix of weights, which flash kernels do not store, and tensors of the projector that autocast would make bf16 are
counted as float32.
"""

import functools
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import nn
from torch.fx.experimental import _config as fx_config
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoConfig, LlamaConfig, PreTrainedConfig, PreTrainedModel, Qwen2AudioConfig, Qwen2Config

from spatial_llm.encoders import SpatialASTConfig
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import file_stamp
from spatial_llm.fusion import read_fusion
from spatial_llm.model import SpatialLLMConfig, SpatialLLMForConditionalGeneration
from spatial_llm.model.label_loss import label_loss
from spatial_llm.model.mono_base import mono_base_of, placeholder_beside
from spatial_llm.model.trained_parts import added_modules
from spatial_llm.projectors.settings import projector_config
from spatial_llm.shipped import find_model
from spatial_llm.training.finetune.arguments import BatArguments, Trains
from spatial_llm.training.finetune.build import DTYPES, freeze_language_model, set_trained

CONTEXT_BYTES = 800e6  # taken by CUDA and its libraries before any tensor; the order measured on common cards
OPTIMIZER_BYTES = 4 + 4 + 8  # for each trained parameter: itself, its gradient, AdamW's two moments, all float32
# NF4 with double quantisation (QLoRA, arXiv 2305.14314, section 3): 4 bits, and 0.127 for the scales of its blocks.
NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8


def _llama(hidden: int, intermediate: int, layers: int, heads: int, kv_heads: int, vocabulary: int) -> LlamaConfig:
    return LlamaConfig(
        hidden_size=hidden, intermediate_size=intermediate, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, head_dim=hidden // heads, vocab_size=vocabulary,
        tie_word_embeddings=vocabulary != 32_000,
    )  # fmt: skip


# Sizes of the language models of recipes/configs/language_models, for machines without access to the hub.
KNOWN = {
    "meta-llama/Llama-2-7b-hf": lambda: _llama(4096, 11008, 32, 32, 32, 32_000),
    "meta-llama/Llama-3.2-1B": lambda: _llama(2048, 8192, 16, 32, 8, 128_256),
    "meta-llama/Llama-3.2-3B": lambda: _llama(3072, 8192, 28, 24, 8, 128_256),
    "HuggingFaceTB/SmolLM2-360M": lambda: _llama(960, 2560, 32, 15, 5, 49_152),
    "HuggingFaceTB/SmolLM2-1.7B": lambda: _llama(2048, 8192, 24, 32, 32, 49_152),
    "Qwen/Qwen2.5-1.5B": lambda: Qwen2Config(
        hidden_size=1536, intermediate_size=8960, num_hidden_layers=28, num_attention_heads=12, num_key_value_heads=2,
        vocab_size=151_936, tie_word_embeddings=True,
    ),
    "Qwen/Qwen2-Audio-7B-Instruct": lambda: Qwen2AudioConfig(  # its audio encoder has the sizes of transformers' defaults
        text_config={
            "model_type": "qwen2", "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
            "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 156_032,
        },
        audio_token_index=151_646,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Mode:
    """Describes one way to run, and its bytes on one GPU.

    Attributes:
        weights: bytes of all parts, in the precision in which they are stored.
        training: bytes of gradients and optimiser state of what trains.
        step: most bytes alive at once in a step, beside those.
    """

    quantization: str
    activation_checkpointing: bool
    encoder_cache: bool
    weights: float
    training: float
    step: float

    @property
    def total(self) -> float:
        """Returns all bytes, including those that CUDA itself takes."""
        return self.weights + self.training + self.step + CONTEXT_BYTES


class PeakBytes(TorchDispatchMode):
    """Counts, while active, the bytes of all new tensors as long as they live; `peak` is the most at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(output):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage(), known=tree_leaves((args, kwargs)))
        return output

    def _count(self, storage: torch.UntypedStorage, known: list[Any]) -> None:
        key = storage._cdata
        if key in self._seen or any(isinstance(t, torch.Tensor) and t.untyped_storage()._cdata == key for t in known):
            return  # already counted, or a view of an earlier tensor
        size = self._seen[key] = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now -= self._seen.pop(key)


def plan(arguments: BatArguments, text_tokens: int = 128) -> list[Mode]:
    """Returns the modes of a run: as configured, and with 4 bits, activation checkpointing and encoder cache on and off.

    Of a run in stages it is the stage that trains most. Where the language model trains there is no mode in 4 bits, and
    where the encoder does none with its output from a cache.

    Args:
        text_tokens: tokens of prompt and answer in the longest row of a batch, beside the audio tokens.

    Raises:
        SpatialLLMError: the language model's config is not available.
    """
    modes, trains = [], most_trained(arguments)
    for checkpointing in (False, True):
        for cache in (False, True)[: 1 if trains == "all" else 2]:
            model = build_on_meta(arguments)
            found = estimates(model, arguments.schedule.batch_size, text_tokens, checkpointing, cache)
            modes += found if trains in ("projector", "adapters") else found[:1]
    return sorted(modes, key=lambda mode: -mode.total)


def most_trained(arguments: BatArguments) -> str:
    """Returns what trains in the run, or in the stage that trains most."""
    found = {stage.trains or arguments.trains for stage in arguments.stages} or {arguments.trains}
    return max(found, key=get_args(Trains).index)


def estimates(model: PreTrainedModel, batch_size: int, text_tokens: int, checkpointing: bool, cache: bool) -> list[Mode]:
    """Returns the mode of a model on "meta" in its own precision, and that in 4 bits.

    Args:
        checkpointing: activation checkpointing, which is switched on in `model`.
        cache: the encoder's output comes from the cache, and the encoder is not on the GPU.
    """
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    step = step_bytes(model.train(), batch_size, text_tokens, encode=not cache)
    modes = []
    for quantization in ("none", "4bit"):
        weights = weight_bytes(model, quantization, encode=not cache)
        modes.append(Mode(quantization, checkpointing, cache, *weights, step + _dequantised(model, quantization)))
    return modes


def build_on_meta(arguments: BatArguments) -> PreTrainedModel:
    """Returns the composite that `build_bat` would build, without its weights."""
    model = on_meta(_config(arguments), DTYPES[arguments.schedule.precision])
    # Weights of a language model that train stay in the run's precision here: so are the copies that autocast makes of them.
    set_trained(model, most_trained(arguments))
    return model


def _config(arguments: BatArguments) -> SpatialLLMConfig:
    if arguments.goes_on_whole:
        return SpatialLLMConfig.from_pretrained(find_model(arguments.start_from))
    text, fusion = language_model_config(arguments.language_model), read_fusion(arguments.fusion)
    if mono_base_of(text) is not None:
        raise SpatialLLMError(
            f"language_model {arguments.language_model} ({text.model_type}) hears recordings by itself, and the memory "
            "of that is not counted: there is no plan for it; try a few steps (schedule.steps) and read the peak."
        )
    encoder = encoder_config(arguments.encoder)
    return SpatialLLMConfig(
        encoder_config=encoder,
        projector_config=projector_config(
            arguments.projector,
            encoder_hidden_size=fusion.projector_layout(encoder.token_layout).width,
            text_hidden_size=fusion.audio_width(text.hidden_size),
        ),
        fusion=arguments.fusion,
        text_config=text,
        audio_token_id=placeholder_beside(text, arguments.time_settings),
        time_tokens=arguments.time_settings,
        lora=None if arguments.lora is None else vars(arguments.lora),
    )


def on_meta(config: SpatialLLMConfig, dtype: torch.dtype) -> PreTrainedModel:
    """Returns the composite of a config in its training precision, without its weights: the language model in `dtype`, the
    rest float32."""
    with torch.device("meta"):
        model = SpatialLLMForConditionalGeneration(config)
    model.to("meta")  # position tables are computed, not drawn, and are still on another device
    freeze_language_model(model, dtype)
    return model


def encoder_config(folder: str) -> PreTrainedConfig:
    """Returns the config of a saved encoder; if there is none yet, that of the full-size SpatialAST."""
    return AutoConfig.from_pretrained(folder) if Path(folder).is_dir() else SpatialASTConfig()


def language_model_config(name: str) -> PreTrainedConfig:
    """Returns the config from the folder or the hub, or from a table for the language models of our recipes."""
    file = Path(name) / "config.json"
    return _language_model_config(name, file_stamp(file) if file.is_file() else ())


@functools.lru_cache(maxsize=1)
def _language_model_config(name: str, _stamp: tuple) -> PreTrainedConfig:
    try:
        return AutoConfig.from_pretrained(name)
    except (OSError, ValueError) as error:
        if name in KNOWN:
            return KNOWN[name]()
        raise SpatialLLMError(
            f"language_model {name}: no config to be had ({str(error).splitlines()[0]}); give a folder with its "
            f"config.json, or one of {', '.join(KNOWN)}."
        ) from None


def weight_bytes(model: nn.Module, quantization: str, encode: bool = True) -> tuple[float, float]:
    """Returns the bytes of all weights, and of gradients and optimiser state of those that train; without those of the
    encoder if it does not run."""
    weights = training = 0.0
    quantised = {id(module.weight) for module in quantised_layers(model).values()} if quantization == "4bit" else set()
    tensors = [*model.named_parameters(), *model.named_buffers()]
    for parameter in (tensor for name, tensor in tensors if encode or not name.startswith("encoder.")):
        size = NF4_BYTES if id(parameter) in quantised else parameter.element_size()
        weights += parameter.numel() * (4 if parameter.requires_grad else size)
        if parameter.requires_grad:
            training += parameter.numel() * (OPTIMIZER_BYTES - 4)
    return weights, training


def quantised_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """Returns the layers that bitsandbytes stores in 4 bits: the language model's linear layers, without its head and added
    modules."""
    head, added = model.get_output_embeddings(), added_modules(model.language_model).values()
    spared = {head, *(module for part in added for module in part.modules())}
    return {
        f"language_model.{name}": module
        for name, module in model.language_model.named_modules()
        if isinstance(module, nn.Linear) and module not in spared
    }


def _dequantised(model: nn.Module, quantization: str) -> float:
    # The weights of one layer at a time are dequantised for its matrix product.
    if quantization == "none":
        return 0.0
    return max(layer.weight.numel() * layer.weight.element_size() for layer in quantised_layers(model).values())


def step_bytes(model: PreTrainedModel, batch_size: int, text_tokens: int, encode: bool) -> int:
    """Returns the most bytes alive at once in a forward and backward pass, beside the weights.

    Args:
        encode: run the encoder too; otherwise its output comes from the cache.
    """
    where = model.get_input_embeddings().weight.device
    config = model.config.encoder_config
    with PeakBytes() as counted:
        ids = torch.zeros(batch_size, model.config.num_audio_tokens + text_tokens, dtype=torch.long, device=where)
        features = (batch_size, *config.input_shape)
        # Fused CLAP asks which clips are long, which needs values: all of them, which is the most that can be.
        with torch.no_grad(), fx_config.patch(meta_nonzero_assume_all_nonzero=True):
            hidden = model.encoder(input_features=torch.zeros(features, device=where)).last_hidden_state if encode else None
        if hidden is None:
            hidden = torch.zeros(batch_size, config.token_layout.num_tokens, config.hidden_size, device=where)
        step = _fused if model.fusion.deep else _prefixed
        step(model, ids, hidden).backward()
    model.zero_grad()
    return counted.peak


def _prefixed(model: PreTrainedModel, ids: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Returns the loss of prompts (batch, audio + text tokens) with their audio, the encoder's output, in front."""
    audio = model.projector(hidden, layout=model.config.encoder_config.token_layout).last_hidden_state
    words = model.get_input_embeddings()(ids[:, audio.shape[1] :] % model.config.text_config.vocab_size)
    embeds = torch.cat([audio.to(words.dtype), words], dim=1)
    mask = _mask(embeds)
    return label_loss(model.language_model(inputs_embeds=embeds, attention_mask=mask, use_cache=False).logits, ids)


def _fused(model: PreTrainedModel, ids: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Returns the loss of the same prompts where a deep fusion joins them."""
    labels, ids = ids, ids.clone()
    ids[:, : model.config.num_audio_tokens] = model.config.audio_token_id
    joined, _ = model.join(ids, {"audio_hidden_states": hidden}, None, None, None, labels, None)
    joined.attention_mask, joined.position_ids = _mask(joined.inputs_embeds), None
    rows = joined.inputs_embeds.shape[1]
    outputs = model.language_model(**joined.arguments(), use_cache=False, logits_to_keep=rows)
    return label_loss(outputs.logits, joined.labels)


def _mask(embeds: torch.Tensor) -> torch.Tensor:
    # The mask of a padded batch is given, because computing it needs values, which meta tensors do not have.
    return torch.zeros(len(embeds), 1, embeds.shape[1], embeds.shape[1], dtype=embeds.dtype, device=embeds.device)


def format_plan(arguments: BatArguments, modes: list[Mode]) -> str:
    """Returns the modes as a table in which the configured one is marked."""
    chosen = (arguments.quantization, arguments.schedule.activation_checkpointing, arguments.encoder_cache)
    lines = [
        f"{arguments.language_model or arguments.start_from}, {arguments.schedule.precision}, batches of "
        f"{arguments.schedule.batch_size}: GB on one GPU",
        f"{'language model':<15} {'checkpointing':<14} {'encoder':<8} {'weights':>8} {'training':>9} {'step':>7} {'all':>7}",
    ]
    for mode in modes:
        row = (
            "NF4" if mode.quantization == "4bit" else arguments.schedule.precision,
            "yes" if mode.activation_checkpointing else "no",
            "cached" if mode.encoder_cache else "runs",
        )
        sizes = [f"{size / 1e9:.2f}" for size in (mode.weights, mode.training, mode.step, mode.total)]
        mark = "  <- this config" if (mode.quantization, mode.activation_checkpointing, mode.encoder_cache) == chosen else ""
        lines.append(f"{row[0]:<15} {row[1]:<14} {row[2]:<8} {sizes[0]:>8} {sizes[1]:>9} {sizes[2]:>7} {sizes[3]:>7}{mark}")
    return "\n".join(lines)
