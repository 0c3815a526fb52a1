"""The schedule of a run: steps, learning rate, batches, logs and checkpoints."""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from spatial_llm.errors import SpatialLLMError
from spatial_llm.ranges import Checked, Count, Natural, NonNegative, Positive, Share
from spatial_llm.training.engine.checkpointing import CheckpointPart


@dataclass
class Schedule(Checked):
    """The schedule of a run.

    Attributes:
        batch_size: samples per batch and process.
        learning_rate: the peak rate, reached after the warm-up.
        steps: optimiser steps of the run. Either steps or epochs is given.
        epochs: passes over the samples.
        warmup_fraction: share of the steps in which the rate rises linearly from 0.
        decay: how the rate falls to 0 after the warm-up ("constant": it does not).
        weight_decay: weight decay of AdamW, on matrices only (biases and norms have none).
        max_grad_norm: norm to which longer gradients are clipped; 0 does not clip.
        gradient_accumulation: batches whose gradients are added for one step.
        precision: "bf16" computes matrix products in bfloat16 (autocast); trained weights and optimiser stay float32.
        activation_checkpointing: keeps only the input of each layer and computes the rest again: slower, much less memory.
        loader_workers: processes that load samples; 0 loads in the training process.
        log_every: steps between two lines of metrics.jsonl.
        save_every: steps between two checkpoints; 0 saves after the last step only. A signal that ends the run saves too.
        keep_checkpoints: number of the newest checkpoints that are kept.
        resume: "auto" resumes from the newest complete checkpoint in the run folder, if there is one; "never" starts fresh
            and removes the checkpoints there.
        resume_without: parts of a checkpoint that may be missing or damaged. The run then resumes with these parts fresh,
            with a warning and a line in metrics.jsonl, and its weights are no longer those of a run that never stopped.
            "optimizer": its moments start at 0; "scheduler": the rate is advanced to the same value; "rng": dropout draws
            other numbers. A part that is complete is used nevertheless.
        nonfinite: what happens at a step whose loss or gradient is NaN or infinite. "stop" ends the run before the step;
            "skip" leaves the step out, counts it, and names it in metrics.jsonl.
        nonfinite_limit: with "skip", the largest number of such steps in a row; one more stops the run.
        report_to: trackers of the Trainer that get the metrics too, such as tensorboard or wandb.
    """

    called: ClassVar[str] = "schedule"

    batch_size: Count
    learning_rate: Positive
    steps: Count | None = None
    epochs: Positive | None = None
    warmup_fraction: Share = 0.1
    decay: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: NonNegative = 0.0
    max_grad_norm: NonNegative = 1.0
    gradient_accumulation: Count = 1
    precision: Literal["fp32", "bf16"] = "fp32"
    activation_checkpointing: bool = False
    loader_workers: Natural = 0
    log_every: Count = 50
    report_to: list[str] = field(default_factory=list)
    save_every: Natural = 500
    keep_checkpoints: Count = 2
    resume: Literal["auto", "never"] = "auto"
    resume_without: list[CheckpointPart] = field(default_factory=list)
    nonfinite: Literal["stop", "skip"] = "stop"
    nonfinite_limit: Count = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.steps is None) == (self.epochs is None):
            raise SpatialLLMError(
                f"schedule.steps is {self.steps} and schedule.epochs {self.epochs}; give one of them, null for the other."
            )

    def effective_batch(self, processes: int) -> int:
        """Returns the number of samples per optimiser step."""
        return self.batch_size * self.gradient_accumulation * processes

    def optimizer_steps(self, samples: int, processes: int) -> int:
        """Returns the number of steps of the run; each epoch ends with a step, even if its last batches are too few."""
        if self.steps is not None:
            return self.steps
        batches = math.ceil(samples / (self.batch_size * processes))
        return math.ceil(self.epochs * math.ceil(batches / self.gradient_accumulation))


# Fields that may differ between a checkpoint and the run that resumes from it, because they do not change the weights.
RESUMABLE = (
    "run_folder",
    "cues_folder",
    "cache_folder",
    "cache_limit",
    "eval_manifest",
    "eval_examples",
    "eval_pairs",
    "schedule.loader_workers",
    "schedule.save_every",
    "schedule.keep_checkpoints",
    "schedule.resume",
    "schedule.resume_without",
    "schedule.nonfinite",  # it had no effect on the steps so far
    "schedule.nonfinite_limit",
    "schedule.report_to",
)
