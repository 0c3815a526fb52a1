"""Configures the RVQ projector: the encoder's tokens become codes of a residual quantiser, and these become tokens."""

import math
from typing import Any, ClassVar

from huggingface_hub.dataclasses import strict

from spatial_llm.encoders.checked_config import check_counts, check_numbers
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.projectors.shared_fields import PoolingConfig

TOKENS = ("summed", "one_a_code")


@strict
class RVQProjectorConfig(PoolingConfig):
    """Configuration of `RVQProjector`; further fields are those of `PoolingConfig` and `ProjectorConfig`.

    Args:
        hidden_size: width of the code vectors, at most that of a position of the pooled grid.
        num_levels: code books, each of which quantises what the ones before left over.
        codebook_size: codes of each.
        learned: whether code vectors learn by gradient from the commitment loss; else they follow the running means of what
            they stand for.
        decay: share of these means, and of the counts of use, that a training step keeps.
        dead_share: a code that is used less often than this share of an even use is replaced in training by a position of
            the batch; 0 replaces none.
        tokens: "summed": one token a position, the sum of the embeddings of its codes; "one_a_code": one token a code, those
            of a position side by side, the coarse code first.
        commitment_weight: weight in the training loss of the squared distance of positions to their code vectors.
        reconstruction_weight: weight in it of the squared error of the positions that the codes give back.
        layer_norm_eps: epsilon of the norm, without weights, of positions before they are quantised.
        initializer_range: standard deviation of fresh embeddings of codes.

    Raises:
        SpatialLLMError: a size, share or name is impossible.
    """

    model_type = "spatial_rvq_projector"
    passes_gradients: ClassVar[bool] = False

    hidden_size: int = 128
    num_levels: int = 8
    codebook_size: int = 1024
    learned: bool = False
    decay: float = 0.99
    dead_share: float | int = 0.1
    tokens: str = "summed"
    commitment_weight: float | int = 0.25
    reconstruction_weight: float | int = 1.0
    layer_norm_eps: float = 1e-5
    initializer_range: float = 0.02

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        check_counts(self, "hidden_size", "num_levels", "codebook_size", "encoder_hidden_size", "text_hidden_size")
        check_numbers(self, 0, 1, "decay", "dead_share")
        check_numbers(self, 0, 2, "layer_norm_eps")
        check_numbers(self, 0, math.inf, "initializer_range", "commitment_weight", "reconstruction_weight")
        if self.tokens not in TOKENS:
            raise SpatialLLMError(f"tokens is {self.tokens!r}; expected one of {', '.join(TOKENS)}.")

    def num_tokens(self, layout: TokenLayout) -> int:
        """Returns the number of positions, times the number of levels where each code is a token."""
        return self.num_positions(layout) * (self.num_levels if self.tokens == "one_a_code" else 1)
