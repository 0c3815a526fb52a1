"""The composite of encoder, projector and language model, its processor, its adapters, and `ask`."""

from transformers import AutoConfig, AutoModel, AutoModelForMultimodalLM, AutoProcessor

from spatial_llm.model.adapters import add_lora, trained_keys
from spatial_llm.model.body import SpatialLLMModel, SpatialLLMModelOutputWithPast
from spatial_llm.model.configuration_spatial_llm import SpatialLLMConfig
from spatial_llm.model.modeling_spatial_llm import SpatialLLMCausalLMOutputWithPast, SpatialLLMForConditionalGeneration
from spatial_llm.model.pipeline import SpatialLLM
from spatial_llm.model.processing_spatial_llm import SpatialLLMProcessor

__all__ = [
    "SpatialLLM",
    "SpatialLLMCausalLMOutputWithPast",
    "SpatialLLMConfig",
    "SpatialLLMForConditionalGeneration",
    "SpatialLLMModel",
    "SpatialLLMModelOutputWithPast",
    "SpatialLLMProcessor",
    "add_lora",
    "trained_keys",
]

AutoConfig.register(SpatialLLMConfig.model_type, SpatialLLMConfig)
AutoModel.register(SpatialLLMConfig, SpatialLLMModel)
AutoModelForMultimodalLM.register(SpatialLLMConfig, SpatialLLMForConditionalGeneration)
AutoProcessor.register(SpatialLLMConfig, SpatialLLMProcessor)
