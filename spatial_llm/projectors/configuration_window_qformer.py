"""Configures the window-level Q-Former: SALMONN's two layers (arXiv 2310.13289), 32 tokens for a clip at full size."""

from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.checked_config import check_counts
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.projectors.shared_fields import AttentionConfig


@strict
class WindowQFormerProjectorConfig(AttentionConfig):
    """Configuration of `WindowQFormerProjector`; further fields are those of `AttentionConfig` and `ProjectorConfig`.

    Args:
        num_hidden_layers: Q-Former layers, each of which attends to the audio.
        rows_per_window: time rows of the encoder's grid in one window, which holds all frequency columns of them. Two rows
            last 0.31 s at full size; SALMONN's windows last 0.33 s.
        queries_per_window: tokens that the language model gets for each window.
        standardize_inputs: as in `QFormerProjectorConfig`.

    Raises:
        SpatialLLMError: a size or share is impossible; the message names it.
    """

    model_type = "spatial_window_qformer_projector"
    cross_attention_frequency: ClassVar[int] = 1

    num_hidden_layers: int = 2
    rows_per_window: int = 2
    queries_per_window: int = 1
    standardize_inputs: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_counts(self, "rows_per_window", "queries_per_window")

    def num_tokens(self, layout: TokenLayout) -> int:
        """Returns `queries_per_window` for each window; the last one may be shorter. The CLS tokens do not count."""
        return -(-layout.grid[0] // self.rows_per_window) * self.queries_per_window
