"""The encoders by model type: one line each, which the Auto classes and the training of encoders read."""

from spatial_llm.encoders.configuration_base import SpatialEncoderConfig
from spatial_llm.encoders.configuration_dspast import DSpASTConfig
from spatial_llm.encoders.configuration_spatial_ast import SpatialASTConfig
from spatial_llm.encoders.modeling_base import SpatialEncoderPreTrainedModel
from spatial_llm.encoders.modeling_dspast import DSpASTForLocalization, DSpASTModel
from spatial_llm.encoders.modeling_spatial_ast import SpatialASTForLocalization, SpatialASTModel

Model = type[SpatialEncoderPreTrainedModel]
# configuration, model without heads, model with heads
ENCODERS: dict[str, tuple[type[SpatialEncoderConfig], Model, Model]] = {
    "spatial_ast": (SpatialASTConfig, SpatialASTModel, SpatialASTForLocalization),
    "dspast": (DSpASTConfig, DSpASTModel, DSpASTForLocalization),
}
