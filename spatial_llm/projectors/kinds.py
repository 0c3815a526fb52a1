"""The projectors by model type: one line each, which the Auto classes and the recipes read."""

from spatial_llm.projectors.base import Projector, ProjectorConfig
from spatial_llm.projectors.configuration_aggregator import AggregatorProjectorConfig
from spatial_llm.projectors.configuration_mlp import MLPProjectorConfig
from spatial_llm.projectors.configuration_pool import PoolProjectorConfig
from spatial_llm.projectors.configuration_qformer import QFormerProjectorConfig
from spatial_llm.projectors.configuration_regions import RegionsProjectorConfig
from spatial_llm.projectors.configuration_rvq import RVQProjectorConfig
from spatial_llm.projectors.configuration_slices import SlicesProjectorConfig
from spatial_llm.projectors.configuration_window_qformer import WindowQFormerProjectorConfig
from spatial_llm.projectors.modeling_aggregator import AggregatorProjector
from spatial_llm.projectors.modeling_mlp import MLPProjector
from spatial_llm.projectors.modeling_pool import PoolProjector
from spatial_llm.projectors.modeling_qformer import QFormerProjector
from spatial_llm.projectors.modeling_regions import RegionsProjector
from spatial_llm.projectors.modeling_rvq import RVQProjector
from spatial_llm.projectors.modeling_slices import SlicesProjector
from spatial_llm.projectors.modeling_window_qformer import WindowQFormerProjector

# configuration, model
PROJECTORS: dict[str, tuple[type[ProjectorConfig], type[Projector]]] = {
    "spatial_qformer_projector": (QFormerProjectorConfig, QFormerProjector),
    "spatial_mlp_projector": (MLPProjectorConfig, MLPProjector),
    "spatial_window_qformer_projector": (WindowQFormerProjectorConfig, WindowQFormerProjector),
    "spatial_pool_projector": (PoolProjectorConfig, PoolProjector),
    "spatial_aggregator_projector": (AggregatorProjectorConfig, AggregatorProjector),
    "spatial_regions_projector": (RegionsProjectorConfig, RegionsProjector),
    "spatial_slices_projector": (SlicesProjectorConfig, SlicesProjector),
    "spatial_rvq_projector": (RVQProjectorConfig, RVQProjector),
}
