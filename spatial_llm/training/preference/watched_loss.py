"""A loss that knows the step of its run, and adds what it measured to the line of metrics."""

from typing import Any

import torch
from transformers import TrainerCallback


class WatchedLoss(TrainerCallback):
    """Base class of the losses of this package; `train` gets it as its loss and as a callback.

    What is measured in the batches of a step stands in the line of metrics that follows it: it depends on that step alone,
    so that a run that was stopped writes the same lines.

    Attributes:
        step: steps that were made before the present one.
    """

    def __init__(self) -> None:
        self.step = 0
        self._measured: dict[str, list[float]] = {}

    def __call__(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Returns the loss of a batch."""
        raise NotImplementedError

    def measure(self, **values: torch.Tensor | float) -> None:
        """Adds numbers of one batch."""
        for name, value in values.items():
            self._measured.setdefault(name, []).append(float(value))

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begins a step."""
        self.step, self._measured = state.global_step, {}

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Adds the means over the batches of the last step to a line about losses."""
        if logs is not None and "loss" in logs:
            logs.update({name: sum(values) / len(values) for name, values in self._measured.items()})
