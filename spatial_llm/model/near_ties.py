"""Near-ties of a greedy search: steps at which the last bits of two numbers, which a batch changes, may decide the token.

Whoever answers in batches watches for them, and answers such rows again, alone: then no answer depends on its batch.
"""

from collections.abc import Sequence

import torch
from transformers import LogitsProcessor, PreTrainedModel

# Two logits nearer than so many roundings of the row's largest one are a near-tie. In tests a batch moved them by 4.5 in
# float32 and 1.5 in bfloat16, whose roundings are so coarse that more room would make a near-tie of every step.
NEAR_TIE = {torch.float64: 64, torch.float32: 64, torch.bfloat16: 8, torch.float16: 8}


class NearTies(LogitsProcessor):
    """Watches a greedy search for near-ties; changes nothing.

    Args:
        prompt_length: columns before the first new token.
        end_ids: tokens that end an answer.
        dtype: dtype of the model; the scores themselves are always float32.

    Attributes:
        rows: (batch,) bool, whether the best two tokens came too near to each other before the row had ended.
    """

    def __init__(self, prompt_length: int, end_ids: Sequence[int], dtype: torch.dtype) -> None:
        self.prompt_length, self.end_ids = prompt_length, list(end_ids)
        self.tolerance = NEAR_TIE[dtype] * torch.finfo(dtype).eps
        self.rows: torch.Tensor | None = None

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        best = scores.topk(2, dim=-1).values  # (batch, 2)
        largest = scores.masked_fill(scores.isinf(), 0.0).abs().amax(dim=-1)  # a suppressed token is minus infinity
        near = best[:, 0] - best[:, 1] < self.tolerance * largest
        new = input_ids[:, self.prompt_length :]
        near &= ~torch.isin(new, torch.tensor(self.end_ids, device=new.device)).any(dim=1)
        self.rows = near if self.rows is None else self.rows | near
        return scores


def end_ids(model: PreTrainedModel) -> list[int]:
    """Returns the tokens that end an answer of a model."""
    ends = model.generation_config.eos_token_id
    return ends if isinstance(ends, list) else [] if ends is None else [ends]
