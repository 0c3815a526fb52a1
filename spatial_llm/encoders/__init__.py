"""Cues to audio tokens: SpatialAST and DSpAST, with and without heads, and several encoders side by side.

What a projector must know of an encoder's output is `config.token_layout`, a `TokenLayout`.
"""

from importlib import import_module

from spatial_llm.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "spatial_llm.encoders.configuration_dspast": ["DSpASTConfig"],
        "spatial_llm.encoders.configuration_parallel": ["ParallelEncoderConfig"],
        "spatial_llm.encoders.configuration_spatial_ast": ["SpatialASTConfig"],
        "spatial_llm.encoders.feature_extraction_parallel": ["ParallelFeatureExtractor"],
        "spatial_llm.encoders.feature_extraction_spatial": ["SpatialFeatureExtractor"],
        "spatial_llm.encoders.modeling_dspast": ["DSpASTForLocalization", "DSpASTModel"],
        "spatial_llm.encoders.modeling_parallel": ["ParallelEncoder"],
        "spatial_llm.encoders.modeling_spatial_ast": ["SpatialASTForLocalization", "SpatialASTModel"],
        "spatial_llm.encoders.token_layout": ["TokenLayout"],
    },
)

import_module("transformers")  # before any module of this package, see `auto_classes`
