"""A generator of damaged and odd model folders, made of the shipped model: what is done to each, and what must follow.

`refused`: a CheckpointError (or, at the question, another SpatialLLMError) that holds the words. `sealed`: nothing in the
file itself shows the change, so the seal alone refuses it, and a folder without a seal loads. `same`: the damage is
immaterial and the answer must be the undamaged one.
"""

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file

from spatial_llm.encoders.seal import SEAL
from spatial_llm.shipped import shipped_models
from spatial_llm.testing import tiny_processor

FILES = (
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "taught_questions.json",
    "model.safetensors",
)
WEIGHTS, HEADS = "model.safetensors", "encoder_heads.safetensors"


class Case(NamedTuple):
    """One damage: what is done to a folder, what follows ("refused", "sealed", "same"), words of the error."""

    damage: Callable[[Path], Any]
    outcome: str
    words: str = ""


def make(folder: Path, case: Case, sealed: bool) -> Path:
    """A copy of the shipped model in `folder`, with its seal or without, damaged."""
    folder.mkdir(parents=True)
    source = shipped_models()["tiny"]
    for name in (*FILES, HEADS, SEAL) if sealed else (*FILES, HEADS):
        shutil.copy(source / name, folder / name)
    case.damage(folder)
    return folder


def edit(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """A change to the object in a JSON file."""

    def damage(folder: Path) -> None:
        value = json.loads((folder / name).read_text(encoding="utf-8"))
        change(value)
        (folder / name).write_text(json.dumps(value), encoding="utf-8")

    return damage


def put(name: str, key: str, value: Any, *parts: str) -> Callable[[Path], None]:
    """`value` under `key` of a JSON file, below `parts`."""

    def change(settings: Any) -> None:
        for part in parts:
            settings = settings[part]
        settings[key] = value

    return edit(name, change)


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content)


def cut(name: str, share: float) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, int((folder / name).stat().st_size * share))


def instead(name: str, create: Callable[[Path], Any]) -> Callable[[Path], None]:
    """Something that is no file in place of a file."""

    def damage(folder: Path) -> None:
        (folder / name).unlink()
        create(folder / name)

    return damage


def tensors(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], None]:
    """A change to the tensors of the weights."""

    def damage(folder: Path) -> None:
        state = load_file(folder / WEIGHTS)
        change(state)
        save_file(state, folder / WEIGHTS, metadata={"format": "pt"})

    return damage


def cast(key: str, dtype: torch.dtype) -> Callable[[Path], None]:
    return tensors(lambda state: state.update({key: state[key].to(dtype)}))


def fill(key: str, value: float, dtype: torch.dtype | None = None) -> Callable[[Path], None]:
    def change(state: dict[str, torch.Tensor]) -> None:
        tensor = state[key].to(dtype or state[key].dtype).clone()
        tensor.view(-1)[0] = value
        state[key] = tensor

    return tensors(change)


def flip(folder: Path) -> None:
    """The lowest bit of one byte in the middle of the weights: still a number, and a whole file."""
    with (folder / WEIGHTS).open("r+b") as file:
        file.seek((folder / WEIGHTS).stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


def _header(size: int, header: bytes = b"") -> Callable[[Path], None]:
    return write(WEIGHTS, struct.pack("<Q", size) + header + bytes(64))


def _overlap(folder: Path) -> None:
    header = json.dumps({n: {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for n in ("a", "b")}).encode()
    (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))


def _sharded(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / WEIGHTS).unlink()
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"query": name}}))

    return damage


def _swapped_tokens(value: Any) -> None:
    vocabulary = value["model"]["vocab"]
    words = [word for word, number in vocabulary.items() if number > 10][:2]
    vocabulary[words[0]], vocabulary[words[1]] = vocabulary[words[1]], vocabulary[words[0]]


