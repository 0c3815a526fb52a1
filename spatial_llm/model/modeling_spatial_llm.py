"""The composite with its head: answers questions about recordings.

Its counterpart in transformers is `granite_speech`, with the same roles and names. It differs in four points: the language
model is a whole `AutoModelForCausalLM`, with its own head and loss; the encoder may have run already
(`audio_hidden_states`); the encoder stays frozen and in eval mode even in training; and the processor puts the audio before
BOS.
"""

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.model.body import SpatialLLMModel
from spatial_llm.model.cache_name import CACHE, one_cache
from spatial_llm.model.placeholders import repeat_clips

AUDIO_INPUTS = ("input_features", "audio_hidden_states")


@dataclass
class SpatialLLMCausalLMOutputWithPast(CausalLMOutputWithPast):
    """Holds the language model's output and `audio_embeds` (clips, tokens, text width), None without audio."""

    audio_embeds: torch.Tensor | None = None


class SpatialLLMForConditionalGeneration(SpatialLLMModel, GenerationMixin):
    """Answers questions about spatial audio. `SpatialLLMModel` documents the parts, and how they are joined and saved."""

    @property
    def base_model(self) -> SpatialLLMModel:
        """Returns the same parts as a model without head. It is not a submodule, so that saved names stay unchanged."""
        body = SpatialLLMModel.__new__(SpatialLLMModel)
        nn.Module.__init__(body)
        for name, value in self.__dict__.items():
            # Hooks and methods that a tool put on this model (a patched `forward`) are not copied to the body:
            # a patched `forward` that calls the body would call itself.
            if "hook" not in name and not (callable(value) and hasattr(type(self), name)):
                body.__dict__[name] = value
        return body

    def get_output_embeddings(self) -> nn.Module:
        return self.language_model.get_output_embeddings()

    def set_output_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_output_embeddings(value)

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
        labels: torch.Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        cache: Any = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SpatialLLMCausalLMOutputWithPast:
        """Runs the language model on prompts whose placeholders are replaced by audio embeddings.

        Args:
            input_ids: (batch, length); `config.audio_token_id` stands for one audio token.
            input_features: (clips, cues, frames, mel bins); clips of all prompts in order, any number a prompt.
            audio_hidden_states: (clips, tokens, encoder width), in place of `input_features`.
            inputs_embeds: (batch, length, text width), in place of `input_ids`.
            labels: (batch, length) token ids; -100 is ignored.
            logits_to_keep: number of last tokens with logits (0: all), or their positions (kept,).
            cache, past_key_values: keys and values of earlier tokens, under transformers' name since 5.24 and before.

        Raises:
            SpatialLLMError: the numbers of placeholders and audio embeddings differ, or a cache is given under both names.
        """
        cache = one_cache(cache, past_key_values)
        inputs_embeds, audio_embeds = self.embed(input_ids, input_features, audio_hidden_states, inputs_embeds, cache)
        keeps = "logits_to_keep" in inspect.signature(self.language_model.forward).parameters
        outputs = self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            labels=labels,
            use_cache=use_cache,
            return_dict=True,
            **({"logits_to_keep": logits_to_keep} if keeps else {}),
            **{CACHE: cache},
            **kwargs,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        return SpatialLLMCausalLMOutputWithPast(
            loss=outputs.loss,
            logits=outputs.logits if keeps else outputs.logits[:, kept],
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            audio_embeds=audio_embeds,
            **{CACHE: outputs.get(CACHE)},
        )

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        inputs_embeds: torch.Tensor | None = None,
        is_first_iteration: bool | None = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        inputs = super().prepare_inputs_for_generation(
            input_ids, inputs_embeds=inputs_embeds, is_first_iteration=is_first_iteration, **kwargs
        )
        # transformers drops input_features after the prompt, but does not know our other name for audio. A generation
        # that continues from a cache has its audio there already, unless its new part contains placeholders.
        cache, new = inputs.get(CACHE), inputs.get("input_ids")
        continued = cache is not None and cache.get_seq_length() > 0
        if continued and new is not None and not (new == self.config.audio_token_id).any():
            inputs = {name: value for name, value in inputs.items() if name not in AUDIO_INPUTS}
        return inputs

    def _expand_inputs_for_generation(
        self,
        expand_size: int = 1,
        is_encoder_decoder: bool = False,
        input_ids: torch.Tensor | None = None,
        **model_kwargs: Any,
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        audio = {name: model_kwargs.pop(name) for name in AUDIO_INPUTS if model_kwargs.get(name) is not None}
        if expand_size > 1:
            for name, clips in audio.items():
                counts = [self.config.num_audio_tokens] * len(clips)
                audio[name] = repeat_clips(clips, input_ids, expand_size, self.config.audio_token_id, counts)
        input_ids, model_kwargs = super()._expand_inputs_for_generation(
            expand_size, is_encoder_decoder, input_ids, **model_kwargs
        )
        return input_ids, {**model_kwargs, **audio}
