"""Our schedule in the words of transformers' Trainer, and what every run does before it."""

import os

import torch
from transformers import TrainingArguments, set_seed

from spatial_llm.training.engine.launching import backend, processes, use_cpu
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.schedule import Schedule

DECAYS = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def prepare(seed: int, cpu_threads: int | None) -> None:
    """Seeds Python, numpy and torch, and gives torch its CPU threads (accelerate would leave it one)."""
    set_seed(seed)
    torch.set_num_threads(cpu_threads or len(os.sched_getaffinity(0)))


def training_arguments(
    schedule: Schedule, run: RunFolder, seed: int, samples: int, some_unused: bool = False
) -> TrainingArguments:
    """Our schedule for so many samples in the Trainer's words. Checkpoints are our own affair."""
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
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=use_cpu(),
        ddp_backend=backend(),
        # Said outright: left to itself, the Trainer looks for them unless activations are checkpointed, and fails then.
        ddp_find_unused_parameters=some_unused,
        seed=seed,
        logging_steps=schedule.log_every,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=schedule.report_to or "none",
        remove_unused_columns=False,
    )
