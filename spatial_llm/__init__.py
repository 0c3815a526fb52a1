"""spatial_llm: a recording with spatial cues goes in, a question goes in, an answer comes out.

Importing it registers the models with transformers' Auto classes.
"""

# First, before anything reaches transformers, which fails on such a pair in words of its own.
import spatial_llm.torch_pair  # noqa: F401  # isort: split
from spatial_llm.audio.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.encoders import (
    DSpASTConfig,
    DSpASTForLocalization,
    DSpASTModel,
    SpatialASTConfig,
    SpatialASTForLocalization,
    SpatialASTModel,
)
from spatial_llm.model import (
    SpatialLLM,
    SpatialLLMConfig,
    SpatialLLMForConditionalGeneration,
    SpatialLLMModel,
    SpatialLLMProcessor,
    add_lora,
)
from spatial_llm.projectors import QFormerProjector, QFormerProjectorConfig

__version__ = "0.1.0"

__all__ = [
    "DSpASTConfig",
    "DSpASTForLocalization",
    "DSpASTModel",
    "QFormerProjector",
    "QFormerProjectorConfig",
    "SpatialASTConfig",
    "SpatialASTForLocalization",
    "SpatialASTModel",
    "SpatialFeatureExtractor",
    "SpatialLLM",
    "SpatialLLMConfig",
    "SpatialLLMForConditionalGeneration",
    "SpatialLLMModel",
    "SpatialLLMProcessor",
    "add_lora",
]
