"""Hybrid fusion: a few summary tokens as prefix, the whole sequence by LAL (PAL, arXiv 2506.10423, version 3).

The number and the origin of the summary tokens are not published; ours are means over equal stretches of the projector's
tokens, or learned queries that attend to them.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import SpatialLLMError
from spatial_llm.fusion.lal import Lal
from spatial_llm.ranges import Count


@dataclass
class Hybrid(Lal):
    """Summary tokens as rows of the sequence, and all tokens by LAL; the other fields are those of `Lal`.

    Attributes:
        summary_tokens: rows of a clip.
        summary_origin: "pool": the mean of each of `summary_tokens` equal stretches of the projector's tokens; "query":
            learned queries that attend to them.
        summary_position: "first": the summary comes before the sequence, and does not hear it; "last": it hears it in every
            fused layer.
    """

    name: ClassVar[str] = "hybrid"

    summary_tokens: Count = 32
    summary_origin: Literal["pool", "query"] = "pool"
    summary_position: Literal["first", "last"] = "first"

    def num_placeholders(self, num_tokens: int, layout: TokenLayout) -> int:
        if self.summary_origin == "pool" and self.summary_tokens > num_tokens:
            raise SpatialLLMError(
                f"fusion.summary_tokens is {self.summary_tokens}, but the projector gives {num_tokens} tokens; a summary is "
                f"not longer than what it sums up: give at most {num_tokens}, or summary_origin query."
            )
        return super().num_placeholders(num_tokens, layout)

    def own_rows(self, layout: TokenLayout) -> int:
        return self.summary_tokens
