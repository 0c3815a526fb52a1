"""Adds LoRA (Hu et al., arXiv 2106.09685) inside the language model, with peft.

The adapters are modules of the composite itself, described by `config.lora`: building a model from the config builds them,
so an ordinary `from_pretrained` finds a place for every tensor. (Adapters added from outside, by `model.add_adapter`, are
saved without the projector.) They are injected into `language_model` alone, so `q_proj` in the encoder or the Q-Former is
never adapted. The defaults are BAT's: rank 8, alpha 32, dropout 0.05 on q_proj and v_proj (its released training script).
"""

import contextlib
import math
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init

from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.configuration_spatial_llm import LORA_DEFAULTS
from spatial_llm.model.mono_base import text_model
from spatial_llm.model.time_rows import check_plain_head, time_rows

if TYPE_CHECKING:
    from peft.tuners.lora import LoraLayer


def inject_lora(language_model: nn.Module, lora: dict[str, Any]) -> None:
    """Puts LoRA layers into `language_model`, in place, or into the text model inside a mono base; everything else in that
    model stops requiring gradients.

    Raises:
        SpatialLLMError: no module has one of the names in `target_modules`; or one is the head, which has rows of time
            tokens.
    """
    from peft import LoraConfig, inject_adapter_in_model

    language_model = text_model(language_model)
    targets = list(lora["target_modules"])
    names = {name.rsplit(".", 1)[-1] for name, _ in language_model.named_modules()}
    missing = sorted(set(targets) - names)
    if missing:
        raise SpatialLLMError(
            f"LoRA target_modules {missing} are not in {type(language_model).__name__}; it has "
            f"{sorted(name for name in names if 'proj' in name or name.startswith('c_'))}: name linear layers it has."
        )
    if time_rows(language_model) is not None:
        check_plain_head(language_model, targets)
    inject_adapter_in_model(
        LoraConfig(r=lora["rank"], lora_alpha=lora["alpha"], lora_dropout=lora["dropout"], target_modules=targets),
        language_model,
    )


def add_lora(
    model: PreTrainedModel,
    rank: int = LORA_DEFAULTS["rank"],
    alpha: int = LORA_DEFAULTS["alpha"],
    dropout: float = LORA_DEFAULTS["dropout"],
    target_modules: Sequence[str] = tuple(LORA_DEFAULTS["target_modules"]),
) -> None:
    """Adds LoRA to the language model of a `SpatialLLMForConditionalGeneration` and records it in the config.

    The update starts at zero (B = 0), so the model answers as before until it is trained; its base is frozen.

    Raises:
        SpatialLLMError: the model has LoRA already, or lacks one of `target_modules`.
    """
    if model.config.lora is not None:
        raise SpatialLLMError(f"the model already has LoRA ({model.config.lora}); it takes one set of adapters.")
    lora = {"rank": rank, "alpha": alpha, "dropout": dropout, "target_modules": list(target_modules)}
    inject_lora(model.language_model, lora)
    model.config.lora = lora
    model.freeze()  # peft has frozen everything but LoRA, the modules of a fusion too


def lora_layers(language_model: nn.Module) -> "dict[str, LoraLayer]":
    """Returns the layers of `language_model` that carry LoRA, by name."""
    if "peft" not in sys.modules:  # then nothing carries LoRA, and this saves an import of half a second
        return {}
    from peft.tuners.lora import LoraLayer

    return {name: module for name, module in language_model.named_modules() if isinstance(module, LoraLayer)}


@torch.no_grad()
def merge_lora(model: PreTrainedModel) -> None:
    """Adds LoRA to the weights it adapts and removes its layers, in place; `config.lora` is None afterwards.

    Raises:
        SpatialLLMError: the model has no LoRA, its layers do not fit `config.lora`, a weight is quantised, or the sum is not
            finite. Nothing is changed then.
    """
    layers = lora_layers(model.language_model)
    if not layers:
        raise SpatialLLMError("the model has no LoRA to merge (config.lora is None); it can be saved as it is.")
    check_lora(model)
    for name, layer in layers.items():
        _summed(name, layer)
    for name, layer in layers.items():
        layer.merge()
        parent, _, child = name.rpartition(".")
        setattr(model.language_model.get_submodule(parent), child, layer.get_base_layer())
    model.config.lora = None
    # As after loading a model without LoRA in its config, weights that LoRA had frozen may train.
    for parameter in model.language_model.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
    model.freeze()
    for part in (model, model.language_model, text_model(model.language_model)):
        part.__dict__.pop("peft_config", None)


