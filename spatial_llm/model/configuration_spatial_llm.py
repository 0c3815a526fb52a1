"""Configures the composite: encoder, projector, language model, and the settings that join them."""

import math
from typing import Any

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig

# Importing the encoders and projectors registers their configs, so that sub-configs are found by model_type.
import spatial_llm.encoders
import spatial_llm.projectors  # noqa: F401
from spatial_llm.audio.formats import parse_input_format
from spatial_llm.encoders.checked_config import CheckedConfig
from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.base import Fusion
from spatial_llm.fusion.settings import read_fusion
from spatial_llm.model.mono_base import mono_base_of
from spatial_llm.model.mono_inputs import mono_way
from spatial_llm.model.time_tokens import TimeTokens, check_free, read_time_tokens

LORA_DEFAULTS: dict[str, Any] = {"rank": 8, "alpha": 32, "dropout": 0.05, "target_modules": ["q_proj", "v_proj"]}
# Default for a part whose configuration does not name its own.
DEFAULT_MODEL_TYPES = {
    "encoder_config": "spatial_ast",
    "projector_config": "spatial_qformer_projector",
    "text_config": "llama",
}


@strict
class SpatialLLMConfig(CheckedConfig):
    """Configuration of `SpatialLLMForConditionalGeneration`.

    Args:
        encoder_config: configuration of the spatial encoder (`model_type` "spatial_ast", "dspast", ...).
        projector_config: configuration of the projector; what depends on the other parts (its two widths, the encoder's
            channel slices) is filled in if it is not given.
        text_config: configuration of any causal language model, or of a mono base, which hears the recording by itself too
            (`spatial_llm.model.mono_base`).
        audio_token_id: id of a placeholder in `input_ids`, one for each audio token. It may lie outside the language model's
            vocabulary (Llama-2 has no spare token): it is replaced before anything is embedded.
        lora: low-rank adapters inside the language model, or None: rank, alpha, dropout, target_modules (BAT: 8, 32, 0.05,
            q_proj and v_proj); missing keys take BAT's values.
        fusion: how audio enters the language model: a `type`, a key of `spatial_llm.fusion.kinds.FUSIONS`, and the fields of
            that fusion; None is "prefix", audio tokens in front of the prompt.
        mono: how a mono base is fed, a key of `mono_inputs.WAYS`; None is the default for the encoder's format, and stays
            None with any other language model.
        time_tokens: tokens of their own for times in seconds, which train with LoRA: {"form": "digits"}, or {"form":
            "absolute", "longest_s": 10.0}; None writes times in the tokens of the vocabulary (`model.time_tokens`).
        freeze_encoder: no gradient reaches the encoder and it stays in eval mode even in training, so that its BatchNorms
            keep their statistics.
    """

    model_type = "spatial_llm"
    # Not `sub_configs_defaults`, because transformers before 5.20 does not have it.
    sub_configs = dict.fromkeys(DEFAULT_MODEL_TYPES, AutoConfig)

    encoder_config: dict | PreTrainedConfig | None = None
    projector_config: dict | PreTrainedConfig | None = None
    text_config: dict | PreTrainedConfig | None = None
    audio_token_id: int = 32_000
    lora: dict | None = None
    fusion: dict | None = None
    mono: str | None = None
    time_tokens: dict | None = None
    freeze_encoder: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        widths_given = isinstance(self.projector_config, PreTrainedConfig)
        given = self.projector_config if isinstance(self.projector_config, dict) else {}
        for part, model_type in DEFAULT_MODEL_TYPES.items():
            settings = getattr(self, part)
            if not isinstance(settings, PreTrainedConfig):
                setattr(self, part, AutoConfig.for_model(**{"model_type": model_type, **(settings or {})}))
        super().__post_init__(**kwargs)
        fusion, text = read_fusion(self.fusion), self.text_config.get_text_config()
        if self.fusion is not None:
            self.fusion = fusion.to_dict()
        fusion.fused_layers(text.num_hidden_layers)  # raises if a layer is not there
        whole = self.encoder_config.token_layout
        layout = fusion.projector_layout(whole)  # raises if the fusion cannot divide this encoder's tokens
        for name, width, owner in (
            ("encoder_hidden_size", layout.width, "encoder" if layout is whole else "encoder's slices"),
            ("text_hidden_size", fusion.audio_width(text.hidden_size), "fusion" if fusion.deep else "text"),
        ):
            if not widths_given and name not in given:
                setattr(self.projector_config, name, width)
            elif getattr(self.projector_config, name) != width:
                raise SpatialLLMError(
                    f"projector_config.{name} is {getattr(self.projector_config, name)}, expected {width}, the width of the "
                    f"{owner} it is joined to: give that number, or leave it out."
                )
        self.projector_config.fit(layout)
        _ = self.num_audio_tokens  # raises if the projector cannot take this encoder's tokens
        self._check_mono()
        if self.lora is not None:
            self.lora = _checked_lora(self.lora)
        if isinstance(self.audio_token_id, bool) or self.audio_token_id < 0:
            raise SpatialLLMError(f"audio_token_id is {self.audio_token_id}; expected the id of a token, at least 0.")
        check_free(self.times, self.audio_token_id)
        if self.times is not None and mono_base_of(self.text_config) is not None:
            raise SpatialLLMError(
                f"time_tokens is {self.time_tokens}, but a language model that hears by itself "
                f"({self.text_config.model_type}) embeds its prompts itself, where no token can be added: set time_tokens "
                "to None (none in a recipe); its times stay text."
            )

    def get_text_config(self, *args: Any, **kwargs: Any) -> PreTrainedConfig:
        """Returns the config of the text model, also where it is inside a mono base."""
        return super().get_text_config(*args, **kwargs).get_text_config()

    def _check_mono(self) -> None:
        if mono_base_of(self.text_config) is None:
            if self.mono is not None:
                raise SpatialLLMError(
                    f"mono is {self.mono!r}, but a language model of type {self.text_config.model_type} hears nothing by "
                    "itself: leave it out."
                )
            return
        self.mono = mono_way(self.mono, parse_input_format(self.encoder_config.audio_format))
        if self.audio_token_id == self.text_config.audio_token_id:
            raise SpatialLLMError(
                f"audio_token_id is {self.audio_token_id}, the placeholder of {self.text_config.model_type} for its "
                "own audio: give another id, for instance the first outside the vocabulary."
            )

    @property
    def num_audio_tokens(self) -> int:
        """Returns the number of audio tokens of one clip, which is the number of its placeholders in the prompt."""
        fusion, layout = self.joined_by, self.encoder_config.token_layout
        return fusion.num_placeholders(self.projector_config.num_tokens(fusion.projector_layout(layout)), layout)

    @property
    def times(self) -> TimeTokens | None:
        """Returns the tokens that the field `time_tokens` describes, whose ids follow the vocabulary; None for none."""
        return read_time_tokens(self.time_tokens, self.get_text_config().vocab_size)

    @property
    def joined_by(self) -> Fusion:
        """Returns the fusion that the field `fusion` describes."""
        return read_fusion(self.fusion)


def _checked_lora(lora: dict[str, Any]) -> dict[str, Any]:
    """Returns `lora` with BAT's values for missing keys. Raises SpatialLLMError on an invalid key or value."""
    if unknown := sorted(set(lora) - set(LORA_DEFAULTS)):
        raise SpatialLLMError(f"lora has unknown keys {unknown}; expected some of {sorted(LORA_DEFAULTS)}.")
    lora = {**LORA_DEFAULTS, **lora}
    rank, targets = lora["rank"], lora["target_modules"]
    if isinstance(rank, bool) or not isinstance(rank, int) or rank < 1:
        raise SpatialLLMError(f"lora.rank is {rank!r}; expected a whole number of at least 1.")
    for name, most in (("alpha", math.inf), ("dropout", 1.0)):
        value = lora[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < most:
            raise SpatialLLMError(f"lora.{name} is {value!r}; expected a number of at least 0 and below {most:g}.")
    if not isinstance(targets, list | tuple) or not targets or not all(isinstance(name, str) for name in targets):
        raise SpatialLLMError(f"lora.target_modules is {targets!r}; expected a list of names of linear layers.")
    return lora
