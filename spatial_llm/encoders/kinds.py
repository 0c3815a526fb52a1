"""The encoders by model type: one line each, which the Auto classes and the training of encoders read."""

from typing import NamedTuple

from transformers import PreTrainedConfig, PreTrainedModel

from spatial_llm.encoders.configuration_dspast import DSpASTConfig
from spatial_llm.encoders.configuration_parallel import ParallelEncoderConfig
from spatial_llm.encoders.configuration_spatial_ast import SpatialASTConfig
from spatial_llm.encoders.feature_extraction_base import RecordingFeatureExtractor
from spatial_llm.encoders.feature_extraction_parallel import ParallelFeatureExtractor
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.encoders.modeling_dspast import DSpASTForLocalization, DSpASTModel
from spatial_llm.encoders.modeling_parallel import ParallelEncoder
from spatial_llm.encoders.modeling_spatial_ast import SpatialASTForLocalization, SpatialASTModel


class EncoderKind(NamedTuple):
    """The classes of one encoder; `with_heads` is None where nothing of it is trained here."""

    config: type[PreTrainedConfig]
    model: type[PreTrainedModel]
    with_heads: type[PreTrainedModel] | None
    feature_extractor: type[RecordingFeatureExtractor]


ENCODERS = {
    "spatial_ast": EncoderKind(SpatialASTConfig, SpatialASTModel, SpatialASTForLocalization, SpatialFeatureExtractor),
    "dspast": EncoderKind(DSpASTConfig, DSpASTModel, DSpASTForLocalization, SpatialFeatureExtractor),
    "parallel": EncoderKind(ParallelEncoderConfig, ParallelEncoder, None, ParallelFeatureExtractor),
}
TRAINABLE_ENCODERS = {model_type: kind for model_type, kind in ENCODERS.items() if kind.with_heads is not None}
