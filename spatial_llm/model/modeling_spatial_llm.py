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
from transformers.masking_utils import create_masks_for_generate
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.processing_utils import Unpack
from transformers.utils import TransformersKwargs
from transformers.utils.generic import can_return_tuple

from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.cache_name import CACHE, one_cache
from spatial_llm.fusion.context import MEMORY
from spatial_llm.model.body import SpatialLLMModel
from spatial_llm.model.joined_inputs import columns_in
from spatial_llm.model.label_loss import label_loss, share_of_labels
from spatial_llm.model.mono_base import MONO_INPUTS
from spatial_llm.model.placeholders import repeat_clips

AUDIO_INPUTS = ("input_features", "audio_hidden_states", "audio_embeds", *MONO_INPUTS)


@dataclass
class SpatialLLMCausalLMOutputWithPast(CausalLMOutputWithPast):
    """Holds the language model's output, `audio_embeds` and `text_columns` as `SpatialLLMModelOutputWithPast`, and
    `audio_loss`, what projectors add to the loss of a training step (and have added to `loss`)."""

    audio_embeds: torch.Tensor | None = None
    text_columns: torch.Tensor | None = None
    audio_loss: torch.Tensor | None = None


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
        audio_embeds: torch.Tensor | None = None,
        cache: Any = None,
        mono_features: torch.Tensor | None = None,
        mono_mask: torch.Tensor | None = None,
        token_weights: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> SpatialLLMCausalLMOutputWithPast:
        """Runs the language model on prompts with audio.

        Args:
            input_ids: (batch, length); `config.audio_token_id` stands for one audio token.
            input_features: (clips, *input_shape of the encoder); clips of all prompts in order, any number a prompt.
            audio_hidden_states: (clips, tokens, encoder width), in place of `input_features`.
            inputs_embeds: (batch, length, text width), in place of `input_ids`.
            labels: (batch, length) token ids; -100 is ignored.
            logits_to_keep: number of last rows with logits (0: all), or their indices (kept,) among the rows of the output.
            audio_embeds: (clips, audio tokens, audio width) of `get_audio_features`, in place of `input_features`.
            cache, past_key_values: keys and values of earlier tokens, under transformers' name since 5.24 and before.
            mono_features, mono_mask: (clips, ...), what a mono base hears of the clips by itself.
            token_weights: (batch, length), the weight of each label in the loss (`label_loss`); None weighs all alike.

        Returns:
            With a deep fusion, the rows of logits are those of the text (see `SpatialLLMModel.forward`), and the label of a
            token right after audio is ignored: no row of text predicts it.

        Raises:
            SpatialLLMError: the numbers of placeholders and audio embeddings differ, or a cache is given under both names.
        """
        cache = one_cache(cache, past_key_values)
        audio = {
            "input_features": input_features, "audio_hidden_states": audio_hidden_states, "audio_embeds": audio_embeds
        }  # fmt: skip
        mono = {"mono_features": mono_features, "mono_mask": mono_mask}
        joined, audio_embeds = self.join(input_ids, audio, inputs_embeds, attention_mask, position_ids, labels, cache, mono)
        if joined.context is not None:
            # Rows of audio, which stand in front of the text, are left out: counted from the end there are none.
            rows = joined.inputs_embeds.shape[1]
            if not isinstance(logits_to_keep, int):
                logits_to_keep = torch.where(logits_to_keep < 0, logits_to_keep, logits_to_keep - rows)
            elif logits_to_keep == 0:
                logits_to_keep = rows
        # A base's own loss takes labels for all its rows, and knows neither weights nor logits behind its vocabulary.
        ours = self.mono_base is not None or self.config.time_tokens is not None or token_weights is not None
        keeps = "logits_to_keep" in inspect.signature(self.language_model.forward).parameters
        outputs = self.run_language_model(
            self.language_model,
            joined,
            audio_embeds is not None,
            cache,
            labels=None if ours else joined.labels,
            use_cache=use_cache,
            **({"logits_to_keep": logits_to_keep} if keeps else {}),
            **kwargs,
        )
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits, loss = outputs.logits if keeps else outputs.logits[:, kept], outputs.loss
        if ours and joined.labels is not None:
            if token_weights is not None and joined.text_columns is not None:
                token_weights = token_weights.gather(1, joined.text_columns)
            loss = label_loss(logits.contiguous(), joined.labels, token_weights, **kwargs)
        if loss is not None and joined.audio_loss is not None:
            share = share_of_labels(joined.labels, token_weights, kwargs.get("num_items_in_batch"))
            loss = loss + share * joined.audio_loss.to(loss.device)
        return SpatialLLMCausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            hidden_states=joined.of_text(outputs.hidden_states),
            attentions=outputs.attentions,
            audio_embeds=audio_embeds,
            text_columns=joined.text_columns,
            audio_loss=joined.audio_loss,
            **{CACHE: outputs.get(CACHE)},
        )

    def prepare_inputs_for_generation(
        self,
        input_ids: torch.Tensor,
        inputs_embeds: torch.Tensor | None = None,
        is_first_iteration: bool | None = False,
        next_sequence_length: int | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        memory = getattr(kwargs.get(CACHE), MEMORY, None)
        used = 0 if memory is None else int(kwargs[CACHE].get_seq_length())
        whole = inputs_embeds if inputs_embeds is not None and is_first_iteration else input_ids
        if used > 0 and next_sequence_length == whole.shape[1] - used:
            # transformers counts what is new by the rows of the cache, of which the audio may have none.
            next_sequence_length = whole.shape[1] - columns_in(self, memory, kwargs[CACHE])
            if next_sequence_length < 1:
                raise SpatialLLMError("the cache holds all of the conversation; give it with at least one new token.")
        heard_last = self.fusion.deep and getattr(self.fusion_modules, "rows_first", True)
        if is_first_iteration and heard_last and (input_ids[:, -1:] == self.config.audio_token_id).any():
            raise SpatialLLMError(
                f"a prompt ends with a recording; with fusion {self.fusion.name} it is text that hears, and the answer "
                "would begin with a token that did not: give at least one token of text after the recording."
            )
        inputs = super().prepare_inputs_for_generation(
            input_ids,
            inputs_embeds=inputs_embeds,
            is_first_iteration=is_first_iteration,
            next_sequence_length=next_sequence_length,
            **kwargs,
        )
        # transformers drops input_features after the prompt, but does not know our other name for audio. A generation
        # that continues from a cache has its audio there already, unless its new part contains placeholders.
        cache, new = inputs.get(CACHE), inputs.get("input_ids")
        continued = cache is not None and cache.get_seq_length() > 0
        if continued and new is not None and not (new == self.config.audio_token_id).any():
            inputs = {name: value for name, value in inputs.items() if name not in AUDIO_INPUTS}
        return inputs

    def create_masks_for_generate(self, config: Any, attention_mask: Any, **kwargs: Any) -> Any:
        """Leaves the mask to the forward pass if a deep fusion divides its columns; else as in transformers."""
        if self.fusion.deep:
            return attention_mask
        return create_masks_for_generate(config=config, attention_mask=attention_mask, **kwargs)

    def _expand_inputs_for_generation(
        self,
        expand_size: int = 1,
        is_encoder_decoder: bool = False,
        input_ids: torch.Tensor | None = None,
        **model_kwargs: Any,
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        names = [name for name in AUDIO_INPUTS if model_kwargs.get(name) is not None]
        if self.mono_base is not None and set(names) <= set(MONO_INPUTS):
            names = []  # without spatial tokens they are repeated as the base itself does
        audio = {name: model_kwargs.pop(name) for name in names}
        if expand_size > 1:
            for name, clips in audio.items():
                counts = [self.config.num_audio_tokens] * len(clips)
                audio[name] = repeat_clips(clips, input_ids, expand_size, self.config.audio_token_id, counts)
        input_ids, model_kwargs = super()._expand_inputs_for_generation(
            expand_size, is_encoder_decoder, input_ids, **model_kwargs
        )
        return input_ids, {**model_kwargs, **audio}
