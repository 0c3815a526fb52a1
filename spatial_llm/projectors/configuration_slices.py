"""Configures the projector with a connector for each channel slice, such as the three branches of DSpAST."""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.checked_config import check_counts
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors.shared_fields import RegionConfig

CONNECTORS = ("qformer", "regions")


@strict
class SlicesProjectorConfig(RegionConfig):
    """Configuration of `SlicesProjector`; further fields are those of `RegionConfig` (read by the connector "regions"
    alone), `SlicedConfig`, `AttentionConfig` and `ProjectorConfig`.

    Args:
        connector: what each slice has: "qformer", each layer of which attends to the audio, or "regions".
        num_hidden_layers: layers of each connector.
        slots_per_slice: tokens of each slice with "qformer": as many slots as a recording may have sources, or more.
        standardize_inputs: as in `QFormerProjectorConfig`.

    Raises:
        SpatialLLMError: a size, share or name is impossible; the message names it.
    """

    model_type = "spatial_slices_projector"
    cross_attention_frequency: ClassVar[int] = 1
    several_slices_are: ClassVar[str] = (
        "several slices, one for each task, layer or encoder, such as the three branches of DSpAST: give such an encoder"
    )

    num_hidden_layers: int = 2
    connector: str = "qformer"
    slots_per_slice: int = 8
    standardize_inputs: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_counts(self, "slots_per_slice")
        if self.connector not in CONNECTORS:
            raise SpatialLLMError(f"connector is {self.connector!r}; expected one of {', '.join(CONNECTORS)}.")

    def tokens_per_slice(self, layout: TokenLayout) -> int:
        """Returns `slots_per_slice`, or the number of regions."""
        return self.slots_per_slice if self.connector == "qformer" else self.num_regions(layout)

    def num_tokens(self, layout: TokenLayout) -> int:
        """Returns the tokens of all slices.

        Raises:
            SpatialLLMError: the layout has other slices, or a single one; with "regions", these do not fit the grids.
        """
        self.check_layout(layout)
        return len(layout.channel_slices) * self.tokens_per_slice(layout)
