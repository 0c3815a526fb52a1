"""Fusions: the ways in which audio tokens enter the language model, behind the field `fusion` of `SpatialLLMConfig`."""

from importlib import import_module

from spatial_llm.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "spatial_llm.fusion.added_module": ["AddedModule"],
        "spatial_llm.fusion.base": ["Fusion"],
        "spatial_llm.fusion.delayed": ["Delayed"],
        "spatial_llm.fusion.gated_cross_attention": ["GatedCrossAttention"],
        "spatial_llm.fusion.hooks": ["attach"],
        "spatial_llm.fusion.hybrid": ["Hybrid"],
        "spatial_llm.fusion.lal": ["Lal"],
        "spatial_llm.fusion.per_encoder": ["PerEncoder"],
        "spatial_llm.fusion.prefix": ["Prefix"],
        "spatial_llm.fusion.settings": ["read_fusion"],
    },
)

import_module("transformers")  # before any module of this package, see `auto_classes`
