"""A step whose loss or gradient is not finite: the run stops with names, or leaves the step out and counts it (row C9).

A step is looked at once, when its gradients are complete, and by all processes together: each learns whether any of them
found something, so that all stop or all go on. A step that is left out moves nothing: gradients are dropped before the
optimiser sees them (it does nothing where there are none), buffers (running statistics, adaptive scales) get back the values
they had before it, and its loss is in no mean. It still counts as a step: its samples are used up and the rate moves on.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import gather_object

from spatial_llm.errors import SpatialLLMError
from spatial_llm.training.engine.nonfinite_trace import find_non_finite, random_state, set_random_state
from spatial_llm.training.engine.schedule import Schedule

MOST_LEFT_OUT = 0.5  # share of the steps of a run; with more of them left out it has trained something else than it says
STOPPED = (
    "The step was not made, and the last checkpoint stays as it is: look at these records, begin a new run with a lower "
    "schedule.learning_rate or schedule.max_grad_norm, or leave such steps out with schedule.nonfinite=skip."
)


@dataclass
class _Batch:
    """One batch of a step, and what it takes to run it again."""

    inputs: dict[str, Any]
    indices: torch.Tensor
    random: dict[str, Any]


class NonFiniteSteps:
    """Looks at each step of a `SafeTrainer`.

    Args:
        trainer: whose model, batches and mean loss are at stake.
        schedule: `nonfinite` and `nonfinite_limit`.

    Attributes:
        skipped: steps left out so far.

    Raises:
        SpatialLLMError: steps are to be left out and the weights are spread over processes.
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
        """Before the first batch of a step."""
        self.batches, self.bad_loss = [], None
        if self.skips:
            self.mean_loss = self.trainer._tr_loss.clone()
            self.buffers = {name: buffer.clone() for name, buffer in self.trainer.model.named_buffers()}

    def begin_batch(self, inputs: dict[str, Any], indices: torch.Tensor) -> None:
        """Before a batch is run."""
        self.batches.append(_Batch(inputs, indices, random_state()))

    def look_at_loss(self, loss: torch.Tensor) -> None:
        """After a batch was run."""
        if self.bad_loss is None and not torch.isfinite(loss):
            self.bad_loss = len(self.batches) - 1, loss.item()

    def look_at_gradient(self, length: Any) -> Any:
        """After the last batch, before the optimiser: returns the length, or None where the step is left out.

        Raises:
            SpatialLLMError: the loss or the gradient is not finite, here or in another process, and such steps are not to
                be left out, or too many of them follow each other, or more than `MOST_LEFT_OUT` of the run are such steps.
        """
        what = None
        if self.bad_loss is not None:
            what = f"the loss is {self.bad_loss[1]}"
        elif length is not None and not math.isfinite(length):
            what = f"the gradient's length is {float(length)}"
        if not self._anywhere(what is not None):
            self.in_a_row = 0
            return length
        self._left_out(*self._search(what))
        return None

    def _left_out(self, what: str, where: str, records: list[str]) -> None:
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
        if self.skipped + 1 > MOST_LEFT_OUT * self.trainer.args.max_steps:
            raise SpatialLLMError(
                f"{text} With it {self.skipped + 1} of the {self.trainer.args.max_steps} steps of the run were left out, "
                f"more than {MOST_LEFT_OUT:.0%}: that is no training, and no model is saved. {STOPPED}"
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
        """The Trainer divides the sum of all losses by the steps since this one."""
        self.trainer._initial_global_step = self.skipped

    def corrected(self, logs: dict[str, Any]) -> dict[str, Any]:
        """A line of metrics whose loss is the mean over the steps that were made, with the number of those that were not."""
        if not self.skips or "learning_rate" not in logs:
            return logs
        steps = self.trainer.state.global_step - self.logged_at
        made = steps - self.since_log
        loss = {"loss": logs["loss"] * steps / made} if made else {}
        self.since_log, self.logged_at = 0, self.trainer.state.global_step
        return {**loss, **{name: value for name, value in logs.items() if name != "loss"}, "skipped_steps": self.skipped}

    def state(self) -> dict[str, int]:
        """What a resumed run has to know."""
        return {"skipped": self.skipped, "in_a_row": self.in_a_row, "since_log": self.since_log}

    def resume(self, state: dict[str, int], logged_at: int) -> None:
        """Takes up what `state` gave; `logged_at` is the step of the last line of metrics."""
        self.skipped, self.in_a_row, self.since_log = (state[name] for name in ("skipped", "in_a_row", "since_log"))
        self.logged_at = logged_at
        self.leave_out_of_mean()

    def _anywhere(self, here: bool) -> bool:
        if self.trainer.args.world_size == 1:
            return here
        found = torch.tensor(float(here), device=self.trainer.args.device)
        return bool(self.trainer.accelerator.reduce(found, "sum") > 0)

    def _search(self, what: str | None) -> tuple[str, str, list[str]]:
        """What, where and in which records, the same in every process."""
        mine = what, *self._search_here(what)
        found = gather_object([mine]) if self.trainer.args.world_size > 1 else [mine]
        # The process that knows most; where none found the place, those that saw something tell their records.
        best = max(found, key=lambda one: (one[1] is not None, one[0] is not None))
        told = [best] if best[1] is not None else [one for one in found if one[0] is not None]
        where = best[1] or "not found when the batch was repeated"
        if self.trainer.sharded:
            where = "not searched for, because the weights are spread over processes"
        return best[0] or told[0][0], where, [record for one in told for record in one[2]]

    def _search_here(self, what: str | None) -> tuple[str | None, list[str]]:
        batches, alone = self.batches, self.trainer.args.world_size == 1
        if alone and self.bad_loss is not None:
            batches = batches[self.bad_loss[0] :][:1]
        where, guilty, state = None, batches, random_state()
        # Several processes run all of theirs: layers that talk to each other wait for all of them.
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
