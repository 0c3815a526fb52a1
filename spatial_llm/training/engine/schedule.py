"""How long a run takes, how fast it learns, in what portions, and what it leaves on the way."""

import math
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from spatial_llm.errors import SpatialLLMError
from spatial_llm.ranges import Checked, Count, Natural, NonNegative, Positive, Share
from spatial_llm.training.engine.checkpointing import CheckpointPart


@dataclass
class Schedule(Checked):
    """How long, how fast, in what portions.

    Attributes:
        batch_size: samples a step, process and accumulation.
        learning_rate: its peak, reached after the warm-up.
        steps: optimiser steps of the run; or
        epochs: passes over the samples; one of the two is given.
        warmup_fraction: share of the steps in which the rate rises linearly from 0.
        decay: course of the rate after the warm-up, down to 0 ("constant": none).
        weight_decay: AdamW's, on matrices only (biases and norms have none).
        max_grad_norm: gradients longer than this are shortened to it; 0 = never.
        gradient_accumulation: batches whose gradients are added up to one step.
        precision: "bf16": matrix products in bfloat16 (autocast); what trains and its optimiser stay float32.
        activation_checkpointing: keep each layer's input only and compute the rest again: slower, much less memory.
        loader_workers: processes that load samples; 0 loads in the training process.
        log_every: steps between two lines of metrics.jsonl.
        save_every: steps between two checkpoints; 0 = only one, after the last step (and one when a signal ends the run).
        keep_checkpoints: how many of the newest stay.
        resume: "auto" goes on from the newest whole checkpoint in the run folder, if there is one; "never" starts anew and
            removes those that an earlier run left there.
        resume_without: parts of a checkpoint that may be missing or damaged; the run then goes on from it with these fresh,
            a warning and a line in metrics.jsonl, and no longer to the bits of a run that never stopped. "optimizer": its
            moments begin at 0; "scheduler": the rate is counted up anew, to the same; "rng": dropout draws other numbers.
            A part that is whole is used all the same.
        nonfinite: a step whose loss or gradient is NaN or infinite. "stop": the run ends before it is made; "skip": it is
            left out, counted, and named in metrics.jsonl.
        nonfinite_limit: for "skip", how many such steps in a row are left out; one more stops the run.
        report_to: trackers of the Trainer that also get the metrics, such as tensorboard or wandb.
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
        """Samples an optimiser step."""
        return self.batch_size * self.gradient_accumulation * processes

    def optimizer_steps(self, samples: int, processes: int) -> int:
        """Steps of the run; each epoch ends with a step, be its last batches fewer or smaller."""
        if self.steps is not None:
            return self.steps
        batches = math.ceil(samples / (self.batch_size * processes))
        return math.ceil(self.epochs * math.ceil(batches / self.gradient_accumulation))


# Fields that may differ between a checkpoint and the run that goes on from it: its weights come out the same.
RESUMABLE = (
    "run_folder",
    "cues_folder",
    "cache_folder",
    "cache_limit",
    "eval_manifest",
    "eval_examples",
    "schedule.loader_workers",
    "schedule.save_every",
    "schedule.keep_checkpoints",
    "schedule.resume",
    "schedule.resume_without",
    "schedule.nonfinite",  # without effect on the steps before it had one
    "schedule.nonfinite_limit",
    "schedule.report_to",
)
