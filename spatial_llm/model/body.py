"""The composite without a head: a spatial encoder, a projector, a language model; prompts with recordings -> hidden states.

Here is what both classes share: building, joining and freezing the parts, both saved forms, and putting audio embeddings in
the place of placeholder tokens. The names of tensors are the same with and without the head, which is the language
model's own, so each class loads the other's folders.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import nn
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast, BaseModelOutputWithPooling
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.encoders.pretrained import CheckedPreTrainedModel
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import storage
from spatial_llm.model.adapters import check_lora, init_lora, inject_lora, merge_lora
from spatial_llm.model.cache_name import CACHE, one_cache
from spatial_llm.model.configuration_spatial_llm import SpatialLLMConfig
from spatial_llm.model.placeholders import check_apart, embed_text, placeholder_mask, warn_without_audio
from spatial_llm.model.precision import spare_ours, within


@dataclass
class SpatialLLMModelOutputWithPast(BaseModelOutputWithPast):
    """The output of the language model's body and `audio_embeds` (clips, tokens, text width), None without audio."""

    audio_embeds: torch.Tensor | None = None


class SpatialLLMPreTrainedModel(CheckedPreTrainedModel):
    config: SpatialLLMConfig
    config_class = SpatialLLMConfig
    base_model_prefix = "model"
    input_modalities = ("audio", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_attention_backend = True
    # The Q-Former has no flash attention; give {"text_config": "flash_attention_2"} to use it in the language model.
    _supports_flash_attn = False


class SpatialLLMModel(SpatialLLMPreTrainedModel):
    """What answers questions about spatial audio, up to the last hidden states (BAT, arXiv 2402.01591; specs a.4).

    Attributes:
        encoder: cues -> `audio_hidden_states` (clips, tokens, encoder width).
        projector: -> `audio_embeds` (clips, audio tokens, text width).
        language_model: any causal language model, with its head; with `config.lora`, peft's adapters are inside.
    """

    def __init__(self, config: SpatialLLMConfig) -> None:
        super().__init__(config)
        # The language model comes first: `dtype` and `device` of the whole are those of its first tensor.
        self.language_model = AutoModelForCausalLM.from_config(config.text_config)
        if config.lora is not None:
            inject_lora(self.language_model, config.lora)
        self.projector = AutoModel.from_config(config.projector_config)
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
        # The parts have initialised themselves, each by its own rule; but the language model took LoRA's for linear layers.
        init_lora(self.language_model)

    @classmethod
    def from_parts(
        cls,
        encoder: PreTrainedModel,
        language_model: PreTrainedModel,
        projector: PreTrainedModel | None = None,
        audio_token_id: int | None = None,
    ) -> Self:
        """Joins trained parts; no weight of theirs is copied or changed, and the encoder is frozen.

        Args:
            encoder: an encoder, or one with heads, whose heads are left out.
            language_model: any causal language model.
            projector: with `encoder_hidden_size` and `text_hidden_size` of the two; default: a fresh Q-Former as in BAT.
            audio_token_id: placeholder id; default: the first id outside the language model's vocabulary.

        Raises:
            SpatialLLMError: the projector's widths are not those of the encoder and the language model.
        """
        encoder = encoder.base_model
        text_config = language_model.config
        attention = {"encoder_config": encoder.config._attn_implementation, "text_config": text_config._attn_implementation}
        config = SpatialLLMConfig(
            encoder_config=encoder.config,
            projector_config=None if projector is None else projector.config,
            text_config=text_config,
            audio_token_id=text_config.vocab_size if audio_token_id is None else audio_token_id,
        )
        with torch.device("meta"):
            model = cls(config)
        model.encoder, model.language_model = encoder, language_model
        model.projector = AutoModel.from_config(config.projector_config) if projector is None else projector
        model.freeze()
        model.generation_config = language_model.generation_config
        # Joining the configs reset what their owners had chosen. (Names of tied weights and the like were gathered from the
        # parts on "meta", which have the same structure.)
        model.set_attn_implementation(attention)
        return model.train(language_model.training)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any) -> Any:
        """Loads either form of `save_pretrained`: everything in one folder, or the trained part with pointers.

        Args:
            encoder, language_model: trained-only form: a model, folder or hub id to use in place of the saved pointer.
            **kwargs: everything in one folder: as in transformers (`quantization_config`: of the language model alone).
                Trained-only form: given to the language model's own `from_pretrained` (dtype, device_map, ...).

        Raises:
            CheckpointError: a tensor is missing, left over, of another shape or not finite, or a pointer leads nowhere.
        """
        folder = pretrained_model_name_or_path
        if isinstance(folder, str | os.PathLike) and os.path.isdir(folder) and kwargs.get("subfolder"):
            folder = Path(folder, kwargs.pop("subfolder"))
        try:
            if storage.is_trained_only(folder):
                return storage.load_trained_only(cls, Path(folder), **kwargs)
            if kwargs.get("quantization_config") is not None:
                kwargs["quantization_config"] = spare_ours(kwargs["quantization_config"])
            loaded = super().from_pretrained(folder, *args, **kwargs)
        except TypeError as error:
            if "unexpected keyword argument" not in str(error):
                raise
            option = str(error).split("argument")[-1].strip()
            raise SpatialLLMError(
                f"{cls.__name__}.from_pretrained({str(folder)!r}): unknown option {option}; expected those of transformers' "
                "from_pretrained, and encoder and language_model for a folder of the trained part alone."
            ) from None
        # Loading puts fresh parameters in place, which all require gradients.
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
            trained_only: only the projector and LoRA, with pointers to encoder and language model.
            encoder, language_model: the pointers, folder or hub id; default: where each was loaded from.
            **kwargs: everything in one folder: as in transformers.

        Raises:
            CheckpointError: a tensor that trains is not in the file; or a part was not loaded from anywhere and no pointer
                was given.
            SpatialLLMError: the LoRA layers are not those that `config.lora` describes, or are merged.
        """
        check_lora(self)
        if trained_only:
            storage.save_trained_only(self, Path(save_directory), {"encoder": encoder, "language_model": language_model})
        else:
            super().save_pretrained(save_directory, **kwargs)
            if kwargs.get("is_main_process", True):
                storage.verify_saved(self, Path(save_directory))

    def merge_and_unload(self) -> Self:
        """Adds LoRA to the language model's weights and takes it away, in place; see `merge_lora`. Returns the model.

        A model in half precision rounds the sums; merge in float32 where that matters.
        """
        merge_lora(self)
        return self

    def freeze(self) -> None:
        """No gradients where the config says so: the encoder, and with LoRA the language model it adapts."""
        if self.config.freeze_encoder:
            self.encoder.requires_grad_(False)
        if self.config.lora is not None:
            for name, parameter in self.language_model.named_parameters():
                # A quantised weight is of whole numbers, which know no gradient.
                parameter.requires_grad_(".lora_" in name and parameter.is_floating_point())

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.config.freeze_encoder:
            self.encoder.eval()
        return self

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, *args: Any, audio_token_id: int | None = None, **kwargs: Any
    ) -> nn.Module:
        """As in transformers, but the audio placeholder stays apart from the new tokens.

        Args:
            audio_token_id: the placeholder's id from now on; make the processor anew with it.

        Raises:
            SpatialLLMError: the placeholder lies outside the vocabulary, would fall into the larger one, and no
                `audio_token_id` was given. Nothing is changed then.
        """
        size = self.get_input_embeddings().num_embeddings
        # transformers rounds up to a multiple where one is asked for.
        multiple = (args[0] if args else kwargs.get("pad_to_multiple_of")) or 1
        wanted = -(-(size if new_num_tokens is None else new_num_tokens) // multiple) * multiple
        if audio_token_id is None:
            check_apart(self.config.audio_token_id, size, wanted)
        embeddings = super().resize_token_embeddings(new_num_tokens, *args, **kwargs)
        if audio_token_id is not None:
            self.config.audio_token_id = audio_token_id
        return embeddings

    def get_encoder(self, modality: str | None = None) -> nn.Module:
        return self.encoder if modality in (None, "audio") else super().get_encoder(modality)

    @can_return_tuple
    def get_audio_features(
        self, input_features: torch.Tensor | None = None, audio_hidden_states: torch.Tensor | None = None, **kwargs: Any
    ) -> BaseModelOutputWithPooling:
        """Encodes and projects clips.

        Args:
            input_features: (clips, cues, frames, mel bins), or
            audio_hidden_states: (clips, tokens, encoder width), the encoder's output, when it has already run.

        Returns:
            `last_hidden_state` (clips, tokens, encoder width) of the encoder, and as `pooler_output` the audio embeddings
            (clips, audio tokens, text width).
        """
        if (input_features is None) == (audio_hidden_states is None):
            raise SpatialLLMError("give exactly one of input_features (cues) and audio_hidden_states (encoder output).")
        encoded = BaseModelOutputWithPooling(last_hidden_state=audio_hidden_states)
        if input_features is not None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_encoder):
                encoded = self.encoder(input_features=input_features, return_dict=True, **kwargs)
        return BaseModelOutputWithPooling(
            last_hidden_state=encoded.last_hidden_state,
            pooler_output=self.projector(encoded.last_hidden_state).last_hidden_state,
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )

    def embed(
        self,
        input_ids: torch.Tensor | None,
        input_features: torch.Tensor | None,
        audio_hidden_states: torch.Tensor | None,
        inputs_embeds: torch.Tensor | None,
        cache: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Prompts as the language model takes them, audio in place, and `audio_embeds`; arguments as `forward`."""
        if (input_ids is None) == (inputs_embeds is None):
            raise SpatialLLMError("give exactly one of input_ids and inputs_embeds.")
        if inputs_embeds is None:
            inputs_embeds = embed_text(self.get_input_embeddings(), input_ids, self.config.audio_token_id)
        audio_embeds = None
        if input_features is not None or audio_hidden_states is not None:
            audio_embeds = self.get_audio_features(input_features, audio_hidden_states, return_dict=True).pooler_output
            audio_embeds = audio_embeds.to(inputs_embeds.device, inputs_embeds.dtype)
            mask = placeholder_mask(
                input_ids, inputs_embeds, audio_embeds, self.get_input_embeddings(), self.config.audio_token_id
            )
            inputs_embeds = inputs_embeds.masked_scatter(mask, audio_embeds)
        elif input_ids is not None and (cache is None or cache.get_seq_length() == 0):
            warn_without_audio(input_ids, self.config.audio_token_id)
        return inputs_embeds, audio_embeds

    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        input_features: torch.Tensor | None = None,
        audio_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: torch.Tensor | None = None,
        use_cache: bool | None = None,
        cache: Any = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SpatialLLMModelOutputWithPast:
        """Runs the language model's body on prompts whose placeholders are replaced by audio embeddings.

        Args:
            input_ids: (batch, length); `config.audio_token_id` stands for one audio token.
            input_features: (clips, cues, frames, mel bins); clips of all prompts in order, any number a prompt.
            audio_hidden_states: (clips, tokens, encoder width), in place of `input_features`.
            inputs_embeds: (batch, length, text width), in place of `input_ids`.
            cache, past_key_values: what earlier tokens left behind, under transformers' name since 5.24 and before.

        Raises:
            SpatialLLMError: another number of placeholders than of audio embeddings, or a cache under both names.
        """
        cache = one_cache(cache, past_key_values)
        inputs_embeds, audio_embeds = self.embed(input_ids, input_features, audio_hidden_states, inputs_embeds, cache)
        outputs = self.language_model.base_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            use_cache=use_cache,
            return_dict=True,
            **{CACHE: cache},
            **kwargs,
        )
        return SpatialLLMModelOutputWithPast(
            last_hidden_state=outputs.last_hidden_state,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            audio_embeds=audio_embeds,
            **{CACHE: outputs.get(CACHE)},
        )
