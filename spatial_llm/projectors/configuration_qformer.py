"""Configures the Q-Former projector; the defaults are those of BAT (arXiv 2402.01591): 69,367,296 parameters."""

from typing import Any

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.checked_config import check_counts
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.projectors.shared_fields import AttentionConfig


@strict
class QFormerProjectorConfig(AttentionConfig):
    """Configuration of `QFormerProjector`; further fields are those of `AttentionConfig` and `ProjectorConfig`.

    Args:
        cross_attention_frequency: layers 0, f, 2f, ... attend to the audio; 1 = every layer.
        num_query_tokens: tokens that the language model gets for each clip.
        standardize_inputs: subtract a mean from `audio_hidden_states` and divide by a standard deviation, per channel. Both
            are buffers, which `QFormerProjector.start` sets; it also brings the output to the scale of the language model's
            embeddings. A fresh projector then needs few steps at tiny size; BAT does not do this.

    Raises:
        SpatialLLMError: a size or share is impossible; the message names it.
    """

    model_type = "spatial_qformer_projector"

    cross_attention_frequency: int = 2
    num_query_tokens: int = 64
    standardize_inputs: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_counts(self, "cross_attention_frequency", "num_query_tokens")

    def num_tokens(self, layout: TokenLayout) -> int:
        """Returns `num_query_tokens`, whatever the layout."""
        return self.num_query_tokens
