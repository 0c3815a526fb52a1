"""The projectors by model type: one line each, which the Auto classes and the recipes read."""

from spatial_llm.projectors.base import Projector, ProjectorConfig
from spatial_llm.projectors.configuration_mlp import MLPProjectorConfig
from spatial_llm.projectors.configuration_qformer import QFormerProjectorConfig
from spatial_llm.projectors.modeling_mlp import MLPProjector
from spatial_llm.projectors.modeling_qformer import QFormerProjector

# configuration, model
PROJECTORS: dict[str, tuple[type[ProjectorConfig], type[Projector]]] = {
    "spatial_qformer_projector": (QFormerProjectorConfig, QFormerProjector),
    "spatial_mlp_projector": (MLPProjectorConfig, MLPProjector),
}
