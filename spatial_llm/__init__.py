"""spatial_llm: a recording with spatial cues goes in, a question goes in, an answer comes out.

Names are imported when they are first used, so that simulating and scoring need no model. The models are registered with
transformers' Auto classes as soon as transformers is imported, before or after this package.
"""

import spatial_llm.auto_classes  # noqa: F401
from spatial_llm.lazy_names import lazy_names

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "spatial_llm.encoders": [
            "DSpASTConfig",
            "DSpASTForLocalization",
            "DSpASTModel",
            "ParallelEncoder",
            "ParallelEncoderConfig",
            "ParallelFeatureExtractor",
            "SpatialASTConfig",
            "SpatialASTForLocalization",
            "SpatialASTModel",
            "SpatialFeatureExtractor",
        ],
        "spatial_llm.model": [
            "SpatialLLM",
            "SpatialLLMConfig",
            "SpatialLLMForConditionalGeneration",
            "SpatialLLMModel",
            "SpatialLLMProcessor",
            "add_lora",
        ],
        "spatial_llm.projectors": ["MLPProjector", "MLPProjectorConfig", "QFormerProjector", "QFormerProjectorConfig"],
        "spatial_llm.questions.types": ["format_value", "parse_value"],
        "spatial_llm.scenes": ["Scene"],
    },
)
