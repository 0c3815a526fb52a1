"""Configures the pool projector: the encoder's tokens are compressed in time (arXiv 2511.20973)."""

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.projectors.shared_fields import PoolingConfig, TwoLayerConfig


@strict
class PoolProjectorConfig(PoolingConfig, TwoLayerConfig):
    """Configuration of `PoolProjector`: its fields are those of `PoolingConfig`, `TwoLayerConfig` and `ProjectorConfig`."""

    model_type = "spatial_pool_projector"

    def num_tokens(self, layout: TokenLayout) -> int:
        """Returns the number of positions of `PoolingConfig`, each of which becomes a token."""
        return self.num_positions(layout)
