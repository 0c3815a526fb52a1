"""Steps whose loss or gradient is not finite: the run stops and names the records, or skips the step and counts it.

Each step is checked once, when its gradients are complete. All processes share the result, so that all stop or all continue.
A skipped step changes nothing: its gradients are dropped, so the optimiser does nothing; buffers (running statistics,
adaptive scales) get back the values from before the step; its loss enters no mean. It still counts as a step: its samples
are used up, and the learning rate moves on.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import gather_object

from spatial_llm.errors import SpatialLLMError
from spatial_llm.training.engine.nonfinite_trace import find_non_finite, random_state, set_random_state
from spatial_llm.training.engine.schedule import Schedule

MOST_SKIPPED = 0.5  # largest share of skipped steps; beyond it a run has not trained what its arguments state
STOPPED = (
    "The step was not made, and the last checkpoint stays as it is: look at these records, begin a new run with a lower "
    "schedule.learning_rate or schedule.max_grad_norm, or leave such steps out with schedule.nonfinite=skip."
)


@dataclass
class _Batch:
    """One batch of a step, with what is needed to run it again."""

    inputs: dict[str, Any]
    indices: torch.Tensor
    random: dict[str, Any]


class NonFiniteSteps:
    """Checks each step of a `SafeTrainer`.

    Args:
        trainer: the trainer, with its model, batches and mean loss.
        schedule: schedule of the run, for `nonfinite` and `nonfinite_limit`.

    Attributes:
        skipped: number of steps skipped so far.

    Raises:
        SpatialLLMError: steps are to be skipped, and the weights are sharded over processes.
    """

    def __init__(self, trainer: Any, schedule: Schedule) -> None:
        self.trainer = trainer
        self.skips, self.limit = schedule.nonfinite == "skip", schedule.nonfinite_limit
        self.skipped = self.in_a_row = self.since_log = self.logged_at = 0
        self.batches: list[_Batch] = []
        self.bad_loss: tuple[int, float] | None = None
        if self.skips and trainer.sharded:
            raise SpatialLLMError(
                "schedule.nonfinite is skip, and DeepSpeed or FSDP moves weights before anybody can look at the gradients: "
                "take stop, or launch with recipes/launch/ddp.yaml."
            )

    def begin_step(self) -> None:
        """Must be called before the first batch of a step."""
        self.batches, self.bad_loss = [], None
        if self.skips:
            self.mean_loss = self.trainer._tr_loss.clone()
            self.buffers = {name: buffer.clone() for name, buffer in self.trainer.model.named_buffers()}

    def begin_batch(self, inputs: dict[str, Any], indices: torch.Tensor) -> None:
        """Must be called before a batch is run."""
        self.batches.append(_Batch(inputs, indices, random_state()))

    def look_at_loss(self, loss: torch.Tensor) -> None:
        """Must be called with the loss of a batch after it was run."""
        if self.bad_loss is None and not torch.isfinite(loss):
            self.bad_loss = len(self.batches) - 1, loss.item()

    def look_at_gradient(self, length: Any) -> Any:
        """Must be called after the last batch and before the optimiser.

        Args:
            length: the norm of the gradient.

        Returns:
            The length, or None if the step is skipped.

        Raises:
            SpatialLLMError: the loss or the gradient is not finite, here or in another process, and such steps stop the run,
                or too many of them follow each other, or they are more than `MOST_SKIPPED` of the run.
        """
        what = None
        if self.bad_loss is not None:
            what = f"the loss is {self.bad_loss[1]}"
        elif length is not None and not math.isfinite(length):
            what = f"the gradient's length is {float(length)}"
        if not self._anywhere(what is not None):
            self.in_a_row = 0
            return length
        self._skip(*self._search(what))
        return None

    def _skip(self, what: str, where: str, records: list[str]) -> None:
        step = self.trainer.state.global_step + 1
        text = f"step {step}: {what}; what first was not finite: {where}. Records of the batch: {', '.join(records)}."
        if not self.skips:
            raise SpatialLLMError(f"{text} {STOPPED}")
        self.in_a_row += 1
        if self.in_a_row > self.limit:
            raise SpatialLLMError(
                f"{text} These are {self.in_a_row} such steps in a row; schedule.nonfinite_limit allows "
                f"{self.limit}. {STOPPED}"
            )
        if self.skipped + 1 > MOST_SKIPPED * self.trainer.args.max_steps:
            raise SpatialLLMError(
                f"{text} With it {self.skipped + 1} of the {self.trainer.args.max_steps} steps of the run were left out, "
                f"more than {MOST_SKIPPED:.0%}: that is no training, and no model is saved. {STOPPED}"
            )
        with torch.no_grad():
            for name, buffer in self.trainer.model.named_buffers():
                buffer.copy_(self.buffers[name])
            self.trainer._tr_loss.copy_(self.mean_loss)
        self.trainer.model.zero_grad()
        self.skipped += 1
        self.since_log += 1
        self.leave_out_of_mean()
        if self.trainer.run.is_main:
            print(f"{text} Left out; {self.skipped} of this run so far.", flush=True)
        self.trainer.run.log({"step": step, "skipped": what, "first": where, "records": records})

    def leave_out_of_mean(self) -> None:
        """Makes the Trainer divide the sum of all losses by the number of steps without the skipped ones."""
        self.trainer._initial_global_step = self.skipped

    def corrected(self, logs: dict[str, Any]) -> dict[str, Any]:
        """Returns a line of metrics whose loss is the mean of the steps that were made, with the number of skipped ones."""
        if not self.skips or "learning_rate" not in logs:
            return logs
        steps = self.trainer.state.global_step - self.logged_at
        made = steps - self.since_log
        loss = {"loss": logs["loss"] * steps / made} if made else {}
        self.since_log, self.logged_at = 0, self.trainer.state.global_step
        return {**loss, **{name: value for name, value in logs.items() if name != "loss"}, "skipped_steps": self.skipped}

    def state(self) -> dict[str, int]:
        """Returns the counters that a resumed run needs."""
        return {"skipped": self.skipped, "in_a_row": self.in_a_row, "since_log": self.since_log}

    def resume(self, state: dict[str, int], logged_at: int) -> None:
        """Restores the counters of `state`; `logged_at` is the step of the last line of metrics."""
        self.skipped, self.in_a_row, self.since_log = (state[name] for name in ("skipped", "in_a_row", "since_log"))
        self.logged_at = logged_at
        self.leave_out_of_mean()

    def _anywhere(self, here: bool) -> bool:
        if self.trainer.args.world_size == 1:
            return here
        found = torch.tensor(float(here), device=self.trainer.args.device)
        return bool(self.trainer.accelerator.reduce(found, "sum") > 0)

    def _search(self, what: str | None) -> tuple[str, str, list[str]]:
        """Returns what was not finite, where, and the ids of the records; the same in every process."""
        mine = what, *self._search_here(what)
        found = gather_object([mine]) if self.trainer.args.world_size > 1 else [mine]
        # The process that found the place; if none did, those that found something name their records.
        best = max(found, key=lambda one: (one[1] is not None, one[0] is not None))
        sources = [best] if best[1] is not None else [one for one in found if one[0] is not None]
        where = best[1] or "not found when the batch was repeated"
        if self.trainer.sharded:
            where = "not searched for, because the weights are spread over processes"
        return best[0] or sources[0][0], where, [record for one in sources for record in one[2]]

    def _search_here(self, what: str | None) -> tuple[str | None, list[str]]:
        batches, alone = self.batches, self.trainer.args.world_size == 1
        if alone and self.bad_loss is not None:
            batches = batches[self.bad_loss[0] :][:1]
        where, guilty, state = None, batches, random_state()
        # Several processes run all of their batches, because layers that exchange tensors wait for all processes.
        for one in [] if self.trainer.sharded else batches:
            set_random_state(one.random)
            found = find_non_finite(self.trainer.model, self.trainer._prepare_inputs(one.inputs), self.trainer.repeated_loss)
            if found and where is None:
                where, guilty = found, [one]
                if alone:
                    break
        set_random_state(state)
        name = getattr(self.trainer.train_dataset.samples, "sample_id", str)
        return where, [name(index) for one in guilty for index in one.indices.tolist()]
