"""Configures the pool projector: the encoder's tokens are compressed in time (arXiv 2511.20973)."""

from typing import Any

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.checked_config import check_counts
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors.shared_fields import TwoLayerConfig

METHODS = ("mean", "sample", "segments")
COLUMNS = ("concat", "mean", "keep")


@strict
class PoolProjectorConfig(TwoLayerConfig):
    """Configuration of `PoolProjector`; further fields are those of `TwoLayerConfig` and `ProjectorConfig`.

    Args:
        method: "mean": the mean of neighbouring rows; "sample": the first of them; "segments": the mean of each segment,
            where the segments of a clip end at its largest changes.
        factor: rows of the encoder's grid for each row that is kept; the last one may cover fewer.
        num_rows: number of rows that are kept of each clip. Give it in place of `factor`; without either, `factor` is 2.
        columns: "concat": the frequency columns of a row become one token, side by side along its channels; "mean": their
            mean; "keep": a token for each of them.
        num_columns: frequency columns of the encoder's grid, on which the weights of "concat" alone depend. None: those of
            the encoder that the projector is joined to.

    Raises:
        SpatialLLMError: a size or name is impossible, or both `factor` and `num_rows` are given.
    """

    model_type = "spatial_pool_projector"

    method: str = "mean"
    factor: int | None = None
    num_rows: int | None = None
    columns: str = "concat"
    num_columns: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        for name, known in (("method", METHODS), ("columns", COLUMNS)):
            if getattr(self, name) not in known:
                raise SpatialLLMError(f"{name} is {getattr(self, name)!r}; expected one of {', '.join(known)}.")
        if self.factor is not None and self.num_rows is not None:
            raise SpatialLLMError(f"factor is {self.factor} and num_rows is {self.num_rows}; give one of the two.")
        if self.num_columns is not None and self.columns != "concat":
            raise SpatialLLMError(
                f"num_columns is {self.num_columns} with columns {self.columns}; leave it out, only concat depends on it."
            )
        if self.factor is None and self.num_rows is None:
            self.factor = 2
        check_counts(self, *(name for name in ("factor", "num_rows", "num_columns") if getattr(self, name) is not None))

    def fit(self, layout: TokenLayout) -> None:
        """Takes the number of columns, which "concat" needs; see `ProjectorConfig.fit`."""
        if self.columns == "concat" and self.num_columns is None:
            self.num_columns = layout.grid[1]
        self.num_tokens(layout)

    def kept_rows(self, layout: TokenLayout) -> int:
        """Returns the number of rows after compression.

        Raises:
            SpatialLLMError: `num_rows` is more than the grid has.
        """
        rows = layout.grid[0]
        if self.num_rows is None:
            return -(-rows // self.factor)
        if self.num_rows > rows:
            raise SpatialLLMError(
                f"num_rows is {self.num_rows}, but the encoder's grid has {rows} rows; give at most these."
            )
        return self.num_rows

    def num_tokens(self, layout: TokenLayout) -> int:
        """Returns the number of rows after compression, times the columns where they are kept; CLS tokens do not count.

        Raises:
            SpatialLLMError: `num_rows` is more than the grid has, or `num_columns` is not the grid's.
        """
        columns = layout.grid[1]
        if self.num_columns not in (None, columns):
            raise SpatialLLMError(
                f"num_columns is {self.num_columns}, but the encoder's grid has {columns} columns; leave it out, and it is "
                "filled in."
            )
        return self.kept_rows(layout) * (columns if self.columns == "keep" else 1)
