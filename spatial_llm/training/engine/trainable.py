"""Which parameters train and which are frozen: listed before step 0, checked after the last one."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from statistics import mean
from typing import Any

import torch
from torch import nn

from spatial_llm.model.trained_parts import kind
from spatial_llm.projectors.base import Projector


def freeze(module: nn.Module) -> nn.Module:
    """Returns `module` without gradients and in eval mode (BatchNorm keeps its statistics, dropout is off)."""
    module.requires_grad_(False)
    return module.eval()


def state_hash(module: nn.Module) -> str:
    """Returns the SHA-256 of names and bytes of all parameters and buffers; it is equal if nothing changed."""
    digest = hashlib.sha256()
    for name, tensor in sorted({**dict(module.named_parameters()), **dict(module.named_buffers())}.items()):
        _update(digest, name, tensor)
    return digest.hexdigest()


def _persistent(model: nn.Module) -> dict[str, torch.Tensor]:
    """Returns the parameters and buffers of the state dict; shared ones occur under one name."""
    kept = set(model.state_dict())
    return {name: t for name, t in [*model.named_parameters(), *model.named_buffers()] if name in kept}


def _update(digest: Any, name: str, tensor: torch.Tensor) -> None:
    digest.update(name.encode())
    digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())


def trained_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """Returns what training may change, by name: parameters that require gradients, and persistent buffers beside them.

    A buffer is frozen if the smallest module around it that has parameters has none that trains: the statistics of a frozen
    encoder's BatchNorm are frozen, those of a projector are not. Shared parameters occur once.
    """
    tensors = {}
    for name, tensor in _persistent(model).items():
        around = [tensor]
        owner = name
        while not isinstance(tensor, nn.Parameter) and owner and not any(isinstance(one, nn.Parameter) for one in around):
            owner = owner.rpartition(".")[0]
            around = list(model.get_submodule(owner).parameters())
        if any(one.requires_grad for one in around):
            tensors[name] = tensor
    return tensors


def frozen_hashes(model: nn.Module, parts: Sequence[str] | None = None) -> dict[str, str]:
    """Returns the SHA-256 of the frozen tensors (see `trained_tensors`) of each direct child of `model`.

    Args:
        model: the model.
        parts: the children that are hashed; None for all.
    """
    trained = set(trained_tensors(model))
    digests: dict[str, Any] = {}
    for name, tensor in sorted(_persistent(model).items()):
        if name not in trained and (parts is None or name.split(".")[0] in parts):
            _update(digests.setdefault(name.split(".")[0], hashlib.sha256()), name, tensor)
    return {part: digest.hexdigest() for part, digest in digests.items()}


@contextlib.contextmanager
def offloaded(model: nn.Module, parts: Sequence[str]) -> Iterator[dict[str, str]]:
    """Keeps children of `model` on the CPU inside the context, and yields their `frozen_hashes`.

    They remain attributes of `model` but are not among its modules: `to` does not move them, and no optimiser, wrapper or
    checkpoint contains them.
    """
    hashes = frozen_hashes(model, parts)
    children = dict(model.named_children())
    for part in parts:
        model.__dict__[part] = model._modules.pop(part).to("cpu")
    try:
        yield hashes
    finally:
        # In their former order, from which the order of the tensors in a saved file follows.
        for part in children:
            module = model.__dict__.pop(part) if part in parts else model._modules.pop(part)
            model._modules[part] = module


@contextlib.contextmanager
def kept_use_cache(model: nn.Module) -> Iterator[None]:
    """Restores `config.use_cache` after the context. The Trainer sets it to false, and a model saved with that setting would
    answer without a cache, three times as slowly."""
    config = getattr(model, "config", None)
    before = getattr(config, "use_cache", None)
    try:
        yield
    finally:
        if before is not None:
            config.use_cache = before
        elif hasattr(config, "use_cache"):
            del config.use_cache


def probe(tensors: dict[str, torch.Tensor], values: int = 8) -> dict[str, list[float]]:
    """Returns a few evenly spaced values of each tensor, by which `other_weights` recognises weights."""
    return {
        name: t.detach().reshape(-1)[:: max(1, t.numel() // values)][:values].double().tolist()
        for name, t in tensors.items()
    }


def other_weights(before: dict[str, list[float]], now: dict[str, list[float]]) -> list[str]:
    """Returns the names of tensors whose probes differ by more than 0.1 % of the largest value of the probe.

    Bits need not be equal: a fresh projector is scaled to its inputs, which another processor rounds differently.
    """
    different = [name for name in before if name not in now or len(before[name]) != len(now[name])]
    different += [name for name in now if name not in before]
    for name in before.keys() - set(different):
        tolerance = 1e-3 * max((abs(value) for value in (*before[name], *now[name])), default=0.0)
        if any(abs(a - b) > tolerance for a, b in zip(before[name], now[name], strict=True)):
            different.append(name)
    return sorted(different)


def measures(model: nn.Module) -> dict[str, float]:
    """Returns what projectors inside `model` say of themselves for the metrics (`Projector.measures`), by name, as means."""
    said = [part.measures() for part in model.modules() if isinstance(part, Projector)]
    names = dict.fromkeys(name for one in said for name in one)
    return {name: mean(one[name] for one in said if name in one) for name in names}


def what_trains(model: nn.Module) -> list[tuple[str, str, int, int]]:
    """Returns rows (part, "trains" or "frozen", tensors, parameters) for each direct child of `model`; what a composite has
    added inside a child, such as LoRA, has rows of its own."""
    added = [part for name, part in getattr(model, "trained_parts", dict)().items() if "." in name]
    kinds = {id(parameter): f" {kind(part)}" for part in added for parameter in part.parameters()}
    counts: dict[tuple[str, str], list[int]] = {}
    for name, parameter in model.named_parameters():
        part = name.split(".")[0] + kinds.get(id(parameter), "")
        row = counts.setdefault((part, "trains" if parameter.requires_grad else "frozen"), [0, 0])
        row[0] += 1
        row[1] += parameter.numel()
    return [(part, state, tensors, size) for (part, state), (tensors, size) in counts.items()]


def format_what_trains(rows: Iterable[tuple[str, str, int, int]]) -> str:
    """Returns the rows of `what_trains` as a table with sums."""
    rows = list(rows)
    lines = [f"{'part':<24} {'':<7} {'tensors':>8} {'parameters':>13}"]
    lines += [f"{part:<24} {state:<7} {tensors:>8} {size:>13,}" for part, state, tensors, size in rows]
    for state in ("trains", "frozen"):
        chosen = [row for row in rows if row[1] == state]
        lines.append(f"{'all':<24} {state:<7} {sum(r[2] for r in chosen):>8} {sum(r[3] for r in chosen):>13,}")
    return "\n".join(lines)
