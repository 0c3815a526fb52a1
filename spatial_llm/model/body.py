"""The composite without a head: maps prompts with recordings to hidden states of the language model's body.

Tensors have the same names with and without the head, which is the language model's own, so each class loads the other's
folders. `spatial_llm.model.pretrained` builds, joins, freezes and saves the parts.
"""

import contextlib
import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPast, BaseModelOutputWithPooling
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.cache_name import CACHE, one_cache
from spatial_llm.fusion.context import MEMORY
from spatial_llm.model.adapters import lora_off
from spatial_llm.model.joined_inputs import JoinedInputs, continue_with, join
from spatial_llm.model.mono_base import PLUGGED, base_embeddings, check_beside
from spatial_llm.model.placeholders import check_apart, embed_text, placeholder_mask, warn_without_audio
from spatial_llm.model.pretrained import SpatialLLMPreTrainedModel
from spatial_llm.model.time_rows import embed_with_times, time_rows
from spatial_llm.projectors.base import AudioTokens


@dataclass
class SpatialLLMAudioFeatures(BaseModelOutputWithPooling):
    """Holds encoded and projected clips.

    Attributes:
        last_hidden_state: the encoder's output (clips, tokens, encoder width).
        pooler_output: the audio embeddings (clips, audio tokens, audio width), which is the text width unless the fusion
            projects them in each of its layers.
        audio_mask: (clips, audio tokens) bool, False where a clip has no such token; None if all clips have all of them.
        audio_loss: (), what projectors add to the loss of a training step; None where they add nothing.
    """

    audio_mask: torch.Tensor | None = None
    audio_loss: torch.Tensor | None = None


@dataclass
class SpatialLLMModelOutputWithPast(BaseModelOutputWithPast):
    """Holds the output of the language model's body.

    Attributes:
        audio_embeds: (clips, audio tokens, audio width); None without audio.
        text_columns: with a deep fusion, the column in the prompt of each row of the output (batch, rows); else None.
    """

    audio_embeds: torch.Tensor | None = None
    text_columns: torch.Tensor | None = None


