"""Projectors convert an encoder's tokens to input of the language model: fewer tokens, of its width.

Each one is `forward(audio_hidden_states (B, tokens, encoder width), layout) -> AudioTokens`; see `projectors.base`.
"""

from importlib import import_module

from spatial_llm.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "spatial_llm.projectors.base": ["AudioTokens", "Projector", "ProjectorConfig"],
        "spatial_llm.projectors.configuration_aggregator": ["AggregatorProjectorConfig"],
        "spatial_llm.projectors.configuration_mlp": ["MLPProjectorConfig"],
        "spatial_llm.projectors.configuration_pool": ["PoolProjectorConfig"],
        "spatial_llm.projectors.configuration_qformer": ["QFormerProjectorConfig"],
        "spatial_llm.projectors.configuration_regions": ["RegionsProjectorConfig"],
        "spatial_llm.projectors.codebook_use": ["CodebookUse", "codebook_use"],
        "spatial_llm.projectors.configuration_rvq": ["RVQProjectorConfig"],
        "spatial_llm.projectors.configuration_slices": ["SlicesProjectorConfig"],
        "spatial_llm.projectors.configuration_window_qformer": ["WindowQFormerProjectorConfig"],
        "spatial_llm.projectors.modeling_aggregator": ["AggregatorProjector"],
        "spatial_llm.projectors.modeling_mlp": ["MLPProjector"],
        "spatial_llm.projectors.modeling_pool": ["PoolProjector"],
        "spatial_llm.projectors.modeling_qformer": ["QFormerProjector"],
        "spatial_llm.projectors.modeling_regions": ["RegionsProjector"],
        "spatial_llm.projectors.modeling_rvq": ["RVQProjector"],
        "spatial_llm.projectors.modeling_slices": ["SlicesProjector"],
        "spatial_llm.projectors.modeling_window_qformer": ["WindowQFormerProjector"],
    },
)

import_module("transformers")  # before any module of this package, see `auto_classes`
