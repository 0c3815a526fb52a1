"""transformers.Trainer, set up from our typed arguments: one way to train for all three runs."""

import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset, Sampler
from transformers import Trainer, TrainingArguments, set_seed

from spatial_llm.errors import SpatialLLMError
from spatial_llm.training.arguments import Schedule
from spatial_llm.training.launching import backend, processes, use_cpu
from spatial_llm.training.run_folder import MetricsCallback, RunFolder

DECAYS = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def prepare(seed: int, cpu_threads: int | None) -> None:
    """Seeds Python, numpy and torch, and gives torch its CPU threads (accelerate would leave it one)."""
    set_seed(seed)
    torch.set_num_threads(cpu_threads or len(os.sched_getaffinity(0)))


def train(
    model: nn.Module,
    dataset: Dataset,
    collate: Callable[[list[Any]], dict[str, torch.Tensor]],
    schedule: Schedule,
    run: RunFolder,
    seed: int,
    loss: Callable[[nn.Module, dict[str, torch.Tensor]], torch.Tensor] | None = None,
    order: Callable[[int], Sequence[int]] | None = None,
) -> float:
    """Trains the parameters of `model` that require gradients; returns the mean loss of the run.

    Args:
        model: its forward takes the collated batch and returns an output with `loss`.
        dataset: samples; shuffled anew each epoch.
        collate: list of samples -> batch of tensors.
        schedule: steps, rates, sizes.
        run: gets the metrics.
        seed: of the order of samples.
        loss: `(model, batch) -> loss` in place of the model's own.
        order: `order(epoch)` -> indices of the samples of that epoch; None = all, shuffled.

    Raises:
        SpatialLLMError: no samples, nothing to train, or the loss is no longer finite.
    """
    if len(dataset) == 0:
        raise SpatialLLMError("0 training samples, expected at least one: look at the manifest's split and types.")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise SpatialLLMError("nothing to train: all parameters are frozen.")
    if schedule.activation_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    trainer = _Trainer(
        model=model,
        args=training_arguments(schedule, run, seed, len(dataset)),
        train_dataset=dataset,
        data_collator=collate,
        callbacks=[MetricsCallback(run)],
    )
    trainer.loss, trainer.order = loss, order
    mean_loss = trainer.train().training_loss
    if not math.isfinite(mean_loss):
        raise SpatialLLMError(f"the training loss is {mean_loss}: lower schedule.learning_rate; nothing was saved.")
    model.eval()
    return mean_loss


class _Trainer(Trainer):
    """Trainer with a loss that sees the whole batch (`compute_loss_func` would see one tensor of labels only)."""

    loss: Callable[[nn.Module, dict[str, torch.Tensor]], torch.Tensor] | None = None
    order: Callable[[int], Sequence[int]] | None = None

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler | None:
        return super()._get_train_sampler(train_dataset) if self.order is None else _EpochOrder(self.order)

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if self.loss is None:
            return super().compute_loss(model, inputs, *args, **kwargs)
        return self.loss(model, inputs)


class _EpochOrder(Sampler[int]):
    """The samples of each epoch in the order given for it; the Trainer sets `epoch`."""

    def __init__(self, order: Callable[[int], Sequence[int]]) -> None:
        self.order, self.epoch = order, 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.order(self.epoch))

    def __iter__(self) -> Iterator[int]:
        return iter(self.order(self.epoch))


def training_arguments(schedule: Schedule, run: RunFolder, seed: int, samples: int) -> TrainingArguments:
    """Our schedule for so many samples in the Trainer's words. Nothing is saved but by the recipe itself."""
    steps = schedule.optimizer_steps(samples, processes())
    return TrainingArguments(
        output_dir=str(run.path),
        max_steps=steps,
        per_device_train_batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        warmup_steps=max(1, round(schedule.warmup_fraction * steps)),
        lr_scheduler_type=DECAYS[schedule.decay],
        weight_decay=schedule.weight_decay,
        max_grad_norm=schedule.max_grad_norm,
        gradient_accumulation_steps=schedule.gradient_accumulation,
        bf16=schedule.precision == "bf16",
        dataloader_num_workers=schedule.loader_workers,
        dataloader_persistent_workers=schedule.loader_workers > 0,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=use_cpu(),
        ddp_backend=backend(),
        seed=seed,
        logging_steps=schedule.log_every,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=schedule.report_to or "none",
        remove_unused_columns=False,
    )
