"""Finds where a NaN or an infinity came from, by running the batch once more with hooks on every module.

Normal steps only check the loss and the norm of the gradient. If one of them is not finite, the batch is repeated with the
random numbers of its first run, and the outputs of each module and the gradients at its outputs and inputs are checked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn


@dataclass
class _Seen:
    """One module in the repeated run: whether its inputs, outputs and the gradients at both were finite."""

    name: str
    outputs_finite: bool
    inputs_finite: bool
    is_leaf: bool
    gradient_at_outputs: list[bool] = field(default_factory=list)
    gradient_at_inputs: list[bool] = field(default_factory=list)


def random_state() -> dict[str, Any]:
    """Returns the state of torch's random numbers on the CPU and on the current GPU."""
    state = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def set_random_state(state: dict[str, Any]) -> None:
    """Restores a state that `random_state` returned."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


def find_non_finite(
    model: nn.Module, batch: dict[str, Any], loss: Callable[[nn.Module, dict[str, Any]], torch.Tensor]
) -> str | None:
    """Runs `loss(model, batch)` forward and backward; returns what first was not finite, None if everything was finite.

    The gradients of `model` are overwritten, its weights are not.
    """
    bad_inputs = [name for name, value in batch.items() if isinstance(value, torch.Tensor) and not _finite(value)]
    bad_weights = [name for name, value in model.named_parameters() if not _finite(value)]
    model.zero_grad()
    seen: list[_Seen] = []
    handles = [
        module.register_forward_hook(_hook(name, module, seen), with_kwargs=True) for name, module in model.named_modules()
    ]
    try:
        value = loss(model, batch)
        # Only now, because another process may wait for this one in its forward pass.
        if bad_inputs:
            return f"{', '.join(bad_inputs)} of the batch itself"
        if bad_weights:
            return f"the weight {bad_weights[0]}"
        forward = next((one for one in seen if not one.outputs_finite), None)
        if forward is not None:
            given = "from finite inputs" if forward.inputs_finite else "its inputs were so already"
            return f"the output of {forward.name} ({given})"
        if not _finite(value):
            return "the loss, computed from finite outputs of every module"
        value.backward()
    finally:
        for handle in handles:
            handle.remove()
    return _first_backward(model, seen)


def _first_backward(model: nn.Module, seen: list[_Seen]) -> str | None:
    bad_parameters = [name for name, p in model.named_parameters() if p.grad is not None and not _finite(p.grad)]
    # The gradient runs from the last module to the first, and reaches inner modules before outer ones.
    for one in [*(one for one in seen[::-1] if one.is_leaf), *(one for one in seen[::-1] if not one.is_leaf)]:
        own = one.is_leaf and any(name.rpartition(".")[0] == one.name for name in bad_parameters)
        if all(one.gradient_at_outputs) and (own or not all(one.gradient_at_inputs)):
            return f"the gradient in {one.name}, which was given a finite one"
    reached = next((one for one in reversed(seen) if not all(one.gradient_at_outputs)), None)
    if reached is not None:
        return f"the gradient that reaches {reached.name} from what is computed after it"
    return f"the gradient of {bad_parameters[0]}" if bad_parameters else None


def _hook(name: str, module: nn.Module, seen: list[_Seen]) -> Callable[..., None]:
    def hook(_: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        inputs, outputs = list(_tensors([args, kwargs])), list(_tensors(output))
        label = name or type(module).__name__
        one = _Seen(label, all(map(_finite, outputs)), all(map(_finite, inputs)), not any(module.children()))
        for tensors, gradients in ((outputs, one.gradient_at_outputs), (inputs, one.gradient_at_inputs)):
            for tensor in tensors:
                if tensor.requires_grad:
                    tensor.register_hook(lambda gradient, into=gradients: into.append(_finite(gradient)))
        seen.append(one)

    return hook


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _finite(value: torch.Tensor) -> bool:
    return not value.is_floating_point() or bool(torch.isfinite(value).all())
