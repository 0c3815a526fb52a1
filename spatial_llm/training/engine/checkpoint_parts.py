"""Reading the parts of a checkpoint as untrusted files, and resuming without a part that `schedule.resume_without` names.

The hashes in a checkpoint detect damage but not intent: who can change a file can also change its hash. So no code in a file
is executed, and what does not fit this run raises an error that names it. Without these checks the Trainer resumes silently
when a part is missing, with learning rate 0 or the initial one.
"""

import contextlib
import json
import math
import pickle
import warnings
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import TrainerState

from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.training.engine.checkpointing import PARTS, CheckpointPart

# Settings of an optimiser group that follow from the arguments; the rates follow from the scheduler.
_SETTINGS = ("betas", "eps", "weight_decay", "amsgrad", "maximize", "momentum", "nesterov")
_PROGRESS = {"since": float, "before": float, "logged": int, "nonfinite": dict}


@contextlib.contextmanager
def part_read(path: Path) -> Iterator[None]:
    """Turns every error inside the context into a CheckpointError that names the file."""
    try:
        yield
    except SpatialLLMError:
        raise
    except pickle.UnpicklingError:
        # torch's own message advises to load the file without the safety.
        raise _unusable(path, "it holds more than plain tensors and numbers, or is no file of torch") from None
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise _unusable(path, f"{type(error).__name__}: {reason}") from error


def _unusable(path: Path, why: str) -> CheckpointError:
    part = next((name for name, files in PARTS.items() if path.match(files)), None)
    without = f"remove it and give schedule.resume_without=[{part}], " if part else ""
    return CheckpointError(
        f"{path} is no part of a checkpoint of this run ({why}); nothing in it was run. Put the file back, {without}remove "
        "the whole checkpoint to go on from the one before, or start anew with schedule.resume=never."
    )


def load_weights(path: Path, own: dict[str, torch.Tensor]) -> None:
    """Copies the trained weights in `path` into the tensors `own`, by name.

    Raises:
        CheckpointError: names, shapes or types differ.
    """
    with part_read(path):
        saved = load_file(path)
    odd = sorted(set(saved) ^ set(own)) + [
        n for n in sorted(set(saved) & set(own)) if (saved[n].shape, saved[n].dtype) != (own[n].shape, own[n].dtype)
    ]
    if odd:
        raise CheckpointError(f"{path.parent} does not fit the model: {', '.join(odd[:8])}.")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(saved[name])


def load_optimizer_and_scheduler(
    optimizer: Any, scheduler: Any, folder: Path, fresh: Collection[CheckpointPart], step: int, device: torch.device
) -> None:
    """Loads the states of optimiser and scheduler that the checkpoint has.

    Args:
        optimizer: the optimiser of the run.
        scheduler: its learning-rate scheduler.
        folder: the checkpoint.
        fresh: parts not to load: a fresh optimiser gets the rates of `step`, a fresh scheduler is advanced to `step`.
        step: optimiser steps done.
        device: device of the optimiser's state.

    Raises:
        CheckpointError: a file does not hold this part, or holds that of another run.
    """
    if "optimizer" not in fresh:
        path = folder / PARTS["optimizer"]
        with part_read(path):
            state = torch.load(path, map_location=device, weights_only=True)
            _check_optimizer(path, state, optimizer)
            optimizer.load_state_dict(state)
    if "scheduler" in fresh:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*before `optimizer.step")  # the run made them before it stopped
            for _ in range(step):
                scheduler.step()
    else:
        path = folder / PARTS["scheduler"]
        with part_read(path):
            state = torch.load(path, weights_only=True)
            rates, own = state["_last_lr"], scheduler.state_dict()["base_lrs"]
            if state["last_epoch"] != step or state["base_lrs"] != own:
                raise _unusable(path, f"of step {state['last_epoch']} and rates {state['base_lrs']}")
            if len(rates) != len(own) or not all(0 <= rate <= max(own) for rate in rates):
                raise _unusable(path, f"rates {rates}")
            scheduler.load_state_dict(state)
    for group, rate in zip(optimizer.param_groups, scheduler.get_last_lr(), strict=True):
        group["lr"] = rate


def _check_optimizer(path: Path, state: dict[str, Any], optimizer: Any) -> None:
    """Raises CheckpointError unless groups and moments fit the parameters of this optimiser."""
    groups, own = state["param_groups"], optimizer.state_dict()["param_groups"]
    for given, ours in zip(groups, own, strict=True):
        for name in (name for name in _SETTINGS if name in ours):
            values = [list(v) if isinstance(v, tuple | list) else v for v in (given[name], ours[name])]
            if values[0] != values[1]:
                raise _unusable(path, f"{name} is {values[0]}, expected {values[1]}")
    parameters = {
        number: parameter
        for given, ours in zip(groups, optimizer.param_groups, strict=True)
        for number, parameter in zip(given["params"], ours["params"], strict=True)
    }
    for number, moments in state["state"].items():
        for name, value in moments.items():
            if not isinstance(value, torch.Tensor):
                continue
            shapes = (torch.Size([]), parameters[number].shape)
            if value.layout != torch.strided or value.shape not in shapes or not torch.isfinite(value).all():
                raise _unusable(path, f"{name} of parameter {number} is {tuple(value.shape)}, not finite or not dense")


def check_state(folder: Path, step: int) -> None:
    """Raises CheckpointError unless trainer_state.json holds the Trainer's state after `step` steps."""
    path = folder / "trainer_state.json"
    with part_read(path):
        state = TrainerState.load_from_json(str(path))
        if state.global_step != step or not isinstance(state.log_history, list):
            raise _unusable(path, f"of step {state.global_step!r}, expected {step}")


def read_progress(path: Path) -> dict[str, Any]:
    """Reads the part of the state that the Trainer does not save. Raises CheckpointError unless it is complete."""
    with part_read(path):
        progress = json.loads(path.read_text(encoding="utf-8"))
        for name, kind in _PROGRESS.items():
            value = progress[name]
            if not isinstance(value, kind if kind is not float else int | float) or isinstance(value, bool):
                raise _unusable(path, f"{name} is {value!r}")
            if kind is float and not math.isfinite(value):
                raise _unusable(path, f"{name} is {value!r}")
        counts = [progress["nonfinite"][name] for name in ("skipped", "in_a_row", "since_log")]
        if not all(isinstance(count, int) and count >= 0 for count in counts):
            raise _unusable(path, f"nonfinite is {progress['nonfinite']!r}")
    return progress


def check_record(folder: Path, record: Any) -> None:
    """Raises CheckpointError unless the marker of a checkpoint has all entries that a run needs to resume."""
    kinds = {"made_from": dict, "frozen": dict, "began": dict, "metrics_bytes": int}
    wrong = [name for name, kind in kinds.items() if not isinstance(record, dict) or not isinstance(record.get(name), kind)]
    if wrong:
        raise _unusable(folder / "checkpoint.json", f"it lacks {', '.join(wrong)}")
