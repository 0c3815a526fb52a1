"""Configures the Q-Former projector; the defaults are those of BAT (arXiv 2402.01591): 69,367,296 parameters."""

import math
from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.checked_config import check_counts, check_numbers
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors.base import ProjectorConfig


@strict
class QFormerProjectorConfig(ProjectorConfig):
    """Configuration of `QFormerProjector`; the two widths are those of `ProjectorConfig`.

    The names are those of transformers' `Blip2QFormerConfig`, because this object itself configures the `Blip2QFormerModel`
    inside, so that a choice of attention implementation reaches it.

    Args:
        hidden_size: width of the queries and of the Q-Former.
        num_hidden_layers: Q-Former layers.
        num_attention_heads: heads of its self- and cross-attention.
        intermediate_size: width of its feed-forward layers.
        hidden_act: their activation.
        hidden_dropout_prob: dropout after dense layers and on the normalised queries.
        attention_probs_dropout_prob: dropout on attention weights.
        layer_norm_eps: epsilon of the Q-Former's layer norms (the last layer norm, after the linear layer, has 1e-5).
        cross_attention_frequency: layers 0, f, 2f, ... attend to the audio; 1 = every layer.
        num_query_tokens: tokens that the language model gets for each clip.
        initializer_range: standard deviation of fresh dense weights (queries are drawn from N(0, 1)).
        standardize_inputs: subtract a mean from `audio_hidden_states` and divide by a standard deviation, per channel. Both
            are buffers, which `QFormerProjector.start` sets; it also brings the output to the scale of the language model's
            embeddings. A fresh projector then needs few steps at tiny size; BAT does not do this.

    Raises:
        SpatialLLMError: a size or share is impossible; the message names it.
    """

    model_type = "spatial_qformer_projector"
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
    cross_attention_frequency: int = 2
    num_query_tokens: int = 64
    initializer_range: float = 0.02
    standardize_inputs: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_counts(self, "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
        check_counts(self, "cross_attention_frequency", "encoder_hidden_size", "num_query_tokens", "text_hidden_size")
        check_numbers(self, 0, 1, "hidden_dropout_prob", "attention_probs_dropout_prob")
        check_numbers(self, 0, 2, "layer_norm_eps")
        check_numbers(self, 0, math.inf, "initializer_range")
        if self.hidden_size % self.num_attention_heads:
            raise SpatialLLMError(
                f"hidden_size {self.hidden_size} with {self.num_attention_heads} heads; expected a multiple of "
                "num_attention_heads."
            )

    def num_tokens(self, layout: TokenLayout) -> int:
        """Returns `num_query_tokens`, whatever the layout."""
        return self.num_query_tokens