class SpatialLLMModel(SpatialLLMPreTrainedModel):
    """Computes the last hidden states for prompts about spatial audio (BAT, arXiv 2402.01591)."""

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def resize_token_embeddings(
        self, new_num_tokens: int | None = None, *args: Any, audio_token_id: int | None = None, **kwargs: Any
    ) -> nn.Module:
        """Resizes as in transformers, but the audio placeholder stays apart from the new tokens.

        Args:
            audio_token_id: the placeholder's new id; build the processor again with it.

        Raises:
            SpatialLLMError: the placeholder lies outside the vocabulary, would fall into the larger one, and no
                `audio_token_id` was given; or there are time tokens, whose ids follow the vocabulary. Nothing is changed
                then.
        """
        size = self.get_input_embeddings().num_embeddings
        # transformers rounds up to a multiple if the caller gives one.
        multiple = (args[0] if args else kwargs.get("pad_to_multiple_of")) or 1
        wanted = -(-(size if new_num_tokens is None else new_num_tokens) // multiple) * multiple
        if wanted != size and self.config.times is not None:
            raise SpatialLLMError(
                f"the vocabulary of {size} is to have {wanted} tokens, but the ids of time tokens follow it: resize the "
                "language model before time_tokens are added to it."
            )
        if audio_token_id is None:
            check_apart(self.config.audio_token_id, size, wanted)
        embeddings = super().resize_token_embeddings(new_num_tokens, *args, **kwargs)
        if audio_token_id is not None:
            self.config.audio_token_id = audio_token_id
        return embeddings

    def get_encoder(self, modality: str | None = None) -> nn.Module:
        return self.encoder if modality in (None, "audio") else super().get_encoder(modality)

    def start_projectors(self, sample: Callable[[], torch.Tensor]) -> None:
        """Prepares a fresh projector and the modules of the fusion before training; see `Projector.start`.

        Args:
            sample: returns encoder output of some recordings (clips, tokens, encoder width); called only where it is used.
        """
        sample = functools.cache(sample)
        text_scale = self.get_input_embeddings().weight.float().std().item()
        layout = self.config.encoder_config.token_layout
        slices = self.fusion.projector_slices(layout)
        # Fusions with a projection in each layer have a norm or an attention of their own behind it.
        scale = text_scale if self.fusion.beside_words else 1.0
        self.projector.start(lambda: layout.channels_of(slices, sample()), scale, layout.select(slices))
        if self.fusion_modules is not None:
            self.fusion_modules.start(sample, text_scale, layout)

    @can_return_tuple
    def get_audio_features(
        self, input_features: torch.Tensor | None = None, audio_hidden_states: torch.Tensor | None = None, **kwargs: Any
    ) -> SpatialLLMAudioFeatures:
        """Encodes and projects clips.

        Args:
            input_features: (clips, *input_shape of the encoder), or
            audio_hidden_states: (clips, tokens, encoder width), the encoder's output, when it has already run.

        Returns:
            `last_hidden_state` (clips, tokens, encoder width) of the encoder, `pooler_output`, the audio embeddings (clips,
            audio tokens, audio width), `audio_mask`, which of these exist if clips differ, and in training what projectors
            add to the loss, `audio_loss`. `forward` and `generate` take the embeddings as `audio_embeds`, so that many
            questions need them once.
        """
        if (input_features is None) == (audio_hidden_states is None):
            raise SpatialLLMError("give exactly one of input_features (cues) and audio_hidden_states (encoder output).")
        encoded = BaseModelOutputWithPooling(last_hidden_state=audio_hidden_states)
        if input_features is not None:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_encoder):
                encoded = self.encoder(input_features=input_features, return_dict=True, **kwargs)
        layout = self.config.encoder_config.token_layout
        slices = self.fusion.projector_slices(layout)
        heard = layout.channels_of(slices, encoded.last_hidden_state)
        tokens = self.projector(heard, layout=layout.select(slices))
        if self.fusion_modules is not None:
            tokens = self.fusion_modules(tokens, encoded.last_hidden_state, layout)
        return SpatialLLMAudioFeatures(
            last_hidden_state=encoded.last_hidden_state,
            pooler_output=tokens.last_hidden_state,
            audio_mask=tokens.mask,
            audio_loss=tokens.loss,
            hidden_states=encoded.hidden_states,
            attentions=encoded.attentions,
        )

    def join(
        self,
        input_ids: torch.Tensor | None,
        audio: Mapping[str, torch.Tensor | None],
        inputs_embeds: torch.Tensor | None,
        attention_mask: Any,
        position_ids: torch.Tensor | None,
        labels: torch.Tensor | None,
        cache: Any,
        mono: Mapping[str, torch.Tensor | None] | None = None,
    ) -> tuple[JoinedInputs, torch.Tensor | None]:
        """Returns the arguments of the language model, and `audio_embeds`; arguments as `forward`, with the audio by its
        names there, and the mono input of a base that hears by itself."""
        if (input_ids is None) == (inputs_embeds is None):
            raise SpatialLLMError("give exactly one of input_ids and inputs_embeds.")
        embeddings, token_id, mono = self.get_input_embeddings(), self.config.audio_token_id, mono or {}
        if self.mono_base is not None and input_ids is not None:
            clips = next((len(given) for given in audio.values() if given is not None), None)
            first = cache is None or cache.get_seq_length() == 0
            check_beside(self.language_model, input_ids, token_id, clips, mono.get("mono_features"), first)
        if inputs_embeds is None:
            inputs_embeds = self._embed(input_ids, {name: one for name, one in mono.items() if one is not None})
        # A cache that was emptied may still have its memory.
        memory = getattr(cache, MEMORY, None) if cache is not None and cache.get_seq_length() > 0 else None
        tokens = self._audio_tokens(inputs_embeds.device, **audio)
        if tokens is None:
            if input_ids is not None and (cache is None or cache.get_seq_length() == 0):
                warn_without_audio(input_ids, token_id)
            if memory is None:
                return JoinedInputs(inputs_embeds, attention_mask, position_ids, labels), None
            return continue_with(self, memory, cache, inputs_embeds, attention_mask, position_ids, labels), None
        if self.fusion.deep and cache is not None and cache.get_seq_length() > 0:
            raise SpatialLLMError(
                "new audio came with a cache of earlier text; with this fusion a recording has to be in the first prompt: "
                "give the whole conversation anew, without the cache."
            )
        audio_embeds = tokens.last_hidden_state
        there = audio_embeds.flatten(0, 1) if tokens.mask is None else audio_embeds[tokens.mask]
        mask = placeholder_mask(input_ids, inputs_embeds, there, audio_embeds.shape[0], embeddings, token_id)
        if self.fusion.deep:
            found = join(self, mask.squeeze(-1), inputs_embeds, tokens, attention_mask, position_ids, labels)
            found.audio_loss = tokens.loss
            return found, audio_embeds
        audio_embeds = audio_embeds.to(inputs_embeds.dtype)
        inputs_embeds = inputs_embeds.masked_scatter(mask, there.to(inputs_embeds.dtype))
        return JoinedInputs(inputs_embeds, attention_mask, position_ids, labels, audio_loss=tokens.loss), audio_embeds

    def _embed(self, input_ids: torch.Tensor, mono: dict[str, torch.Tensor]) -> torch.Tensor:
        """Returns embeddings (batch, length, text width) of ids, with the audio of a mono base in place."""
        if self.mono_base is not None:
            return base_embeddings(self.language_model, input_ids, self.config.audio_token_id, **mono)
        if mono:
            raise SpatialLLMError(
                f"{', '.join(mono)} given, but {type(self.language_model).__name__} hears nothing by itself: leave them out."
            )
        embeddings, token_id = self.get_input_embeddings(), self.config.audio_token_id
        rows = time_rows(self.language_model)
        if rows is None:
            return embed_text(embeddings, input_ids, token_id)
        if token_id >= embeddings.num_embeddings:
            input_ids = input_ids.masked_fill(input_ids == token_id, 0)
        return embed_with_times(embeddings, rows, input_ids)

    def run_language_model(
        self, language_model: nn.Module, joined: JoinedInputs, heard: bool, cache: Any, **kwargs: Any
    ) -> Any:
        """Runs the language model, or its body, on joined inputs. A mono base runs without LoRA if neither this call nor the
        cache holds spatial tokens.

        Args:
            language_model: `self.language_model` or its body.
            joined: of `join`.
            heard: whether this call holds spatial tokens.
            cache: of earlier tokens, or None.
            **kwargs: further arguments of the language model.
        """
        on = heard or (cache is not None and cache.get_seq_length() > 0 and getattr(cache, PLUGGED, False))
        alone = self.mono_base is not None and not on
        with lora_off(self.language_model, self.config.lora) if alone else contextlib.nullcontext():
            outputs = language_model(**joined.arguments(), return_dict=True, **{CACHE: cache}, **kwargs)
        joined.finish(outputs)
        if outputs.get(CACHE) is not None and self.mono_base is not None:
            setattr(outputs.get(CACHE), PLUGGED, on)
        return outputs

    def _audio_tokens(
        self,
        device: torch.device,
        input_features: torch.Tensor | None = None,
        audio_hidden_states: torch.Tensor | None = None,
        audio_embeds: torch.Tensor | None = None,
    ) -> AudioTokens | None:
        if audio_embeds is not None:
            if input_features is not None or audio_hidden_states is not None:
                raise SpatialLLMError("audio_embeds came with other audio; give one form of it.")
            width = self.config.projector_config.text_hidden_size
            width *= 1 + len(getattr(self.fusion_modules, "projectors", ()))
            if audio_embeds.dim() != 3 or audio_embeds.shape[-1] != width:
                raise SpatialLLMError(
                    f"audio_embeds are of shape {tuple(audio_embeds.shape)}; expected (clips, audio tokens, {width}), as "
                    "pooler_output of this model's get_audio_features."
                )
            return AudioTokens(last_hidden_state=audio_embeds.to(device))
        if input_features is None and audio_hidden_states is None:
            return None
        features = self.get_audio_features(input_features, audio_hidden_states, return_dict=True)
        return AudioTokens(
            last_hidden_state=features.pooler_output.to(device), mask=features.audio_mask, loss=features.audio_loss
        )

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
        audio_embeds: torch.Tensor | None = None,
        cache: Any = None,
        mono_features: torch.Tensor | None = None,
        mono_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SpatialLLMModelOutputWithPast:
        """Runs the language model's body on prompts with audio.

        Args:
            input_ids: (batch, length); `config.audio_token_id` stands for one audio token.
            input_features: (clips, *input_shape of the encoder); clips of all prompts in order, any number a prompt.
            audio_hidden_states: (clips, tokens, encoder width), in place of `input_features`.
            inputs_embeds: (batch, length, text width), in place of `input_ids`.
            audio_embeds: (clips, audio tokens, audio width) of `get_audio_features`, in place of `input_features`.
            cache, past_key_values: keys and values of earlier tokens, under transformers' name since 5.24 and before.
            mono_features, mono_mask: (clips, ...), what a mono base hears of the clips by itself.

        Returns:
            With a deep fusion the rows of the output are those of the text: (batch, text, ...), padded on the left, and
            `text_columns` gives their columns in the prompt.

        Raises:
            SpatialLLMError: the numbers of placeholders and audio embeddings differ, an input is of another form, or a cache
                is given under both names.
        """
        cache = one_cache(cache, past_key_values)
        audio = {
            "input_features": input_features, "audio_hidden_states": audio_hidden_states, "audio_embeds": audio_embeds
        }  # fmt: skip
        mono = {"mono_features": mono_features, "mono_mask": mono_mask}
        joined, audio_embeds = self.join(input_ids, audio, inputs_embeds, attention_mask, position_ids, None, cache, mono)
        body = self.language_model.base_model
        outputs = self.run_language_model(body, joined, audio_embeds is not None, cache, use_cache=use_cache, **kwargs)
        return SpatialLLMModelOutputWithPast(
            last_hidden_state=joined.of_text(outputs.last_hidden_state),
            hidden_states=joined.of_text(outputs.hidden_states),
            attentions=outputs.attentions,
            audio_embeds=audio_embeds,
            text_columns=joined.text_columns,
            **{CACHE: outputs.get(CACHE)},
        )