def _files() -> dict[str, Case]:
    """Each JSON file damaged in each way."""
    cases = {}
    for name in FILES[:-1]:
        damages = {
            "cut": (cut(name, 0.5), "JSON"),
            "empty": (cut(name, 0), "empty"),
            "not UTF-8": (write(name, b'{"a": "\xff\xfe"}'), "UTF-8"),
            "deep": (write(name, b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"), "nested too deeply"),
            "a list": (write(name, b"[1, 2]"), "expected a JSON object"),
            "huge": (lambda folder, name=name: os.truncate(folder / name, 300 * 2**20), "bytes, expected at most"),
            "a directory": (instead(name, os.mkdir), "a directory"),
            "a pipe": (instead(name, os.mkfifo), "no regular file"),
            "a link to itself": (instead(name, lambda path: os.symlink(path, path)), "circle"),
            "a broken link": (instead(name, lambda path: os.symlink("nowhere", path)), "no such file"),
            "text": (write(name, b"<html>404</html>"), "JSON"),
        }
        cases |= {f"{name}: {kind}": Case(damage, "refused", words) for kind, (damage, words) in damages.items()}
    for name in ("config.json", "processor_config.json", "tokenizer.json"):
        cases[f"{name}: missing"] = Case(lambda folder, name=name: (folder / name).unlink(), "refused", "")
    for name in ("generation_config.json", "taught_questions.json"):
        cases[f"{name}: missing"] = Case(lambda folder, name=name: (folder / name).unlink(), "sealed", "missing")
    later = edit("taught_questions.json", lambda value: value.update(version=2))
    cases["taught_questions.json: of a later version"] = Case(later, "refused", "upgrade")
    cases["adapter_config.json: broken"] = Case(write("adapter_config.json", b"{"), "refused", "adapter_config.json")
    cases["adapter_config.json: empty object"] = Case(write("adapter_config.json", b"{}"), "refused", "")
    return cases


def _processor() -> dict[str, Case]:
    name, part = "processor_config.json", "feature_extractor"
    values = {
        "n_fft": 2048,
        "hop_length": 2001,
        "sampling_rate": 16_000,
        "feature_size": 32,
        "f_min": 100.0,
        "f_max": 8000.0,
        "cues": ["logmel_left", "logmel_right"],
    }
    cases = {f"processor {key} {value}": Case(put(name, key, value, part), "refused", key) for key, value in values.items()}
    cases["processor cues reversed"] = Case(edit(name, lambda value: value[part]["cues"].reverse()), "refused", "cues")
    for key, value in {
        "num_audio_tokens": 5,
        "audio_token_id": 3,
        "prompt_format": "other",
        "max_question_characters": 0,
    }.items():
        cases[f"processor {key} {value}"] = Case(put(name, key, value), "refused", key)
    cases["processor without extractor"] = Case(edit(name, lambda value: value.pop(part)), "refused", "")
    cases["processor n_fft text"] = Case(put(name, "n_fft", "many", part), "refused", "n_fft")
    return cases


def _config() -> dict[str, Case]:
    name = "config.json"
    absurd = [
        ("encoder_config", "num_hidden_layers", 10_000),
        ("projector_config", "num_hidden_layers", 10_000),
        ("text_config", "num_hidden_layers", 10_000),
        ("encoder_config", "hidden_size", 2**40),
        ("projector_config", "hidden_size", 2**40),
        ("text_config", "hidden_size", 2**40),
        ("text_config", "vocab_size", 2**31),
        ("text_config", "intermediate_size", 2**40),
        ("projector_config", "num_query_tokens", 2**31),
        ("projector_config", "num_query_tokens", 0),
        ("encoder_config", "num_frames", 3 * 2**30),
        ("encoder_config", "num_event_classes", -1),
        ("encoder_config", "hidden_size", -192),
        ("encoder_config", "num_attention_heads", 0),
        ("encoder_config", "n_fft", 2048),
        ("encoder_config", "n_fft", 2**40),
        ("encoder_config", "hop_length", 0),
        ("encoder_config", "f_max", float("nan")),
        ("encoder_config", "duration_s", 1e12),
        ("encoder_config", "cues", ["logmel_left"]),
        ("encoder_config", "patch_size", [0, 8]),
        ("encoder_config", "hidden_act", "none"),
        ("encoder_config", "sampling_rate", "fast"),
        ("text_config", "num_attention_heads", 7),
        ("text_config", "vocab_size", -5),
        ("text_config", "hidden_size", None),
    ]
    cases = {f"config {part}.{key} {value}": Case(put(name, key, value, part), "refused", "") for part, key, value in absurd}
    for key, value in {"rank": 0, "alpha": float("nan"), "dropout": 2, "target_modules": [], "unknown": 1}.items():
        cases[f"config lora.{key} {value}"] = Case(put(name, key, value, "lora"), "refused", key)
    cases["config lora.rank 10**9"] = Case(put(name, "rank", 10**9, "lora"), "refused", "")
    cases["config lora of another layer"] = Case(put(name, "target_modules", ["fc9"], "lora"), "refused", "fc9")
    for value in (10**6, -1, "x", 5, None):
        cases[f"config audio_token_id {value}"] = Case(put(name, "audio_token_id", value), "refused", "audio_token_id")
    cases["config of another model"] = Case(put(name, "model_type", "llama"), "refused", "a llama")
    cases["config of no model"] = Case(put(name, "model_type", 5), "refused", "model_type")
    cases["config with another encoder"] = Case(put(name, "model_type", "spatial_ast", "encoder_config"), "refused", "")
    cases["config with an unknown text model"] = Case(put(name, "model_type", "nothing", "text_config"), "refused", "")
    heads = {"num_attention_heads": 3, "num_key_value_heads": 3, "head_dim": 64}
    for part in ("encoder_config", "text_config", "projector_config"):
        key = "rms_norm_eps" if part == "text_config" else "layer_norm_eps"
        cases[f"config {part}.{key}"] = Case(put(name, key, 1e-2, part), "sealed", SEAL)
        many = edit(name, lambda value, part=part: value[part].update(heads))
        cases[f"config {part} heads"] = Case(many, "sealed", SEAL)
    cases["config lora.alpha"] = Case(put(name, "alpha", 1, "lora"), "sealed", SEAL)
    return cases


def _heads_not_finite(folder: Path) -> None:
    tensors = load_file(folder / HEADS)
    tensors["event_head.bias"][3] = float("nan")
    save_file(tensors, folder / HEADS)


def _weights() -> dict[str, Case]:
    norm, query, matrix = "encoder.cue_norm.norm.running_var", "projector.query", "projector.linear.weight"
    return {
        "weights cut": Case(cut(WEIGHTS, 0.5), "refused", "cannot be read"),
        "weights cut by a byte": Case(
            lambda f: os.truncate(f / WEIGHTS, (f / WEIGHTS).stat().st_size - 1), "refused", WEIGHTS
        ),
        "weights empty": Case(cut(WEIGHTS, 0), "refused", "empty"),
        "heads cut": Case(cut(HEADS, 0.5), "refused", "cannot be read"),
        "heads empty": Case(cut(HEADS, 0), "refused", "empty"),
        "heads a directory": Case(instead(HEADS, os.mkdir), "refused", "a directory"),
        "heads a pipe": Case(instead(HEADS, os.mkfifo), "refused", "no regular file"),
        "heads a broken link": Case(instead(HEADS, lambda path: os.symlink("nowhere", path)), "refused", HEADS),
        "heads of other sizes": Case(
            lambda f: save_file({"event_head.weight": torch.ones(2, 2)}, f / HEADS), "refused", HEADS
        ),
        "heads not finite": Case(_heads_not_finite, "refused", HEADS),
        "weights missing": Case(lambda folder: (folder / WEIGHTS).unlink(), "refused", "no model.safetensors"),
        "weights a directory": Case(instead(WEIGHTS, os.mkdir), "refused", "a directory"),
        "weights a pipe": Case(instead(WEIGHTS, os.mkfifo), "refused", "no regular file"),
        "weights a pointer": Case(write(WEIGHTS, b"version https://git-lfs.github.com/spec/v1\n"), "refused", "LFS"),
        "header 2**63": Case(_header(2**63), "refused", "cannot be read"),
        "header 100 MB": Case(_header(100_000_001), "refused", "cannot be read"),
        "header no JSON": Case(_header(9, b"no JSON.."), "refused", "cannot be read"),
        "tensors overlap": Case(_overlap, "refused", "cannot be read"),
        "shard missing": Case(_sharded("model-00001-of-00001.safetensors"), "refused", "no such file"),
        "shard outside": Case(_sharded("../model.safetensors"), "refused", "leads out"),
        "one bit": Case(flip, "sealed", SEAL),
        "int8": Case(cast(matrix, torch.int8), "refused", matrix),
        "bool": Case(cast(matrix, torch.bool), "refused", matrix),
        "int64": Case(cast(query, torch.int64), "refused", query),
        "complex64": Case(cast(matrix, torch.complex64), "refused", matrix),
        "1e300": Case(fill(matrix, 1e300, torch.float64), "refused", matrix),
        "NaN": Case(fill(matrix, float("nan")), "refused", matrix),
        "infinity in a buffer": Case(fill(norm, float("inf")), "refused", norm),
        "negative variance": Case(fill(norm, -1.0), "refused", norm),
        "deviation of zero": Case(fill("projector.input_std", 0.0), "refused", "input_std"),
        "tensor missing": Case(tensors(lambda state: state.pop(matrix)), "refused", matrix),
        "tensor renamed": Case(tensors(lambda state: state.update({"other": state.pop(matrix)})), "refused", "other"),
        "tensor too many": Case(tensors(lambda state: state.update(more=torch.zeros(2))), "refused", "more"),
        "another shape": Case(tensors(lambda s: s.update({matrix: s[matrix][:-1].clone()})), "refused", matrix),
        "no values": Case(tensors(lambda s: s.update({matrix: s[matrix][:0].clone()})), "refused", matrix),
        "float64": Case(tensors(lambda s: s.update({matrix: s[matrix].double()})), "sealed", SEAL),
    }


def _tokens() -> dict[str, Case]:
    def other(folder: Path) -> None:
        tiny_processor().tokenizer.save_pretrained(folder)

    def many(value: Any) -> None:
        value["model"]["vocab"] |= {f"w{number}": number for number in range(800, 900)}

    name = "generation_config.json"
    return {
        "tokenizer of another model": Case(other, "refused", "of two models"),
        "tokenizer of a larger model": Case(edit("tokenizer.json", many), "refused", "another model's"),
        "tokens swapped": Case(edit("tokenizer.json", _swapped_tokens), "sealed", SEAL),
        "no vocabulary": Case(put("tokenizer.json", "vocab", {}, "model"), "refused", ""),
        "tokenizer of no kind": Case(put("tokenizer.json", "type", "none", "model"), "refused", ""),
        "another end": Case(put("tokenizer_config.json", "eos_token", "<pad>"), "refused", "ends answers"),
        "tokenizer_config missing": Case(lambda f: (f / "tokenizer_config.json").unlink(), "refused", ""),
        "generation max_new_tokens -1": Case(put(name, "max_new_tokens", -1), "refused", "max_new_tokens"),
        "generation eos_token_id x": Case(put(name, "eos_token_id", "x"), "refused", "eos_token_id"),
        "generation eos_token_id 10**9": Case(put(name, "eos_token_id", 10**9), "refused", "ends answers"),
        "generation num_beams many": Case(put(name, "num_beams", "many"), "refused", "num_beams"),
        "generation repetition_penalty 0": Case(put(name, "repetition_penalty", 0.0), "refused", "repetition_penalty"),
        "generation repetition_penalty 1.5": Case(put(name, "repetition_penalty", 1.5), "sealed", SEAL),
    }


def _immaterial() -> dict[str, Case]:
    def saved_again(folder: Path) -> None:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer(["a", "longer text"], padding=True)
        tokenizer.save_pretrained(folder)

    return {
        "JSON without spaces": Case(edit("config.json", lambda value: None), "same"),
        "line ends of Windows": Case(
            lambda f: (f / "tokenizer.json").write_bytes((f / "tokenizer.json").read_bytes().replace(b"\n", b"\r\n")), "same"
        ),
        "tokenizer saved again": Case(saved_again, "same"),
        "other files beside it": Case(write("notes.json", b"{"), "same"),
    }


CASES = {**_files(), **_processor(), **_config(), **_weights(), **_tokens(), **_immaterial()}
# One of every kind, for every run of the tests.
QUICK = (
    "config.json: deep",
    "generation_config.json: cut",
    "tokenizer.json: cut",
    "processor_config.json: missing",
    "processor cues reversed",
    "config text_config.num_hidden_layers 10000",
    "config encoder_config.hidden_size 1099511627776",
    "config projector_config.num_query_tokens 0",
    "weights cut",
    "one bit",
    "int8",
    "1e300",
    "negative variance",
    "tokens swapped",
    "tokenizer of another model",
    "tokenizer saved again",
)
