"""Configures the aggregator of several encoder layers beside a Q-Former (GAMA, arXiv 2406.11768)."""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.checked_config import check_counts
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors.shared_fields import SlicedConfig


@strict
class AggregatorProjectorConfig(SlicedConfig):
    """Configuration of `AggregatorProjector`; further fields are those of `SlicedConfig`, `AttentionConfig` and
    `ProjectorConfig`, of which `hidden_size` and `num_hidden_layers` are those of the Q-Former.

    The channel slices are layers of one encoder, the last slice its last layer. The aggregator has one transformer block for
    each earlier slice, as wide as the last slice, with the heads, feed-forward width and dropouts of the Q-Former.

    Args:
        cross_attention_frequency: Q-Former layers 0, f, 2f, ... attend to the audio.
        num_query_tokens: queries of the Q-Former; tokens for the time rows follow them.

    Raises:
        SpatialLLMError: a size or share is impossible; the message names it.
    """

    model_type = "spatial_aggregator_projector"
    several_slices_are: ClassVar[str] = (
        "several layers of the encoder, one slice each and the last layer last: give an encoder that returns several layers"
    )

    cross_attention_frequency: int = 2
    num_query_tokens: int = 32

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_counts(self, "cross_attention_frequency", "num_query_tokens")

    def _check_slices(self, sizes: list[int] | tuple[int, ...]) -> None:
        super()._check_slices(sizes)
        if sizes[-1] % self.num_attention_heads:
            raise SpatialLLMError(
                f"the last slice has {sizes[-1]} channels, with {self.num_attention_heads} heads; expected a multiple of "
                "num_attention_heads."
            )

    def num_tokens(self, layout: TokenLayout) -> int:
        """Returns `num_query_tokens` and one token for each time row of the grid.

        Raises:
            SpatialLLMError: the layout has other slices, or a single one.
        """
        self.check_layout(layout)
        return self.num_query_tokens + layout.grid[0]
