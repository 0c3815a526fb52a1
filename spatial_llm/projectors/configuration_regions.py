"""Configures the connector of regions (PAL, arXiv 2506.10423; Cambrian-1, arXiv 2406.16860)."""

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.projectors.shared_fields import RegionConfig


@strict
class RegionsProjectorConfig(RegionConfig):
    """Configuration of `RegionsProjector`; the fields are those of `RegionConfig`, `SlicedConfig`, `AttentionConfig` and
    `ProjectorConfig`.

    PAL does not publish the sizes; the defaults are one layer of 8 heads. Cambrian-1 has 3 layers of 16 heads, 1024 wide.
    """

    model_type = "spatial_regions_projector"

    num_hidden_layers: int = 1
    num_attention_heads: int = 8
    layer_norm_eps: float = 1e-5

    def num_tokens(self, layout: TokenLayout) -> int:
        """Returns the number of regions that tile the grid; the CLS tokens do not count.

        Raises:
            SpatialLLMError: the regions do not fit the grids, or the layout has other slices.
        """
        self.check_layout(layout)
        return self.num_regions(layout)