@contextlib.contextmanager
def lora_merged(model: PreTrainedModel) -> Iterator[None]:
    """Inside this context, LoRA is added to the weights that it adapts and its layers are bypassed, so that the language
    model runs as fast as without LoRA. Use it for answering, not for training or saving.

    Afterwards everything is as before, bit for bit: the original weights are restored, not computed from the sums. Inside,
    the sums take as much memory as the weights that LoRA adapts. A model without LoRA is unchanged.

    Raises:
        SpatialLLMError: see `merge_lora`. Nothing is changed then.
    """
    layers = lora_layers(model.language_model)
    if layers:
        check_lora(model)
    with torch.no_grad():
        sums = {name: _summed(name, layer) for name, layer in layers.items()}
    weights = {name: layer.get_base_layer().weight for name, layer in layers.items()}
    try:
        for name, layer in layers.items():
            base = layer.get_base_layer()
            base.weight = nn.Parameter(sums[name], requires_grad=False)
            model.language_model.set_submodule(name, base)
        yield
    finally:
        for name, layer in layers.items():
            layer.get_base_layer().weight = weights[name]
            model.language_model.set_submodule(name, layer)


@contextlib.contextmanager
def lora_off(language_model: nn.Module, lora: dict[str, Any] | None) -> Iterator[None]:
    """Inside this context the layers that carry LoRA compute without it.

    Args:
        language_model: with LoRA or without.
        lora: its settings in the config, None for none.

    Raises:
        SpatialLLMError: LoRA is in the weights at the moment, so that nothing can be computed without it.
    """
    layers = list(lora_layers(language_model).values())
    if (lora is not None and not layers) or any(layer.merged for layer in layers):
        raise SpatialLLMError(
            "LoRA is merged into the weights, so the base model without the plug-in is not there: leave lora_merged() first."
        )
    before = [layer._disable_adapters for layer in layers]
    try:
        for layer in layers:
            # peft's own enable_adapters would also decide what trains.
            layer._disable_adapters = True
        yield
    finally:
        for layer, off in zip(layers, before, strict=True):
            layer._disable_adapters = off


def _summed(name: str, layer: "LoraLayer") -> torch.Tensor:
    """Returns the sum of the weight that a layer adapts and of LoRA's update. Raises SpatialLLMError if it cannot be
    computed."""
    weight = layer.get_base_layer().weight
    if weight.is_meta:
        raise SpatialLLMError(
            f"language_model.{name} is offloaded (its weight is not in memory), so LoRA cannot be added to it: load the "
            "model on devices that hold all of it."
        )
    if not weight.is_floating_point():
        raise SpatialLLMError(
            f"language_model.{name} is quantised ({weight.dtype}), so LoRA cannot be added to it without loss: load the "
            "model without quantization_config, merge, and quantise the merged folder."
        )
    summed = weight + layer.get_delta_weight("default").to(weight.dtype)
    if not torch.isfinite(summed).all():
        raise SpatialLLMError(f"language_model.{name} with LoRA added is not finite in {weight.dtype}: merge in float32.")
    return summed


def check_lora(model: PreTrainedModel) -> None:
    """Raises SpatialLLMError unless the LoRA layers are those that `config.lora` describes, and are not merged.

    A saved model is rebuilt from its config, so a difference would change its answers: merged LoRA would be added a second
    time.
    """
    layers, lora = lora_layers(model.language_model), model.config.lora
    do = "use model.merge_and_unload(), or add_lora to add adapters"
    if lora is None:
        if layers:
            raise SpatialLLMError(f"language_model.{next(iter(layers))} carries LoRA, but config.lora is None: {do}.")
        return
    if not layers:
        raise SpatialLLMError(
            f"config.lora is {lora}, but no layer of the language model carries LoRA, as after a merge by hand: {do}; or "
            "set config.lora to None if the adapters are in the weights already."
        )
    found = sorted({name.rsplit(".", 1)[-1] for name in layers})
    if found != sorted(set(lora["target_modules"])):
        raise SpatialLLMError(f"LoRA lies on {found}, but config.lora names {sorted(lora['target_modules'])}: {do}.")
    for name, layer in layers.items():
        if layer.merged:
            raise SpatialLLMError(
                f"LoRA of language_model.{name} is merged into its weight and still beside it, so it would be added twice "
                "once loaded: use model.merge_and_unload(), which takes it away, or unmerge() the layer first."
            )
        if list(layer.lora_A) != ["default"]:
            raise SpatialLLMError(
                f"language_model.{name} carries the adapters {list(layer.lora_A)}, expected one, 'default'."
            )
        if (rank := layer.r["default"]) != lora["rank"] or abs(layer.scaling["default"] - lora["alpha"] / rank) > 1e-6:
            raise SpatialLLMError(
                f"LoRA of language_model.{name} has rank {rank} and scale {layer.scaling['default']}, but config.lora says "
                f"rank {lora['rank']}, alpha {lora['alpha']} (scale {lora['alpha'] / lora['rank']}): change both or none."
            )


@torch.no_grad()
def init_lora(language_model: nn.Module) -> None:
    """Initialises LoRA weights as peft does: A uniform (Kaiming, a = sqrt 5), B zero. Loaded tensors keep their values."""
    for layer in lora_layers(language_model).values():
        for down in layer.lora_A.values():
            init.kaiming_uniform_(down.weight, a=math.sqrt(5))
        for up in layer.lora_B.values():
            init.zeros_(up.weight)
