"""The bench for a GPU, tried out on the CPU: every path but the card's own memory count."""

import json
import runpy
import sys
from pathlib import Path

import pytest
import torch

from spatial_llm.model import SpatialLLMForConditionalGeneration
from spatial_llm.profiling import gpu as gpu_bench
from spatial_llm.profiling.gpu import Case, bitsandbytes_version, build_random, measure
from spatial_llm.profiling.memory import on_meta, weight_bytes
from spatial_llm.testing import tiny_config

CPU = torch.device("cpu")
NO_4BIT = bitsandbytes_version() is None


def case(**changes: object) -> Case:
    given = {"quantization": "none", "encoder_cache": True, "activation_checkpointing": False, "batch_size": 2,
             "text_tokens": 24, "precision": "bf16"}  # fmt: skip
    return Case(**{**given, **changes})


def run(repository: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    monkeypatch.setattr(sys, "argv", ["eval/bench_gpu.py", *options])
    runpy.run_path(str(repository / "eval/bench_gpu.py"), run_name="__main__")


def test_the_command_on_a_cpu(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "bench.json"
    language_model = str(repository / "recipes/configs/language_models/llama3_2_1b.yaml")
    run(repository, monkeypatch, "--config", language_model, "--device", "cpu", "--size", "tiny", "--steps", "2",
        "--batch_size", "3", "--text_tokens", "[16, 40]", "--out", str(out))  # fmt: skip
    record = json.loads(out.read_text())
    assert record["model"]["language_model"] == "meta-llama/Llama-3.2-1B" and len(record["date"]) == 10
    assert "CPU" in record["card"] and record["versions"]["torch"] in torch.__version__ and record["git_hash"]
    rows = record["results"]
    modes = 1 if NO_4BIT else 2
    assert len(rows) == modes * 2 * 2 and list(record["skipped"]) == (["4bit"] if NO_4BIT else [])
    printed = capsys.readouterr().out
    assert printed.count("tokens/s, peak") == len(rows) and ("4bit was not measured: bitsandbytes" in printed) == NO_4BIT
    for row in rows:
        assert row["tokens_per_s"] == pytest.approx(3 * (4 + row["text_tokens"]) / row["step_s"])
        assert row["questions_per_s"] == pytest.approx(3 / row["step_s"]) and row["peak_bytes"] > 0
    none = {(row["encoder_cache"], row["text_tokens"]): row for row in rows if row["quantization"] == "none"}
    for length in (16, 40):
        assert none[True, length]["peak_bytes"] < none[False, length]["peak_bytes"], "cached, the encoder is not there"
        assert none[True, length]["planned_bytes"] < none[False, length]["planned_bytes"]
    for row in none.values():
        assert 0.5 * row["planned_bytes"] < row["peak_bytes"] <= row["planned_bytes"], "an upper estimate of this very step"


def test_checkpointed_activations_take_less(tmp_path: Path) -> None:
    config = tiny_config("SpatialLLMForConditionalGeneration")
    config.text_config.num_hidden_layers = 8
    peaks = [
        measure(config, case(activation_checkpointing=given, batch_size=8), CPU, steps=1)["peak_bytes"] for given in (0, 1)
    ]
    assert peaks[1] < 0.75 * peaks[0]


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_random_weights_are_those_of_a_fresh_model(precision: str) -> None:
    config = tiny_config("SpatialLLMForConditionalGeneration")
    config.text_config.tie_word_embeddings = True
    torch.manual_seed(0)
    made, fresh = build_random(config, case(precision=precision), CPU), SpatialLLMForConditionalGeneration(config)
    ours, theirs = dict(made.named_parameters()), dict(fresh.named_parameters())
    assert {name: p.requires_grad for name, p in ours.items()} == {name: p.requires_grad for name, p in theirs.items()}
    dtype = {"bf16": torch.bfloat16, "fp32": torch.float32}[precision]
    for name, parameter in ours.items():
        frozen_text = name.startswith("language_model.") and "lora_" not in name
        assert parameter.dtype == (dtype if frozen_text else torch.float32), name
        if parameter.numel() > 500:
            assert float(parameter.detach().float().std()) == pytest.approx(float(theirs[name].detach().std()), rel=0.2), (
                name
            )
    assert made.get_output_embeddings().weight is made.get_input_embeddings().weight
    for name, buffer in fresh.named_buffers():
        assert torch.equal(made.get_buffer(name).float(), buffer.float()), name
    assert weight_bytes(made, "none") == weight_bytes(on_meta(config, dtype), "none")


@pytest.mark.skipif(NO_4BIT, reason="bitsandbytes is not installed: pip install 'spatial-llm[4bit]'")
def test_4bit_weights_are_small_and_train(tmp_path: Path) -> None:
    config = tiny_config("SpatialLLMForConditionalGeneration")
    model = build_random(config, case(quantization="4bit"), CPU)
    layer = model.language_model.model.layers[0].self_attn.q_proj
    assert layer.base_layer.weight.dtype == torch.uint8 and layer.lora_A.default.weight.dtype == torch.float32
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    step = gpu_bench.training_step(model, gpu_bench._batch(config, case()), case(), CPU)
    before = layer.lora_B.default.weight.clone()
    step()
    assert not torch.equal(layer.lora_B.default.weight, before)


def test_too_little_memory_is_a_row_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(gpu_bench, "_run", full)
    row = measure(tiny_config("SpatialLLMForConditionalGeneration"), case(), CPU, steps=1)
    assert row["peak_bytes"] is None and row["tokens_per_s"] is None and row["planned_bytes"] > 0


@pytest.mark.parametrize("options, said", [
    (["--device", "cpu"], "the full size is for a GPU"),
    ([], "this machine has no GPU"),
])  # fmt: skip
def test_without_a_gpu_the_full_size_is_refused(
    repository: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as refused:
        run(repository, monkeypatch, *options)
    assert str(refused.value).startswith("error: ") and said in str(refused.value)
