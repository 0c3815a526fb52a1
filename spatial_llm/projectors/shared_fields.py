"""Fields of configurations that several projectors share."""

import math
from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.checked_config import check_counts, check_numbers
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors.base import ProjectorConfig


@strict
class TwoLayerConfig(ProjectorConfig):
    """Fields of the two linear layers that end `MLPProjector` and `PoolProjector`.

    Args:
        hidden_size: width between the two linear layers.
        hidden_act: activation between them.
        layer_norm_eps: epsilon of the layer norm before them.
        initializer_range: standard deviation of fresh weights.

    Raises:
        SpatialLLMError: a size is impossible; the message names it.
    """

    hidden_size: int = 2048
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_counts(self, "hidden_size", "encoder_hidden_size", "text_hidden_size")
        check_numbers(self, 0, 2, "layer_norm_eps")
        check_numbers(self, 0, math.inf, "initializer_range")


METHODS = ("mean", "sample", "segments")
COLUMNS = ("concat", "mean", "keep")


@strict
class PoolingConfig(ProjectorConfig):
    """Fields of projectors that compress the encoder's grid in time first (arXiv 2511.20973); see `projectors.pooling`.

    Args:
        method: "mean": the mean of neighbouring rows; "sample": the first of them; "segments": the mean of each segment,
            where the segments of a clip end at its largest changes.
        factor: rows of the encoder's grid for each row that is kept; the last one may cover fewer.
        num_rows: number of rows that are kept of each clip. Give it in place of `factor`; without either, `factor` is 2.
        columns: "concat": the frequency columns of a row become one position, side by side along its channels; "mean":
            their mean; "keep": a position for each of them.
        num_columns: frequency columns of the encoder's grid, on which the weights of "concat" alone depend. None: those of
            the encoder that the projector is joined to.

    Raises:
        SpatialLLMError: a size or name is impossible, or both `factor` and `num_rows` are given.
    """

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
        self.num_positions(layout)

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

    @property
    def pooled_size(self) -> int:
        """Returns the channels of a position.

        Raises:
            SpatialLLMError: the columns are concatenated, and nobody gave their number.
        """
        if self.columns == "concat" and self.num_columns is None:
            raise SpatialLLMError(
                "num_columns is None with columns: concat; give the number of frequency columns of the encoder's grid, or "
                "join the configuration to an encoder's."
            )
        return self.encoder_hidden_size * (self.num_columns or 1)

    def num_positions(self, layout: TokenLayout) -> int:
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


