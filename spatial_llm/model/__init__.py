"""The composite of encoder, projector and language model, its processor, its adapters, and `ask`."""

from importlib import import_module

from spatial_llm.lazy_names import lazy_names

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "spatial_llm.fusion.added_module": ["AddedModule"],
        "spatial_llm.model.adapters": ["add_lora"],
        "spatial_llm.model.body": ["SpatialLLMModel", "SpatialLLMModelOutputWithPast"],
        "spatial_llm.model.configuration_spatial_llm": ["SpatialLLMConfig"],
        "spatial_llm.model.modeling_spatial_llm": [
            "SpatialLLMCausalLMOutputWithPast",
            "SpatialLLMForConditionalGeneration",
        ],
        "spatial_llm.model.pipeline": ["SpatialLLM"],
        "spatial_llm.model.processing_spatial_llm": ["SpatialLLMProcessor"],
        "spatial_llm.model.trained_parts": ["trained_keys"],
    },
)

import_module("transformers")  # before any module of this package, see `auto_classes`
