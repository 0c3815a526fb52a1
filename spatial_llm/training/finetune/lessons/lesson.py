"""What a lesson is: what a fine-tuning run trains, on which samples, and for which loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset


@dataclass(frozen=True)
class Material:
    """The arguments of `engine.trainer.train` that depend on the lesson.

    Attributes:
        learner: the module that trains: the composite, or a module around one of its parts.
        samples: the data set.
        collate: list of samples -> batch for `learner`.
        loss: `(learner, batch) -> loss` in place of the `loss` that `learner` returns.
        order: `order(epoch)` -> indices of the samples of an epoch; None shuffles all of them.
        offload: children of `learner` that its forward does not need; they stay on the CPU.
    """

    learner: nn.Module
    samples: Dataset
    collate: Callable[[list[Any]], dict[str, torch.Tensor]]
    loss: Callable[[nn.Module, dict[str, torch.Tensor]], torch.Tensor] | None = None
    order: Callable[[int], Sequence[int]] | None = None
    offload: Sequence[str] = ()


@dataclass(frozen=True)
class Lesson:
    """One value of `teach`.

    Attributes:
        prepare: `(arguments, model, processor, dataset) -> Material`, with the `BatArguments` of the run, the composite, its
            processor and the `SpatialQADataset` of the manifest.
        check: `check(arguments)` raises SpatialLLMError if the lesson cannot be taught with these arguments; it is called
            before anything is loaded.
    """

    prepare: Callable[..., Material]
    check: Callable[[Any], None] = lambda arguments: None
