"""Batches whose content depends only on the seed, the epoch and the position in the epoch.

A sample that draws random numbers (an augmentation, a random crop) would otherwise draw them from a stream that also
depends on the number of loader workers and on how far they have read ahead, and a resumed run could not repeat it. Here
every batch has its own seed, and loading does not change the random numbers of training itself (dropout).
"""

import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices

# Key of the indices of a batch's samples; the training step removes them before the model sees the batch.
SAMPLE_INDICES = "sample_indices"
Key = tuple[int, int, int]


class EpochOrder(Sampler[Key]):
    """Samples the keys (epoch, position in the epoch, index of the sample) of one epoch after another.

    Args:
        size: number of samples.
        seed: seed of the order.
        order: `order(epoch)` -> indices of the samples of that epoch, equally many in each; None shuffles all samples.

    Attributes:
        epoch: the epoch that the next iteration yields; the training loop sets it.
    """

    def __init__(self, size: int, seed: int, order: Callable[[int], Sequence[int]] | None = None) -> None:
        self.order = order or (lambda epoch: shuffled(size, seed + epoch))
        self.epoch = 0
        self._length = size if order is None else len(order(0))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Key]:
        yield from ((self.epoch, place, index) for place, index in enumerate(self.order(self.epoch)))


def shuffled(size: int, seed: int) -> list[int]:
    """Returns 0 ... size - 1 in a random order."""
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed)).tolist()


class SeededBatches(Dataset):
    """A data set whose items are whole batches, each loaded with its own seed; see the head of this module.

    Args:
        samples: data set with `samples[index]`.
        collate: list of samples -> batch.
        seed: seed of the run.
    """

    def __init__(self, samples: Dataset, collate: Callable[[list[Any]], dict[str, Any]], seed: int) -> None:
        self.samples = samples
        self.collate = collate
        self.seed = seed

    def __len__(self) -> int:
        return len(self.samples)

    def __getitems__(self, keys: Sequence[Key]) -> dict[str, Any]:
        """Returns the batch of keys of `EpochOrder`, with the indices of its samples under SAMPLE_INDICES."""
        epoch, place, _ = keys[0]
        indices = [index for _, _, index in keys]
        with seeded(self.seed, epoch, place):
            batch = dict(self.collate([self.samples[index] for index in indices]))
        return {**batch, SAMPLE_INDICES: torch.tensor(indices)}


def as_it_is(batch: dict[str, Any]) -> dict[str, Any]:
    """Returns `batch`: the collate function of a loader whose data set makes whole batches."""
    return batch


@contextlib.contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Seeds the random numbers of Python, numpy and torch (CPU) with `key`, and restores their states afterwards."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed = int(np.random.SeedSequence(key).generate_state(1)[0])
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


def grouped_by_length(lengths: Sequence[int], batch_size: int, seed: int) -> Callable[[int], list[int]]:
    """Returns an order in which samples of similar length are near each other, so that batches hold little padding.

    `order(epoch)` shuffles all samples, then sorts them by length within groups of 50 batches; the longest one comes first.

    Args:
        lengths: length of each sample.
        batch_size: samples of one optimiser step, of all processes together.
        seed: seed of the run.
    """
    lengths = list(lengths)

    def order(epoch: int) -> list[int]:
        # The Trainer's own group_by_length does the same, but loads every sample to measure it.
        return get_length_grouped_indices(lengths, batch_size, generator=torch.Generator().manual_seed(seed + epoch))

    return order
