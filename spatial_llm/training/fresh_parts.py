"""Going on from a checkpoint that lacks a part, where `schedule.resume_without` names it (reliability row C5).

The Trainer would go on as well, without a word, and with a rate of 0 or of the beginning.
"""

import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from spatial_llm.training.checkpointing import PARTS, CheckpointPart


def load_optimizer_and_scheduler(
    optimizer: Any, scheduler: Any, folder: Path, fresh: Collection[CheckpointPart], step: int, device: torch.device
) -> None:
    """Loads what there is; a fresh optimiser gets the rates of `step`, a fresh scheduler is counted up to it."""
    if "optimizer" not in fresh:
        optimizer.load_state_dict(torch.load(folder / PARTS["optimizer"], map_location=device, weights_only=True))
    if "scheduler" in fresh:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*before `optimizer.step")  # those steps were made before the stop
            for _ in range(step):
                scheduler.step()
    else:
        scheduler.load_state_dict(torch.load(folder / PARTS["scheduler"], weights_only=True))
    for group, rate in zip(optimizer.param_groups, scheduler.get_last_lr(), strict=True):
        group["lr"] = rate
