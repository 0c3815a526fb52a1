"""Prefix fusion: audio tokens are rows of the sequence in every layer, as words are."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.fusion.base import Fusion


@dataclass
class Prefix(Fusion):
    """Audio tokens in front of the prompt (Pengi, arXiv 2305.11834; LLaVA, arXiv 2304.08485; BAT, arXiv 2402.01591)."""

    name: ClassVar[str] = "prefix"
    deep: ClassVar[bool] = False
    beside_words: ClassVar[bool] = True

    def num_rows(self, num_tokens: int, layout: TokenLayout) -> int:
        return num_tokens

    def fused_layers(self, num_layers: int) -> tuple[int, ...]:
        return ()

    def check_language_model(self, language_model: nn.Module) -> None:
        """Accepts any causal language model."""
