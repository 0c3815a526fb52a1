"""A generator of damaged and odd released files: encoders' `.pth`, and BAT's projector and LoRA."""

import io
import math
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

KEY, VARIANCE, COUNT = "head.bias", "conv_downsample.1.running_var", "conv_downsample.1.num_batches_tracked"


class Case(NamedTuple):
    """A file made of a good state dict, and words of the refusal; None where it must be converted as the good one."""

    write: Callable[[Path, dict[str, torch.Tensor]], Any]
    words: str | None


def saved(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path, dict[str, torch.Tensor]], None]:
    """torch.save of what `change` makes of the state dict."""
    return lambda path, state: torch.save(change(dict(state)), path)


def value(make: Callable[[torch.Tensor], Any], key: str = KEY) -> Callable[[Path, dict[str, torch.Tensor]], None]:
    """Another value for one tensor."""
    return saved(lambda state: {**state, key: make(state[key])})


def raw(content: bytes) -> Callable[[Path, dict[str, torch.Tensor]], Any]:
    return lambda path, state: path.write_bytes(content)


def changed(change: Callable[[bytearray], Any]) -> Callable[[Path, dict[str, torch.Tensor]], None]:
    """A change to the bytes of a good file."""

    def write(path: Path, state: dict[str, torch.Tensor]) -> None:
        torch.save(state, path)
        content = bytearray(path.read_bytes())
        result = change(content)
        path.write_bytes(content if result is None else result)

    return write


