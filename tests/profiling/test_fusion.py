"""The multiply-adds of each fusion by formula, against those that torch counts in a forward pass."""

from typing import Any

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers import LlamaConfig

from spatial_llm.fusion import read_fusion
from spatial_llm.profiling.fusion import Shape, answering, build, inputs_of, kept_bytes, multiply_adds, training_step

TEXT = LlamaConfig(
    hidden_size=64, intermediate_size=160, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
    vocab_size=200,
)  # fmt: skip
SHAPE = Shape(TEXT, text_tokens=40, batch_size=2, new_tokens=3)
FUSIONS: dict[str, dict[str, Any] | None] = {
    "prefix": None,
    "lal": {"type": "lal", "layers": {"start": 1}, "width": 48},
    "hybrid": {"type": "hybrid", "layers": [1, 3], "width": 48},
    "delayed": {"type": "delayed", "start_layer": 1},
    "gated_cross_attention": {"type": "gated_cross_attention", "layers": {"every": 2}, "width": 48, "heads": 2},
}


@pytest.mark.parametrize("name", FUSIONS)
def test_multiply_adds_are_those_that_torch_counts(name: str) -> None:
    model = build(SHAPE, FUSIONS[name]).float().train()
    model.set_attn_implementation("eager")
    inputs = inputs_of(model, SHAPE)
    labels = inputs["input_ids"].masked_fill(inputs["input_ids"] == model.config.audio_token_id, -100)
    # Only attention that is made of matrix products is counted on a CPU.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(**inputs, labels=labels, use_cache=False)
    found = {module.partition(".")[2]: sum(flops.values()) for module, flops in counter.get_flop_counts().items()}
    lora = sum(flops for module, flops in found.items() if ".lora_" in module and module.endswith("default"))
    assert lora > 0
    counted = (found["language_model"] - lora) / 2  # a multiply-add is two operations
    assert multiply_adds(SHAPE, read_fusion(FUSIONS[name])) == pytest.approx(counted, rel=0.02)


def test_kept_bytes_are_each_storage_once_and_no_weights() -> None:
    given, model = torch.randn(10, 6, requires_grad=True), torch.nn.Linear(6, 4, bias=False)

    def step() -> None:
        hidden = model(given)  # keeps `given`, 60 numbers, and the transposed weight, which does not count
        both = hidden.exp() * hidden.view(4, 10).T.relu()  # exp and relu keep 40 each, and their product the same
        both.sum().backward()

    assert kept_bytes(model, step) == 4 * (60 + 2 * 40) and model.weight.grad is not None


@pytest.mark.parametrize("name", ["prefix", "lal"])
def test_a_step_leaves_no_gradients_and_an_answer_has_its_length(name: str) -> None:
    model = build(SHAPE, FUSIONS[name])
    training_step(model, SHAPE)()
    assert all(parameter.grad is None for parameter in model.parameters())
    made: list[torch.Tensor] = []
    generate = model.generate
    model.generate = lambda **options: made.append(generate(**options))
    answering(model, SHAPE)()
    assert made[0].shape == (SHAPE.batch_size, 512 + 40 + SHAPE.new_tokens), "behind the prompt"
