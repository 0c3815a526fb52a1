"""Base audio language models that hear one channel by themselves, as the language model of the composite.

This is the form of SPUR (arXiv 2511.06606): the base stays frozen and hears its own mono input through its own feature
extractor, encoder and projector; beside its audio tokens the prompt has our spatial tokens, and LoRA lies on the text model
inside the base alone. Without spatial tokens LoRA is off too, so that the composite computes exactly what the base does.

No code of a base is copied or replaced. A base puts its audio among the embeddings of the words in its own forward pass,
where nothing can be added, so that pass is run up to its text model, stopped there by a hook, and the embeddings that the
text model would have got are taken. The hook acts only on calls that carry its argument.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoModelForMultimodalLM, PreTrainedConfig, PreTrainedModel

from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.time_tokens import read_time_tokens

MONO_INPUTS = ("mono_features", "mono_mask")  # names in a batch of the composite
PLUGGED = "heard_spatial"  # attribute of a cache whose prompt holds spatial tokens
_STOP = "only_embeddings"  # keyword argument that stops a base at its text model


@dataclass(frozen=True)
class MonoBase:
    """What is special to one family of base models.

    Attributes:
        processor: name of the class of its processor in transformers.
        extractor: name of the feature extractor among the arguments of that class.
        extractor_type: name of the class of the feature extractor in transformers.
        mask: name of the mask that its processor makes beside `input_features`.
    """

    processor: str
    extractor: str
    extractor_type: str
    mask: str


# By model type.
MONO_BASES = {
    "granite_speech": MonoBase(
        "GraniteSpeechProcessor", "audio_processor", "GraniteSpeechFeatureExtractor", "input_features_mask"
    ),
    "qwen2_audio": MonoBase(
        "Qwen2AudioProcessor", "feature_extractor", "WhisperFeatureExtractor", "feature_attention_mask"
    ),
}  # fmt: skip


def mono_base_of(config: PreTrainedConfig) -> MonoBase | None:
    """Returns the family of the language model of this config; None if it is a causal language model, which hears nothing
    by itself.

    Raises:
        SpatialLLMError: it is neither.
    """
    base = MONO_BASES.get(config.model_type)
    kinds = (AutoModelForCausalLM._model_mapping, AutoModelForMultimodalLM._model_mapping)
    causal, multimodal = (type(config) in kind for kind in kinds)
    if base is None and multimodal and not causal:
        raise SpatialLLMError(
            f"{kinds[1][type(config)].__name__} ({config.model_type}) cannot be the language model: it is no causal "
            f"language model, and among those that hear by themselves only {', '.join(sorted(MONO_BASES))} are known: "
            "give one of these, or a causal language model."
        )
    return base


def language_model_class(config: PreTrainedConfig) -> Any:
    """Returns the Auto class that builds and loads the language model of this config. Raises SpatialLLMError, see
    `mono_base_of`."""
    return AutoModelForCausalLM if mono_base_of(config) is None else AutoModelForMultimodalLM


def placeholder_beside(config: PreTrainedConfig, time_tokens: dict[str, Any] | None = None) -> int:
    """Returns the first id outside the vocabulary of a language model that is neither its own audio placeholder nor one of
    the time tokens that `time_tokens` describes (see `SpatialLLMConfig`)."""
    size = config.get_text_config().vocab_size
    times = read_time_tokens(time_tokens, size)
    size += 0 if times is None else times.count
    return size if mono_base_of(config) is None else max(size, config.audio_token_id + 1)


def text_model(language_model: nn.Module) -> nn.Module:
    """Returns the text model inside a mono base; any other language model as it is."""
    return language_model.get_decoder() if mono_base_of(language_model.config) is not None else language_model


def attention_of(config: PreTrainedConfig) -> str | dict[str, Any] | None:
    """Returns the attention implementation of a config, with those of its parts, as `set_attn_implementation` takes it."""
    parts = {name: getattr(config, name) for name in config.sub_configs if getattr(config, name) is not None}
    own = config._attn_implementation
    return {"": own, **{name: attention_of(part) for name, part in parts.items()}} if parts else own


class _Stopped(Exception):
    """Leaves the forward pass of a base with the embeddings that its text model was given."""

    def __init__(self, inputs_embeds: torch.Tensor) -> None:
        super().__init__()
        self.inputs_embeds = inputs_embeds


def _stop(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
    """Hook in front of the text model of a base."""
    if _STOP in kwargs:
        raise _Stopped(kwargs["inputs_embeds"])


def prepare_base(language_model: PreTrainedModel) -> None:
    """Adds the hook to the text model of a mono base, in place; one that has it is left alone.

    Raises:
        SpatialLLMError: the base has LoRA of its own in its text model, where ours goes.
    """
    inner = text_model(language_model)
    if _has_adapters(language_model):
        raise SpatialLLMError(
            f"{type(language_model).__name__} was loaded with adapters of its own; the plug-in needs their place. Merge "
            "them into its weights, save that model, and give its folder."
        )
    if _stop not in inner._forward_pre_hooks.values():
        inner.register_forward_pre_hook(_stop, with_kwargs=True)


def _has_adapters(language_model: PreTrainedModel) -> bool:
    # transformers sets it on a model whose own folder has adapters; ours are injected without it.
    return bool(getattr(language_model, "_hf_peft_config_loaded", False))


def base_embeddings(
    base: PreTrainedModel,
    input_ids: torch.Tensor,
    audio_token_id: int,
    mono_features: torch.Tensor | None = None,
    mono_mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Embeds ids (batch, length) -> (batch, length, text width) as the base does, its own audio in place.

    Args:
        base: a mono base after `prepare_base`.
        input_ids: with placeholders of the base's audio; those of spatial tokens are embedded as id 0, and overwritten by
            the fusion.
        audio_token_id: id of the placeholder of spatial tokens.
        mono_features, mono_mask: as its processor makes them, see `mono_inputs.MonoInputs`; None if there is no audio.

    Raises:
        SpatialLLMError: its placeholders do not match its features.
    """
    family = mono_base_of(base.config)
    audio = {} if mono_features is None else {"input_features": mono_features, family.mask: mono_mask}
    words = input_ids.masked_fill(input_ids == audio_token_id, 0)
    # Which columns are padding does not matter to embeddings; some bases demand a mask.
    everywhere = torch.ones_like(words)
    try:
        base.base_model(input_ids=words, attention_mask=everywhere, use_cache=False, **audio, **{_STOP: True})
    except _Stopped as stopped:
        return stopped.inputs_embeds
    except (ValueError, RuntimeError) as error:
        if "do not match" not in str(error):
            raise
        raise SpatialLLMError(
            f"{type(base).__name__} finds another number of its audio placeholders (id {base.config.audio_token_id}) in the "
            f"prompts than its audio needs ({error}): make prompts and mono_features with one processor."
        ) from None
    raise SpatialLLMError(f"{type(base).__name__} did not run its text model; its class has changed.")