def _flip(content: bytearray) -> None:
    # In the middle of the largest member, which holds a weight.
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        member = max(archive.infolist(), key=lambda one: one.file_size)
    content[member.header_offset + 200 + member.file_size // 2] ^= 1


def _packed(path: Path, state: dict[str, torch.Tensor]) -> None:
    """A few kilobytes that unpack to a hundred megabytes."""
    torch.save({**state, "zeros": torch.zeros(25_000_000)}, path)
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: archive.read(member) for member in archive.infolist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _without_checksums(path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(state, path)
    finally:
        torch.serialization.set_crc32_options(True)


def _module(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    return torch.nn.Linear(2, 2)


def _quantized(tensor: torch.Tensor) -> torch.Tensor:
    return torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)


def _sparse_rows(tensor: torch.Tensor) -> torch.Tensor:
    return torch.eye(5).to_sparse_csr()


ENCODER = {
    # Roots
    "empty": Case(raw(b""), "empty"),
    "text": Case(raw(b"hello world, this is no checkpoint\n" * 10), "not a checkpoint"),
    "a WAV": Case(raw(b"RIFF" + struct.pack("<I", 36) + b"WAVEfmt " + bytes(200)), "not a checkpoint"),
    "a page": Case(raw(b"<html>404</html>"), "not a checkpoint"),
    "zeros": Case(raw(bytes(4096)), "not a checkpoint"),
    "a zip of text": Case(lambda path, _: zipfile.ZipFile(path, "w").writestr("a.txt", "text"), ""),
    "the start of a zip": Case(raw(b"PK\x03\x04" + bytes(100)), "damaged or cut"),
    "cut": Case(changed(lambda content: content[: len(content) // 2]), "damaged or cut"),
    "cut by a byte": Case(changed(lambda content: content[:-1]), ""),
    "one bit": Case(changed(_flip), "checksum"),
    "unpacks to far more": Case(_packed, "unpack to"),
    "pickled list": Case(raw(pickle.dumps([1, 2])), "not a checkpoint"),
    "root None": Case(saved(lambda state: None), "its root is a NoneType"),
    "root number": Case(saved(lambda state: 5), "its root is a int"),
    "root list": Case(saved(lambda state: [1]), "its root is a list"),
    "root tensor": Case(saved(lambda state: state[KEY]), "its root is a Tensor"),
    "root module": Case(saved(_module), "not a checkpoint"),
    "root of nothing": Case(saved(lambda state: {}), "missing"),
    "model None": Case(saved(lambda state: {"model": None}), "model is a NoneType"),
    "model list": Case(saved(lambda state: {"model": [1]}), "model is a list"),
    "model twice": Case(saved(lambda state: {"model": {"model": state}}), "model is a dict"),
    "under another name": Case(saved(lambda state: {"state_dict": state}), "state_dict is a dict"),
    "of several processes": Case(saved(lambda state: {f"module.{key}": one for key, one in state.items()}), "missing"),
    "directory": Case(lambda path, _: path.mkdir(), "a directory"),
    "link to itself": Case(lambda path, _: path.symlink_to(path), "circle"),
    # Keys
    "key 5": Case(saved(lambda state: {**state, 5: torch.zeros(1)}), "key of type int"),
    "key None": Case(saved(lambda state: {**state, None: torch.zeros(1)}), "key of type NoneType"),
    "key missing": Case(saved(lambda state: {key: one for key, one in state.items() if key != KEY}), "missing: head.bias"),
    "key too many": Case(saved(lambda state: {**state, "more": torch.zeros(1)}), "unexpected: more"),
    # Values
    "None": Case(value(lambda tensor: None), "head.bias is a NoneType"),
    "text value": Case(value(lambda tensor: "weights"), "head.bias is a str"),
    "list value": Case(value(lambda tensor: tensor.tolist()), "head.bias is a list"),
    "another shape": Case(value(lambda tensor: tensor[:-1].clone()), "mismatched: head.bias"),
    "no values": Case(value(lambda tensor: tensor[:0].clone()), "mismatched: head.bias"),
    "NaN": Case(value(lambda tensor: tensor * math.nan), "not finite: head.bias"),
    "infinity": Case(value(lambda tensor: tensor + math.inf), "not finite: head.bias"),
    "1e300": Case(value(lambda tensor: tensor.double() + 1e300), "not finite: head.bias"),
    "int8": Case(value(lambda tensor: tensor.to(torch.int8)), "head.bias (torch.int8)"),
    "int64": Case(value(lambda tensor: tensor.long()), "head.bias (torch.int64)"),
    "bool": Case(value(lambda tensor: tensor > 0), "head.bias (torch.bool)"),
    "complex64": Case(value(lambda tensor: tensor.to(torch.complex64)), "complex numbers"),
    "quantized": Case(value(_quantized), "quantized"),
    "sparse": Case(value(lambda tensor: tensor.to_sparse()), "torch.sparse_coo"),
    "sparse rows": Case(value(_sparse_rows), "torch.sparse_csr"),
    "meta": Case(value(lambda tensor: tensor.to("meta")), "empty (meta)"),
    "terabytes of one value": Case(value(lambda tensor: torch.zeros(1).expand(2**40)), "claims 1,099,511,627,776 values"),
    "one value, right shape": Case(value(lambda tensor: torch.zeros(1).expand(5)), "claims 5 values"),
    "negative variance": Case(value(lambda tensor: -tensor.abs() - 1, VARIANCE), f"negative: {VARIANCE}"),
    "negative count": Case(value(lambda tensor: torch.tensor(-1), COUNT), f"negative: {COUNT}"),
    "count of fractions": Case(value(lambda tensor: torch.tensor(1.5), COUNT), COUNT),
    # What is right goes on being read
    "as released": Case(saved(lambda state: {"model": state, "epoch": 3}), None),
    "plain": Case(saved(lambda state: state), None),
    "in order": Case(saved(OrderedDict), None),
    "older form": Case(lambda path, state: torch.save(state, path, _use_new_zipfile_serialization=False), None),
    "without checksums": Case(_without_checksums, None),
    "double": Case(saved(lambda state: {k: t.double() if t.is_floating_point() else t for k, t in state.items()}), None),
    "parameters": Case(
        saved(lambda state: {k: torch.nn.Parameter(t) if t.is_floating_point() else t for k, t in state.items()}), None
    ),
}

PROJECTOR, DOWN = (
    "encoder_projector.linear.weight",
    "llm.base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight",
)
UP = DOWN.replace("lora_A", "lora_B")


def _of(key: str, make: Callable[[torch.Tensor], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: {**state, key: make(state[key])}


def _without(*words: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda state: {key: one for key, one in state.items() if not any(word in key for word in words)}


# What is made of BAT's state dict, and words of the refusal.
ADAPTERS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no LoRA": (_without("lora_"), "no LoRA key"),
    "no projector": (_without("encoder_projector"), "encoder_projector.query is missing"),
    "half of LoRA": (_without("lora_B"), "missing: llm"),
    "one tensor missing": (_without(UP), f"missing: {UP}"),
    "another rank": (_of(DOWN, lambda tensor: tensor[:-1].clone()), "mismatched"),
    "rank of zero": (_of(DOWN, lambda tensor: tensor[:0].clone()), "none of them 0"),
    "another width": (_of(DOWN, lambda tensor: tensor[:, :-1].clone()), f"mismatched: {DOWN}"),
    "LoRA of one dimension": (_of(DOWN, lambda tensor: tensor.reshape(-1)), "expected 2 dimensions"),
    "another layer": (lambda s: {key.replace("layers.1.", "layers.9."): one for key, one in s.items()}, "layers.9"),
    "another target": (lambda s: {key.replace("q_proj.lora", "k_proj.lora"): one for key, one in s.items()}, "q_proj"),
    "query of one dimension": (_of("encoder_projector.query", lambda tensor: tensor.reshape(-1)), "3 dimensions"),
    "query of none": (_of("encoder_projector.query", lambda tensor: tensor.sum()), "3 dimensions"),
    "no queries": (_of("encoder_projector.query", lambda tensor: tensor[:, :0].clone()), "none of them 0"),
    "projector int8": (_of(PROJECTOR, lambda tensor: tensor.to(torch.int8)), "torch.int8"),
    "projector 1e300": (_of(PROJECTOR, lambda tensor: tensor.double() + 1e300), "not finite"),
    "projector NaN": (_of(PROJECTOR, lambda tensor: tensor * math.nan), "not finite"),
    "projector complex": (_of(PROJECTOR, lambda tensor: tensor.to(torch.complex64)), "complex"),
    "projector None": (_of(PROJECTOR, lambda tensor: None), "NoneType"),
    "projector of one dimension": (_of(PROJECTOR, lambda tensor: tensor.reshape(-1)), "2 dimensions"),
    "a list": (lambda state: list(state.values()), "a list"),
    "None": (lambda state: None, "a NoneType"),
    "key 5": (lambda state: {**state, 5: torch.zeros(1)}, "key of type int"),
    "an encoder's": (lambda state: {"head.bias": torch.zeros(5)}, "missing"),
}
