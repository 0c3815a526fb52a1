"""Measures a training step on this machine: tokens a second and peak memory, beside the estimate of `profiling.memory`.

The weights are random, because neither speed nor memory depends on them. They are made on the device in the precision in
which they are kept, so that a 7B model is never whole in float32, nor on the CPU. A step is that of `trainer`: batch to the
device, forward and backward under autocast, gradient clipping, fused AdamW.
"""

import copy
import gc
import importlib.metadata
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import nn
from transformers import PreTrainedModel

from spatial_llm.model import SpatialLLMConfig, SpatialLLMForConditionalGeneration, add_lora
from spatial_llm.profiling.memory import CONTEXT_BYTES, PeakBytes, estimates, on_meta, quantised_layers
from spatial_llm.training.engine.trainable import offloaded
from spatial_llm.training.finetune.build import DTYPES, freeze_language_model, quantization_config

WARM_UP_STEPS = 2  # the first allocates gradients and moments, the second reuses the allocator's blocks


@dataclass(frozen=True)
class Case:
    """One way to train.

    Attributes:
        quantization: of the language model's linear layers.
        encoder_cache: batches hold the encoder's output, and the encoder is not on the device.
        activation_checkpointing: as in `Schedule`.
        batch_size: number of rows.
        text_tokens: tokens of a row in addition to its audio tokens.
        precision: as in `Schedule`.
    """

    quantization: Literal["none", "4bit"]
    encoder_cache: bool
    activation_checkpointing: bool
    batch_size: int
    text_tokens: int
    precision: Literal["fp32", "bf16"]


def measure(config: SpatialLLMConfig, case: Case, device: torch.device, steps: int) -> dict[str, Any]:
    """Returns the case, its speed and memory, and the plan's estimate of the memory, as JSON values.

    `peak_bytes` is the allocator's own count on a GPU (`torch.cuda.max_memory_allocated`). A CPU has none; there it is the
    bytes of the weights and of all tensors that a step made and kept. Both leave out what CUDA itself takes, and so does
    `planned_bytes`. Where the memory does not suffice, speed and peak are None.
    """
    planned = estimates(
        on_meta(config, DTYPES[case.precision]), case.batch_size, case.text_tokens, case.activation_checkpointing,
        case.encoder_cache,
    )  # fmt: skip
    (mode,) = [mode for mode in planned if mode.quantization == case.quantization]
    row = {**asdict(case), "audio_tokens": config.num_audio_tokens, "planned_bytes": round(mode.total - CONTEXT_BYTES)}
    try:
        peak, seconds = _run(config, case, device, steps)
    except torch.OutOfMemoryError:
        return row | dict.fromkeys(("peak_bytes", "step_s", "tokens_per_s", "questions_per_s"))
    finally:
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    tokens = case.batch_size * (config.num_audio_tokens + case.text_tokens)
    speed = {"step_s": seconds, "tokens_per_s": tokens / seconds, "questions_per_s": case.batch_size / seconds}
    return row | {"peak_bytes": peak} | speed


def _run(config: SpatialLLMConfig, case: Case, device: torch.device, steps: int) -> tuple[int, float]:
    """Returns the peak bytes and the median seconds of a step."""
    model = build_random(config, case, device)
    with offloaded(model, ["encoder"] if case.encoder_cache else []):
        step = training_step(model, _batch(config, case), case, device)
        if device.type == "cuda":
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            seconds = _seconds(step, steps)
            return torch.cuda.max_memory_allocated(), seconds
        with PeakBytes() as counted:
            for _ in range(WARM_UP_STEPS):
                step()
        weights = sum(tensor.numel() * tensor.element_size() for tensor in [*model.parameters(), *model.buffers()])
        return weights + counted.peak, _seconds(step, steps)


def _seconds(step: Callable[[], None], steps: int) -> float:
    def ready() -> float:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        return time.perf_counter()

    for _ in range(WARM_UP_STEPS):
        step()
    times = []
    for _ in range(steps):
        start = ready()
        step()
        times.append(ready() - start)
    return statistics.median(times)


def build_random(config: SpatialLLMConfig, case: Case, device: torch.device) -> PreTrainedModel:
    """Builds the composite as `build_bat` does, with random weights, on `device`."""
    bare = copy.deepcopy(config)
    bare.lora = None
    with torch.device("meta"):
        model = SpatialLLMForConditionalGeneration(bare)
    freeze_language_model(model, DTYPES[case.precision])
    model.to_empty(device=device)
    for module in model.modules():
        module._is_hf_initialized = False  # it was, on "meta"
    model.initialize_weights()
    model.tie_weights()
    if case.quantization == "4bit":
        quantise(model, DTYPES[case.precision], device)
    if config.lora is not None:
        add_lora(model, **config.lora)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if case.activation_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    return model.train()


def quantise(model: PreTrainedModel, dtype: torch.dtype, device: torch.device) -> None:
    """Converts the language model's linear layers to 4 bits one after the other, as loading them in 4 bits does."""
    import bitsandbytes

    settings = quantization_config(dtype)
    form = {"compress_statistics": settings.bnb_4bit_use_double_quant, "quant_type": settings.bnb_4bit_quant_type}
    for name, layer in quantised_layers(model).items():
        with torch.device("meta"):
            small = bitsandbytes.nn.Linear4bit(
                layer.in_features, layer.out_features, bias=False, compute_dtype=settings.bnb_4bit_compute_dtype, **form
            )
        small.bias = layer.bias
        small.weight = bitsandbytes.nn.Params4bit(layer.weight.data, requires_grad=False, module=small, **form).to(device)
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, small)
    model.language_model.is_loaded_in_4bit = True  # by this peft knows which adapters to put


def _batch(config: SpatialLLMConfig, case: Case) -> dict[str, torch.Tensor]:
    """Returns random rows of one length on the CPU: audio tokens, then text, all of it supervised."""
    rows, encoder = case.batch_size, config.encoder_config
    text = torch.randint(0, config.text_config.vocab_size, (rows, case.text_tokens))
    text[text == config.audio_token_id] = 0
    audio = torch.full((rows, config.num_audio_tokens), config.audio_token_id)
    batch = {"input_ids": torch.cat([audio, text], dim=1), "labels": torch.cat([torch.full_like(audio, -100), text], dim=1)}
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    if case.encoder_cache:
        batch["audio_hidden_states"] = torch.randn(rows, encoder.token_layout.num_tokens, encoder.hidden_size).bfloat16()
    else:
        batch["input_features"] = torch.randn(rows, *encoder.input_shape)
    return batch


def training_step(model: nn.Module, batch: dict[str, torch.Tensor], case: Case, device: torch.device) -> Callable[[], None]:
    """Returns a function that makes one step of training."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
    if device.type == "cuda":
        batch = {name: tensor.pin_memory() for name, tensor in batch.items()}

    def step() -> None:
        there = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=case.precision == "bf16"):
            loss = model(**there).loss
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def bitsandbytes_version() -> str | None:
    """Returns the version of bitsandbytes, or None where it is not installed."""
    try:
        return importlib.metadata.version("bitsandbytes")
    except importlib.metadata.PackageNotFoundError:
        return None