def check_beside(
    base: PreTrainedModel, input_ids: torch.Tensor, audio_token_id: int, clips: int | None, mono_features: Any, first: bool
) -> None:
    """Checks prompts for a mono base: the plug-in is on or off for all of them, and both inputs are there.

    Args:
        base: the mono base.
        input_ids: (batch, length).
        audio_token_id: id of the placeholder of spatial tokens.
        clips: number of spatial clips given; None for none.
        mono_features: (clips, ...) or None.
        first: whether these are the first columns of the prompts.

    Raises:
        SpatialLLMError: spatial placeholders without spatial audio; spatial tokens without the base's own audio or its
            placeholder, with another number of recordings, or in some prompts of a batch only.
    """
    if torch.compiler.is_compiling() or input_ids.is_meta:
        return
    ours = (input_ids == audio_token_id).any(dim=1)
    if clips is None:
        if ours.any():
            raise SpatialLLMError(
                f"the prompts hold placeholders of spatial tokens (id {audio_token_id}), but no spatial audio was given: "
                "give input_features, audio_hidden_states or audio_embeds, or leave the placeholders out to ask the "
                "base alone."
            )
        return
    if mono_features is None:
        raise SpatialLLMError(
            f"{type(base).__name__} hears the recording by itself too: give its mono_features and mono_mask beside the "
            "spatial audio, as the processor makes them of one recording."
        )
    if len(mono_features) != clips:
        raise SpatialLLMError(
            f"mono_features are of {len(mono_features)} recordings, the spatial audio of {clips}; expected both of each."
        )
    its = (input_ids == base.config.audio_token_id).any(dim=1)
    if (ours & ~its).any():
        raise SpatialLLMError(
            f"prompt {int((ours & ~its).nonzero()[0])} holds spatial tokens but no audio placeholder of "
            f"{type(base).__name__} (id {base.config.audio_token_id}): it would not hear the recording by itself. Make "
            "prompts with the processor."
        )
    if first and not ours.all():
        raise SpatialLLMError(
            f"prompt {int((~ours).nonzero()[0])} of the batch has no spatial tokens and others have; the plug-in is on or "
            "off for a whole batch, so that no answer depends on its neighbours: ask them in two batches."
        )
