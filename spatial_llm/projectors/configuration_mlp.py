"""Configures the MLP projector: 21 million parameters for a SpatialAST of full size and a language model 4096 wide."""

from typing import Any

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.checked_config import check_counts
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors.shared_fields import TwoLayerConfig


@strict
class MLPProjectorConfig(TwoLayerConfig):
    """Configuration of `MLPProjector`; further fields are those of `TwoLayerConfig` and `ProjectorConfig`.

    Args:
        rows_per_token: time rows of the encoder's patch grid that one token for the language model covers.
        columns_per_token: frequency columns that one token covers. Both divide the grid, which is 64 x 8 at full size: the
            default makes one token of each row, 64 in all, as many as BAT's Q-Former has queries.

    Raises:
        SpatialLLMError: a size is impossible; the message names it.
    """

    model_type = "spatial_mlp_projector"

    rows_per_token: int = 1
    columns_per_token: int = 8

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_counts(self, "rows_per_token", "columns_per_token")

    def num_tokens(self, layout: TokenLayout) -> int:
        """Returns the number of blocks of patches that tile the grid; the CLS tokens do not count.

        Raises:
            SpatialLLMError: `rows_per_token` and `columns_per_token` do not divide the grid.
        """
        rows, columns = layout.grid
        if rows % self.rows_per_token or columns % self.columns_per_token:
            raise SpatialLLMError(
                f"rows_per_token {self.rows_per_token} and columns_per_token {self.columns_per_token} do not divide the "
                f"encoder's {rows} rows x {columns} columns of patches; give numbers that do."
            )
        return (rows // self.rows_per_token) * (columns // self.columns_per_token)
