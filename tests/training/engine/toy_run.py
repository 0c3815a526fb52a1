"""A run of half a second that has everything a resumed run could get wrong: dropout, running statistics, a frozen part,
random augmentation in the samples, an order that changes each epoch. Tests start it in their own process or in another."""

import os
import resource
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from spatial_llm.files import sha256_of
from spatial_llm.model import SpatialLLMForConditionalGeneration
from spatial_llm.testing import tiny_config, tiny_inputs
from spatial_llm.training.engine import trainer as trainer_module
from spatial_llm.training.engine.launching import prepare, processes, rank
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.engine.trainable import freeze, state_hash
from spatial_llm.training.engine.trainer import train

SAMPLES = 26  # of 4: an epoch of seven batches, the last one smaller


@dataclass
class ToyArguments:
    run_folder: str
    seed: int = 0
    schedule: Schedule = field(default_factory=lambda: toy_schedule())


def toy_schedule(**changes: Any) -> Schedule:
    return Schedule(**{"steps": 20, "batch_size": 4, "learning_rate": 1e-2, "log_every": 3, "save_every": 5, **changes})


class Toy(nn.Module):
    """Frozen encoder with BatchNorm; a trained part with BatchNorm, dropout and a buffer that adapts."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = freeze(nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8)))
        self.projector = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.3))
        self.head = nn.Linear(8, 1)
        self.head.register_buffer("scale", torch.ones(()))

    def train(self, mode: bool = True) -> "Toy":
        super().train(mode)
        self.encoder.eval()
        return self

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
        with torch.no_grad():
            hidden = self.encoder(x)
        out = self.head(self.projector(hidden))[:, 0] * self.head.scale.clone()
        if self.training:
            self.head.scale.mul_(0.999)
        return SimpleOutput(loss=((out - y) ** 2).mean())


class SimpleOutput(dict):
    """What the Trainer takes a loss from."""

    __getattr__ = dict.__getitem__


class ToySamples(Dataset):
    """Samples that draw from all three streams of random numbers; those in `bad` are infinite."""

    bad: Sequence[int] = ()

    def __len__(self) -> int:
        return SAMPLES

    def sample_id(self, index: int) -> str:
        return f"record-{index}"

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        base = torch.sin(torch.arange(6.0) * (index + 1))
        x = base + 0.1 * torch.randn(6) + 0.1 * float(np.random.rand())
        return {"x": x * float("inf") if index in self.bad else x, "y": base.sum()}


class CompositeSamples(Dataset):
    """Samples of the tiny composite, whose language model has dropout in its LoRA."""

    def __init__(self, config: Any) -> None:
        self.inputs = tiny_inputs(config, batch_size=SAMPLES)

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        sample = {name: value[index] for name, value in self.inputs.items()}
        labels = sample["input_ids"].clone()
        labels[: -torch.randint(2, 5, ()).item()] = -100
        return sample | {"labels": labels}


def stack(samples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


def composite() -> nn.Module:
    config = tiny_config("SpatialLLMForConditionalGeneration")
    config.lora = {**config.lora, "dropout": 0.2}
    return SpatialLLMForConditionalGeneration(config)


def toy_run(
    folder: Path,
    build: Callable[[], nn.Module] = Toy,
    accumulation: int = 1,
    at_batch: tuple[int, Callable[[], None]] | None = None,
    pause_s: float = 0.0,
    file_limit: int | None = None,
    stop_at: int | None = None,
    samples: Dataset | None = None,
    bad: Sequence[int] = (),
    lora: bool = False,
    infinite_at: int | None = None,
    order: Callable[[int], list[int]] | None = None,
    **schedule: Any,
) -> tuple[str, float]:
    """Trains in `folder` and returns the hash of all weights and buffers, and the mean loss.

    Args:
        folder: run folder.
        build: makes the model.
        accumulation: batches a step.
        at_batch: (n, call): calls when the n-th batch of this process is in work.
        pause_s: added to each batch.
        stop_at: batch at which the first process gets a SIGTERM.
        file_limit: bytes that a file of this process may have from the twelfth batch on: the disk is full.
        samples: in place of those that belong to the model.
        bad: samples of `Toy` that are infinite.
        lora: the tiny composite with LoRA in place of `build`.
        infinite_at: batch at which the last process, and no other, has an infinite loss with finite gradients.
        order: of the samples, see `train`.
        **schedule: changes to `toy_schedule`.
    """
    arguments = ToyArguments(str(folder), schedule=toy_schedule(**schedule))
    prepare(0, 1)
    model = composite() if lora else build()
    if samples is None:
        samples = CompositeSamples(model.config) if hasattr(model, "config") else ToySamples()
        samples.bad = bad
    run = RunFolder(arguments)
    done = 0
    if stop_at is not None and run.is_main:
        at_batch = (stop_at, terminate)
    if file_limit is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        at_batch = (12, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, hard)))

    def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        nonlocal done
        done += 1
        if at_batch is not None and done == at_batch[0]:
            at_batch[1]()
        if pause_s:
            time.sleep(pause_s)
        spoiled = done == infinite_at and rank() == processes() - 1
        return model(**batch).loss + (float("inf") if spoiled else 0.0)

    plain = trainer_module.training_arguments

    def accumulating(*given: Any) -> Any:
        made = plain(*given)
        made.gradient_accumulation_steps = accumulation
        return made

    trainer_module.training_arguments = accumulating
    try:
        mean_loss = train(model, samples, stack, arguments.schedule, run, arguments.seed, loss, order)
    finally:
        trainer_module.training_arguments = plain
    if processes() > 1:  # buffers are each process's own
        digest = state_hash(nn.ParameterList(model.parameters()))
        (folder / f"parameters-{rank()}").write_text(digest)
    run.save(lambda where: torch.save(model.state_dict(), where / "weights.pt"))
    return state_hash(model), mean_loss


def everything(folder: Path) -> dict[str, str]:
    """SHA-256 of what a run leaves: losses, and each part of its last checkpoint."""
    last = max((folder / "checkpoints").glob("step-*"))
    kept = {path.name: sha256_of(path) for path in last.iterdir() if path.suffix != ".json"}
    for name in ("trainer_state.json", "progress-0.json"):
        kept[name] = sha256_of(last / name)
    kept["metrics.jsonl"] = sha256_of(folder / "metrics.jsonl")
    return kept | {"step": last.name}


def terminate() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


class Crash(Exception):
    """Stands for anything that ends a run without a word."""


def crash() -> None:
    raise Crash
