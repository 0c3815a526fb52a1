"""Projectors convert an encoder's tokens to input of the language model: fewer tokens, of its width.

Each one is `forward(audio_hidden_states (B, tokens, encoder width), layout) -> AudioTokens`; see `projectors.base`.
"""

from importlib import import_module

from spatial_llm.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "spatial_llm.projectors.base": ["AudioTokens", "Projector", "ProjectorConfig"],
        "spatial_llm.projectors.configuration_mlp": ["MLPProjectorConfig"],
        "spatial_llm.projectors.configuration_qformer": ["QFormerProjectorConfig"],
        "spatial_llm.projectors.modeling_mlp": ["MLPProjector"],
        "spatial_llm.projectors.modeling_qformer": ["QFormerProjector"],
    },
)

import_module("transformers")  # before any module of this package, see `auto_classes`
