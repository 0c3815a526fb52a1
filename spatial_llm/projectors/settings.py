"""Reads the `projector` of a recipe: a `model_type` and fields of that projector's configuration, under their own names."""

from typing import Any

from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PreTrainedConfig

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors.base import ProjectorConfig
from spatial_llm.projectors.configuration_qformer import QFormerProjectorConfig
from spatial_llm.projectors.kinds import PROJECTORS

# Names of the Q-Former's fields in recipes of earlier versions.
EARLIER = {
    "queries": "num_query_tokens",
    "layers": "num_hidden_layers",
    "cross_attention_every": "cross_attention_frequency",
    "attention_heads": "num_attention_heads",
    "dropout": "hidden_dropout_prob and attention_probs_dropout_prob",
    "calibrate": "standardize_inputs",
}


def projector_config(
    settings: dict[str, Any], layout: TokenLayout | None = None, called: str = "projector", **widths: int
) -> ProjectorConfig:
    """Returns the configuration that `settings` describe; without a `model_type`, that of a Q-Former.

    Args:
        settings: `model_type` and fields.
        layout: of the tokens of the encoder that the projector is for; what its weights depend on is then filled in.
        called: the user's name of the settings, with which errors begin.
        **widths: `encoder_hidden_size` and `text_hidden_size`, if the settings do not give them.

    Raises:
        SpatialLLMError: an unknown `model_type` or field, or an impossible value; the message gives what to write. The
            projector cannot take the layout.
    """
    fields = dict(settings)
    model_type = fields.pop("model_type", QFormerProjectorConfig.model_type)
    if model_type not in PROJECTORS:
        raise SpatialLLMError(f"{called}.model_type is {model_type!r}; expected one of {', '.join(sorted(PROJECTORS))}.")
    kind, _ = PROJECTORS[model_type]
    known = sorted(own_fields(kind()))
    for name in fields:
        if name not in known:
            there = name in EARLIER and EARLIER[name].split()[0] in known
            hint = f"write {EARLIER[name]} in its place; " if there else ""
            raise SpatialLLMError(f"{called}.{name} is no field of a {model_type}; {hint}its fields are {', '.join(known)}.")
    try:
        config = AutoConfig.for_model(model_type, **{**widths, **fields})
    except StrictDataclassError as error:
        raise SpatialLLMError(f"{called}: {' '.join(str(error).split())}") from None
    if layout is not None:
        config.fit(layout)
    return config


def own_fields(config: ProjectorConfig) -> dict[str, Any]:
    """Returns the fields of a projector's configuration that settings may give, without those of every configuration."""
    every = PreTrainedConfig().to_dict()
    return {name: value for name, value in config.to_dict().items() if name not in every}
