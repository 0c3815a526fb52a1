"""Orders of samples in which those of like length come together, so that batches hold little padding."""

from collections.abc import Callable, Sequence

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices


def grouped_by_length(lengths: Sequence[int], batch_size: int, seed: int) -> Callable[[int], list[int]]:
    """`order(epoch)`: all samples, shuffled, but sorted by length within groups of 50 batches, the longest first of all.

    Args:
        lengths: of the samples.
        batch_size: samples of one optimiser step, all processes together.
        seed: of the run.
    """
    lengths = list(lengths)

    def order(epoch: int) -> list[int]:
        # As the Trainer's own group_by_length, which would load every sample to measure it.
        return get_length_grouped_indices(lengths, batch_size, generator=torch.Generator().manual_seed(seed + epoch))

    return order
