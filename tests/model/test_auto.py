"""transformers' Auto classes know ours after `import spatial_llm`."""

import torch
from transformers import (
    AutoConfig,
    AutoFeatureExtractor,
    AutoModel,
    AutoModelForMultimodalLM,
    AutoProcessor,
)

import spatial_llm  # noqa: F401
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.model import (
    SpatialLLM,
    SpatialLLMConfig,
    SpatialLLMForConditionalGeneration,
    SpatialLLMModel,
    SpatialLLMProcessor,
)
from spatial_llm.projectors import QFormerProjector
from spatial_llm.testing import tiny_config, tiny_processor


def test_auto_classes_load_ours(tmp_path):
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(tiny_config("spatial_llm"))
    SpatialLLM(model, tiny_processor()).save_pretrained(tmp_path)
    assert type(AutoConfig.from_pretrained(tmp_path)) is SpatialLLMConfig
    assert type(AutoModel.from_pretrained(tmp_path)) is SpatialLLMModel
    assert type(AutoModelForMultimodalLM.from_pretrained(tmp_path)) is SpatialLLMForConditionalGeneration
    assert type(AutoProcessor.from_pretrained(tmp_path)) is SpatialLLMProcessor
    assert type(AutoFeatureExtractor.from_pretrained(tmp_path)) is SpatialFeatureExtractor


def test_auto_model_builds_every_part():
    for name, expected in (
        ("spatial_qformer_projector", QFormerProjector),
        ("spatial_llm", SpatialLLMModel),
    ):
        assert type(AutoModel.from_config(tiny_config(name))) is expected