@strict
class AttentionConfig(ProjectorConfig):
    """Fields of projectors whose learned queries attend to the encoder's tokens.

    The names are those of transformers' `Blip2QFormerConfig`, because such an object itself configures the
    `Blip2QFormerModel` inside, so that a choice of attention implementation reaches it.

    Args:
        hidden_size: width of the queries and of the layers.
        num_hidden_layers: layers.
        num_attention_heads: heads of each attention.
        intermediate_size: width of the feed-forward layers.
        hidden_act: their activation.
        hidden_dropout_prob: dropout after dense layers and on the normalised queries.
        attention_probs_dropout_prob: dropout on attention weights.
        layer_norm_eps: epsilon of the layer norms (a last layer norm, after the linear layer, has 1e-5).
        initializer_range: standard deviation of fresh dense weights (a Q-Former's queries are drawn from N(0, 1)).

    Raises:
        SpatialLLMError: a size or share is impossible; the message names it.
    """

    # Read by Blip2QFormerModel: no text goes through the Q-Former itself, so its text feed-forward layers are not built.
    use_qformer_text_input: ClassVar[bool] = False

    hidden_size: int = 768
    num_hidden_layers: int = 8
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float | int = 0.1
    attention_probs_dropout_prob: float | int = 0.1
    layer_norm_eps: float = 1e-12
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_counts(self, "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
        check_counts(self, "encoder_hidden_size", "text_hidden_size")
        check_numbers(self, 0, 1, "hidden_dropout_prob", "attention_probs_dropout_prob")
        check_numbers(self, 0, 2, "layer_norm_eps")
        check_numbers(self, 0, math.inf, "initializer_range")
        if self.hidden_size % self.num_attention_heads:
            raise SpatialLLMError(
                f"hidden_size {self.hidden_size} with {self.num_attention_heads} heads; expected a multiple of "
                "num_attention_heads."
            )


@strict
class SlicedConfig(AttentionConfig):
    """Fields of projectors that have weights of their own for each channel slice of the encoder's tokens.

    Args:
        slice_sizes: number of channels of each slice. None: those of the encoder that the projector is joined to; a
            projector that is built alone then has a single slice of `encoder_hidden_size` channels.

    Raises:
        SpatialLLMError: `slice_sizes` are impossible.
    """

    # What the projector needs several slices for; empty where one is enough.
    several_slices_are: ClassVar[str] = ""

    slice_sizes: list[int] | tuple[int, ...] | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.slice_sizes is not None:
            self._check_slices(self.slice_sizes)

    @property
    def sizes(self) -> list[int]:
        """Returns the number of channels of each slice.

        Raises:
            SpatialLLMError: it is one slice, and the projector needs several.
        """
        sizes = [self.encoder_hidden_size] if self.slice_sizes is None else list(self.slice_sizes)
        self._check_slices(sizes)
        return sizes

    def fit(self, layout: TokenLayout) -> None:
        """Takes the sizes of the layout's slices; see `ProjectorConfig.fit`."""
        if self.slice_sizes is None:
            self._check_slices(layout.slice_sizes)
            self.slice_sizes = list(layout.slice_sizes)
        self.check_layout(layout)

    def check_layout(self, layout: TokenLayout) -> None:
        """Raises SpatialLLMError unless the layout has the slices that the weights are made for, if these are decided."""
        self._check_slices(layout.slice_sizes)
        if self.slice_sizes is not None and self.sizes != list(layout.slice_sizes):
            raise SpatialLLMError(
                f"slice_sizes is {self.sizes}, but the slices of the encoder's channels have {list(layout.slice_sizes)} "
                "channels; leave slice_sizes out, and it is filled in."
            )

    def _check_slices(self, sizes: list[int] | tuple[int, ...]) -> None:
        if not sizes or not all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in sizes):
            raise SpatialLLMError(f"slice_sizes is {list(sizes)}; expected whole numbers of at least 1, one for each slice.")
        if self.several_slices_are and len(sizes) < 2:
            raise SpatialLLMError(
                f"a {self.model_type} with tokens of a single channel slice ({sizes[0]} channels): it needs "
                f"{self.several_slices_are}, or take another projector."
            )


@strict
class RegionConfig(SlicedConfig):
    """Fields of `RegionConnector`: regions of the encoder's grid, and what a latent knows beside its region.

    Args:
        rows_per_token: time rows of the encoder's patch grid that one region covers.
        columns_per_token: frequency columns that one region covers. Both divide the grid, which is 64 x 8 at full size: the
            default makes one region of each row, 64 in all, as many as BAT's Q-Former has queries. PAL takes one cell for
            each region (1 x 1), which makes 512 tokens.
        learned_positions: add a learned position, one for each cell of a region, to the tokens that the latent attends to.
        context: "mean": the latent also gets the mean over the clip of each slice; "none": its own region alone.

    Raises:
        SpatialLLMError: a size or `context` is impossible.
    """

    rows_per_token: int = 1
    columns_per_token: int = 8
    learned_positions: bool = True
    context: str = "none"

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_counts(self, "rows_per_token", "columns_per_token")
        if self.context not in ("none", "mean"):
            raise SpatialLLMError(f'context is {self.context!r}; give "none" or "mean".')

    def num_regions(self, layout: TokenLayout) -> int:
        """Returns the number of regions that tile the grid.

        Raises:
            SpatialLLMError: the regions do not divide the grid, or do not fit the cells of a slice on a coarser grid.
        """
        sides, grid = (self.rows_per_token, self.columns_per_token), layout.grid
        if any(whole % side for whole, side in zip(grid, sides, strict=True)):
            raise SpatialLLMError(
                f"rows_per_token {sides[0]} and columns_per_token {sides[1]} do not divide the encoder's {grid[0]} rows x "
                f"{grid[1]} columns of patches; give numbers that do."
            )
        for number, cells in enumerate(layout.cells):
            if any(side % cell and cell % side for side, cell in zip(sides, cells, strict=True)):
                raise SpatialLLMError(
                    f"rows_per_token {sides[0]} and columns_per_token {sides[1]} of a grid of {grid[0]} x {grid[1]}, "
                    f"but a token of channel slice {number} covers {cells[0]} rows x {cells[1]} columns of it; give sides "
                    "that are multiples of these, or divide them."
                )
        return (grid[0] // sides[0]) * (grid[1] // sides[1])
