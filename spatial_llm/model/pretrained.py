"""Builds, joins and freezes the parts of the composite, and saves them in two forms."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import AutoModel, PreTrainedModel

from spatial_llm.encoders.precision import within
from spatial_llm.encoders.pretrained import CheckedPreTrainedModel
from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.hooks import attach
from spatial_llm.fusion.outside import modules_outside
from spatial_llm.model import storage
from spatial_llm.model.adapters import check_lora, init_lora, inject_lora, merge_lora
from spatial_llm.model.configuration_spatial_llm import SpatialLLMConfig
from spatial_llm.model.mono_base import (
    attention_of,
    language_model_class,
    mono_base_of,
    placeholder_beside,
    prepare_base,
    text_model,
)
from spatial_llm.model.precision import spare_ours
from spatial_llm.model.time_rows import add_time_rows
from spatial_llm.model.trained_parts import LANGUAGE_MODEL, AddedModule, added_modules


class SpatialLLMPreTrainedModel(CheckedPreTrainedModel):
    """Joins a spatial encoder, a projector and a language model.

    Attributes:
        encoder: maps cues to `audio_hidden_states` (clips, tokens, encoder width).
        projector: maps these to `audio_embeds` (clips, audio tokens, text width).
        language_model: any causal language model, with its head, or a mono base; with `config.lora`, peft's adapters are
            inside, and with most fusions, modules of theirs.
        fusion_modules: what the fusion trains outside of the language model; None if it has nothing there.
        fusion: the fusion itself, a `spatial_llm.fusion.Fusion`.
        mono_base: the family of a language model that hears the recording by itself too; None for others.
    """

    config: SpatialLLMConfig
    config_class = SpatialLLMConfig
    base_model_prefix = "model"
    input_modalities = ("audio", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_attention_backend = True
    # The Q-Former has no flash attention; give {"text_config": "flash_attention_2"} to use it in the language model.
    _supports_flash_attn = False

    def __init__(self, config: SpatialLLMConfig) -> None:
        super().__init__(config)
        # The language model comes first: `dtype` and `device` of the whole are those of its first tensor.
        self.language_model = language_model_class(config.text_config).from_config(config.text_config)
        self.mono_base = mono_base_of(config.text_config)
        self.fusion = config.joined_by
        self.extend_language_model()
        self.projector = AutoModel.from_config(config.projector_config)
        self.fusion_modules = modules_outside(self.fusion, config)
        self.encoder = AutoModel.from_config(config.encoder_config)
        self.post_init()
        for names in ("_keep_in_fp32_modules", "_keep_in_fp32_modules_strict"):
            parts = self.named_children()
            setattr(
                self, names, {within(part, name) for part, module in parts for name in getattr(module, names, None) or ()}
            )
        self.freeze()

    def initialize_weights(self) -> None:
        super().initialize_weights()
        # Each part has initialised itself by its own rule, but the language model treats LoRA's layers as linear layers.
        self._init_added()

    def _init_added(self) -> None:
        init_lora(self.language_model)
        for module in self.modules():
            if isinstance(module, AddedModule):
                module.init_weights()

    def extend_language_model(self) -> None:
        """Adds to `language_model` the modules that the config describes, with fresh weights: LoRA if `config.lora` is
        set, rows of time tokens, and those of the fusion, with its hooks.

        Raises:
            SpatialLLMError: this class of language models cannot take the fusion or time tokens; see
                `mono_base.prepare_base`.
        """
        if self.mono_base is not None:
            prepare_base(self.language_model)
        if self.config.lora is not None:
            inject_lora(self.language_model, self.config.lora)
        if (times := self.config.times) is not None:
            add_time_rows(self.language_model, times.count)
        if self.fusion.deep:
            self.fusion.check_language_model(self.language_model)
            self.fusion.extend(self.language_model, self.config.projector_config.text_hidden_size)
            attach(self.language_model)

    def trained_parts(self) -> dict[str, nn.Module]:
        """Returns the modules to train, save and load, by name in the model: the projector, what the fusion has beside it,
        and what was added inside the language model (see `spatial_llm.model.trained_parts`)."""
        added = added_modules(self.language_model)
        beside = {} if self.fusion_modules is None else {"fusion_modules": self.fusion_modules}
        return {"projector": self.projector, **beside, **{f"{LANGUAGE_MODEL}.{name}": part for name, part in added.items()}}

    @classmethod
    def from_parts(
        cls,
        encoder: PreTrainedModel,
        language_model: PreTrainedModel,
        projector: PreTrainedModel | None = None,
        audio_token_id: int | None = None,
        lora: dict[str, Any] | None = None,
        fusion: dict[str, Any] | None = None,
        mono: str | None = None,
        time_tokens: dict[str, Any] | None = None,
    ) -> Self:
        """Joins trained parts; no weight of theirs is copied or changed, and the encoder is frozen.

        Args:
            encoder: an encoder, or one with heads, whose heads are left out.
            language_model: any causal language model, or a mono base (`mono_base.MONO_BASES`), which is frozen and hears the
                recording by itself too.
            projector: a projector between the widths of the two; default: a fresh Q-Former as in BAT.
            audio_token_id: placeholder id; default: the first id outside the language model's vocabulary and time tokens.
            lora: settings of fresh adapters for the language model, as `config.lora`; default: none.
            fusion: how audio enters the language model, as `config.fusion`; default: as a prefix.
            mono: how a mono base is fed, as `config.mono`; default: that of the encoder's format.
            time_tokens: as `config.time_tokens`, with fresh rows; default: none.

        Raises:
            SpatialLLMError: the projector's widths are not those of the encoder and the language model or fusion, or the
                language model cannot take the fusion, or is of a class that cannot be one.
        """
        encoder = encoder.base_model
        text_config = language_model.config
        attention = {"encoder_config": encoder.config._attn_implementation, "text_config": attention_of(text_config)}
        config = SpatialLLMConfig(
            encoder_config=encoder.config,
            projector_config=None if projector is None else projector.config,
            text_config=text_config,
            audio_token_id=placeholder_beside(text_config, time_tokens) if audio_token_id is None else audio_token_id,
            lora=lora,
            fusion=fusion,
            mono=mono,
            time_tokens=time_tokens,
        )
        with torch.device("meta"):
            model = cls(config)
        model.encoder, model.language_model = encoder, language_model
        model.extend_language_model()
        model.fusion_modules = modules_outside(model.fusion, config)
        model._init_added()
        model.projector = AutoModel.from_config(config.projector_config) if projector is None else projector
        model.freeze()
        model.generation_config = language_model.generation_config
        # Joining the configs reset choices of the parts. (Names of tied weights and the like were gathered from the
        # parts on "meta", which have the same structure.)
        model.set_attn_implementation(attention)
        return model.train(language_model.training)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Loads either form of `save_pretrained`: everything in one folder, or the trained part with pointers.

        Args:
            encoder, language_model: trained-only form: a model, folder or hub id to use in place of the saved pointer.
            **kwargs: everything in one folder: as in transformers (`quantization_config` applies to the language model
                alone). Trained-only form: go to the language model's own `from_pretrained` (dtype, device_map, ...).

        Raises:
            CheckpointError: a tensor is missing, unexpected, of another shape or not finite, a pointer is invalid, or a
                fusion is given that is not the saved one.
        """
        folder = pretrained_model_name_or_path
        if isinstance(folder, str | os.PathLike) and os.path.isdir(folder) and kwargs.get("subfolder"):
            folder = Path(folder, kwargs.pop("subfolder"))
        try:
            if storage.is_trained_only(folder):
                return storage.load_trained_only(cls, Path(folder), **kwargs)
            if kwargs.get("quantization_config") is not None:
                kwargs["quantization_config"] = spare_ours(kwargs["quantization_config"])
            storage.check_fusion(folder, kwargs)
            loaded = super().from_pretrained(folder, *args, **kwargs)
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            option = str(error).split("argument")[-1].strip()
            raise SpatialLLMError(
                f"{cls.__name__}.from_pretrained({str(folder)!r}): unknown option {option}; expected those of transformers' "
                "from_pretrained, and encoder and language_model for a folder of the trained part alone."
            ) from None
        # Loading creates new parameters, which all require gradients.
        (loaded[0] if isinstance(loaded, tuple) else loaded).freeze()
        return loaded

    def save_pretrained(
        self,
        save_directory: str | Path,
        trained_only: bool = False,
        encoder: str | None = None,
        language_model: str | None = None,
        **kwargs: Any,
    ) -> None:
        """Saves the model, then reopens the files and compares their tensors with what trains.

        Args:
            trained_only: save only the projector and LoRA, with pointers to encoder and language model.
            encoder, language_model: the pointers, folder or hub id; default: where each was loaded from.
            **kwargs: everything in one folder: as in transformers.

        Raises:
            CheckpointError: a tensor that trains is not in the file; or a part was not loaded from a folder or the hub and
                no pointer was given.
            SpatialLLMError: the LoRA layers differ from `config.lora`, or are merged.
        """
        check_lora(self)
        if trained_only:
            storage.save_trained_only(self, Path(save_directory), {"encoder": encoder, "language_model": language_model})
        else:
            if self.mono_base is not None:  # transformers would write a base's tensors under names of its first release
                kwargs.setdefault("save_original_format", False)
            super().save_pretrained(save_directory, **kwargs)
            if kwargs.get("is_main_process", True):
                storage.verify_saved(self, Path(save_directory))

    def merge_and_unload(self) -> Self:
        """Adds LoRA to the language model's weights and removes its layers, in place; see `merge_lora`. Returns the model.

        A model in half precision rounds the sums; merge in float32 where that matters.
        """
        merge_lora(self)
        return self

    def _set_gradient_checkpointing(
        self, enable: bool = True, gradient_checkpointing_func: Callable = checkpoint, **kwargs: Any
    ) -> None:
        """Does as in transformers.

        Raises:
            SpatialLLMError: `use_reentrant` with a deep fusion, whose layers share the audio: its gradient would be lost.
        """
        if enable and self.fusion.deep and getattr(gradient_checkpointing_func, "keywords", {}).get("use_reentrant"):
            raise SpatialLLMError(
                f"activation checkpointing with use_reentrant loses the gradient of the audio, which the layers of fusion "
                f"{self.fusion.name} share; give use_reentrant False, which is the default."
            )
        super()._set_gradient_checkpointing(enable, gradient_checkpointing_func, **kwargs)

    def freeze(self) -> None:
        """Switches gradients off in the encoder if the config demands it, and in a mono base or a language model with added
        modules, except in those modules."""
        if self.config.freeze_encoder:
            self.encoder.requires_grad_(False)
        added = added_modules(self.language_model)
        if added or self.mono_base is not None:
            self.language_model.requires_grad_(False)
        for part in added.values():
            part.requires_grad_(True)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.config.freeze_encoder:
            self.encoder.eval()
        if self.mono_base is not None:  # its own audio side has dropout and BatchNorms, which would count what they hear
            self.language_model.eval()
            text_model(self.language_model).train(mode)
        return self
