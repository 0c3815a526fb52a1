"""Cross-entropy on labels, with a weight on each: for times, whose tokens are few among those of an answer."""

from typing import Any

import torch
from torch.nn.functional import cross_entropy, pad
from transformers.loss.loss_utils import ForCausalLMLoss

from spatial_llm.model.padding import IGNORED


def label_loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    weights: torch.Tensor | None = None,
    num_items_in_batch: torch.Tensor | int | None = None,
    **kwargs: Any,
) -> torch.Tensor:
    """Returns the cross-entropy of each label with the logits one position before, as a mean.

    With weights it is sum(w l) / sum(w), after TAC (arXiv 2602.15766), whose timestamps have a weight of 1 + lambda.

    Args:
        logits: (batch, length, vocabulary).
        labels: (batch, length); -100 is ignored.
        weights: (batch, length) of the labels; None weighs all alike.
        num_items_in_batch: what the sum is divided by, where a batch is a part of a larger one: the number of labels or,
            with weights, the sum of their weights in the whole.
        **kwargs: further arguments of transformers' `ForCausalLMLoss`.
    """
    if weights is None:
        size = logits.shape[-1]
        return ForCausalLMLoss(logits, labels, size, num_items_in_batch=num_items_in_batch, **kwargs)
    targets = pad(labels, (0, 1), value=IGNORED)[:, 1:].to(logits.device)
    shifted = pad(weights, (0, 1))[:, 1:].to(logits.device).masked_fill(targets == IGNORED, 0.0)
    losses = cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED, reduction="none")
    total = shifted.sum() if num_items_in_batch is None else num_items_in_batch
    return (losses * shifted.flatten()).sum() / (total.to(losses.device) if torch.is_tensor(total) else total)


def share_of_labels(
    labels: torch.Tensor, weights: torch.Tensor | None = None, num_items_in_batch: torch.Tensor | int | None = None
) -> torch.Tensor | float:
    """Returns the share of a batch in the labels of its whole, with which a loss that is a mean over the batch is weighed
    beside `label_loss`: 1 where the batch is no part of a larger one.

    Args:
        labels, weights, num_items_in_batch: as of `label_loss`.
    """
    if num_items_in_batch is None:
        return 1.0
    there = labels != IGNORED
    own = there.sum() if weights is None else (weights.to(labels.device) * there).sum()
    return own / (num_items_in_batch.to(own.device) if torch.is_tensor(num_items_in_batch) else num_items_in_batch)
