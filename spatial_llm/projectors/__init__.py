"""Audio tokens of an encoder -> a few tokens of the language model's width. Every projector is
`forward(audio_hidden_states (B, tokens, encoder width))`, whose output's `last_hidden_state` is `audio_embeds`
(B, query tokens, text width)."""

from importlib import import_module

from spatial_llm.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "spatial_llm.projectors.configuration_qformer": ["QFormerProjectorConfig"],
        "spatial_llm.projectors.modeling_qformer": ["QFormerProjector"],
    },
)

import_module("transformers")  # before any module of this package, see `auto_classes`
