"""Reports what became of every tensor of a released checkpoint. A gap is an error: no model is loaded by half."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedConfig

from spatial_llm.encoders.pretrained import impossible, raise_on_gaps, same_kind
from spatial_llm.errors import CheckpointError

# Official key -> our key, or (our key, rows of it) where several official tensors are one of ours.
Names = dict[str, str | tuple[str, slice]]


@dataclass
class KeyReport:
    """The keys of an official state dict (and, under `missing`, of our model), sorted by what became of them.

    Attributes:
        loaded: official key -> our key.
        constants: keys in the file whose values we compute; they were compared and are equal.
        unused: keys in every official file that no official code reads either; they are left out by name.
        missing: our tensors that no official key filled.
        unexpected: official keys that we do not know.
        mismatched: official key -> (shape given, shape expected).
        other_kind: keys of integers, booleans or complex numbers where weights are expected, and the reverse.
        not_finite: keys with a NaN or an infinity once they are cast.
        negative: keys of variances and counts below zero.
        licence: of the weights, as their authors give it.
    """

    licence: str
    loaded: dict[str, str] = field(default_factory=dict)
    constants: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    other_kind: list[str] = field(default_factory=list)
    not_finite: list[str] = field(default_factory=list)
    negative: list[str] = field(default_factory=list)

    def raise_if_incomplete(self, what: str) -> None:
        """Raises CheckpointError naming every tensor that is missing, unexpected, mismatched or impossible."""
        raise_on_gaps(
            what,
            missing=self.missing,
            unexpected=self.unexpected,
            mismatched=[f"{key} is {given}, expected {wanted}" for key, (given, wanted) in self.mismatched.items()],
            another_kind_of_number=self.other_kind,
            not_finite=self.not_finite,
            negative=self.negative,
        )

    def summary(self) -> str:
        """Returns one line for people."""
        return (
            f"{len(self.loaded)} tensors loaded, {len(self.constants)} constants checked, {len(self.unused)} unused ones "
            f"left out, {len(self.missing)} missing, {len(self.unexpected)} left over. Licence of the weights: "
            f"{self.licence}"
        )


def as_tensors(state_dict: Any, what: str = "state dict") -> dict[str, torch.Tensor]:
    """Converts tensors or arrays by name to CPU tensors by name; a file's root {"model": state dict, ...} is unwrapped.

    Raises:
        CheckpointError: the input is no mapping, a key is no text, or a value is no dense, plain, whole tensor or array.
    """
    if isinstance(state_dict, Mapping) and isinstance(state_dict.get("model"), Mapping):
        state_dict = state_dict["model"]
    if not isinstance(state_dict, Mapping):
        raise CheckpointError(f"{what}: a {type(state_dict).__name__}, expected tensors by name.")
    return {_name(key, what): _tensor(value, f"{what}: {key}") for key, value in state_dict.items()}


def _name(key: Any, what: str) -> str:
    if not isinstance(key, str):
        raise CheckpointError(f"{what}: {key!r} is a key of type {type(key).__name__}, expected names of tensors.")
    return key


def _tensor(value: Any, what: str) -> torch.Tensor:
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return torch.from_numpy(np.ascontiguousarray(value).reshape(value.shape))
    if not isinstance(value, torch.Tensor):
        raise CheckpointError(f"{what} is a {type(value).__name__}, expected a tensor.")
    if value.layout != torch.strided or value.is_quantized or value.is_nested or value.is_meta:
        kind = "quantized" if value.is_quantized else "nested" if value.is_nested else "empty (meta)"
        kind = kind if value.layout == torch.strided else str(value.layout)
        raise CheckpointError(f"{what} is a {kind} tensor, expected a dense one.")
    if value.is_complex():
        raise CheckpointError(f"{what} holds complex numbers ({value.dtype}), expected real ones.")
    # A view may claim terabytes of one stored value.
    if value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise CheckpointError(
            f"{what} claims {value.numel():,} values of which the file holds "
            f"{value.untyped_storage().nbytes() // value.element_size():,}; expected a whole tensor."
        )
    return value.detach().cpu()


def float32(tensor: torch.Tensor, name: str) -> torch.Tensor:
    """Returns a copy of one of our tensors as a released file holds it: float32, or whole numbers as they are.

    Raises:
        CheckpointError: the tensor is float64, which float32 cannot hold.
    """
    if tensor.dtype == torch.float64:
        raise CheckpointError(f"{name} is float64, and released files hold float32: save the model with .float() first.")
    kept = tensor.detach().clone(memory_format=torch.contiguous_format)
    return kept.float() if kept.is_floating_point() else kept


def check_default_fields(config: PreTrainedConfig, free: Iterable[str], what: str) -> None:
    """Raises CheckpointError, naming all of them, if fields of a config have other values than the official code, whose
    values are the defaults.

    Args:
        config: of an encoder or a projector.
        free: fields that may have any value; those of every transformers config may too.
        what: what is exported, for the message.
    """
    own = {one.name for one in fields(config)} - {one.name for one in fields(PreTrainedConfig)} - set(free)
    usual = type(config)()
    other = {name: (getattr(config, name), getattr(usual, name)) for name in sorted(own)}
    if wrong := [f"{name} is {given!r}, not {wanted!r}" for name, (given, wanted) in other.items() if given != wanted]:
        raise CheckpointError(
            f"{what}: the official {config.model_type} cannot express it: {'; '.join(wrong)}. It stays in a folder of ours."
        )


def load_by_name(
    model: nn.Module, tensors: dict[str, torch.Tensor], names: Names, optional: set[str], report: KeyReport
) -> None:
    """Copies official tensors into `model` and fills `report`; nothing is copied where a shape differs.

    Args:
        tensors: official key -> tensor; keys not in `names` count as unexpected.
        names: official key -> our key.
        optional: official keys that a file may lack.
    """
    ours = model.state_dict()
    report.unexpected += [key for key in tensors if key not in names]
    reached = set()
    for key, place in names.items():
        name, target = (place, ours[place]) if isinstance(place, str) else (place[0], ours[place[0]][place[1]])
        reached.add(name)
        tensor = tensors.get(key)
        if tensor is None:
            if key not in optional:
                report.missing.append(key)
        elif tensor.shape != target.shape:
            report.mismatched[key] = (tuple(tensor.shape), tuple(target.shape))
        elif not same_kind(tensor, target):
            report.other_kind.append(f"{key} ({tensor.dtype})")
        elif not torch.isfinite(cast := tensor.to(target.dtype)).all():
            report.not_finite.append(key)
        elif impossible(name, cast):
            report.negative.append(key)
        else:
            report.loaded[key] = name
            target.copy_(cast)
    report.missing += sorted(set(ours) - reached)
