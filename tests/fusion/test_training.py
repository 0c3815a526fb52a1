"""Training with every fusion: what gets gradients, and that activation checkpointing changes none of them."""

import pytest
import torch

from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import add_lora
from tests.fusion.conftest import composite, prompts
from tests.fusion.test_generation import FUSIONS

LOSS_CHANGE, LONGEST_STEP = 5e-3, 5e-3  # smaller changes drown in the loss, which is float32


@pytest.fixture(params=FUSIONS.values(), ids=FUSIONS)
def model(request):
    """In training but for dropout: that of LoRA is taken out, and only the language model is told that it trains."""
    model = composite(request.param)
    model.language_model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def batch(model, seed=0):
    inputs = prompts(model, "tAttt", "Attt", audio="input_features", seed=seed)
    labels = inputs["input_ids"].clone()
    labels[:, :-2] = -100
    return {**inputs, "labels": labels}


def losses_and_gradients(model, inputs):
    model.zero_grad()
    loss = model(**inputs).loss
    loss.backward()
    return loss.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_gradients_reach_projector_lora_and_fusion_and_nothing_else(model):
    _, gradients = losses_and_gradients(model, batch(model))
    parts = tuple(f"{name}." for name in model.trained_parts())
    expected = {name for name, _ in model.named_parameters() if name.startswith(parts)}
    silent = {name for name in expected if name not in gradients or not gradients[name].any()}
    assert set(gradients) <= expected
    # The Q-Former's last layer has no token to be read by cross-attention keys' bias: softmax does not see it.
    assert {name for name in silent if not name.endswith("key.bias")} == set()


@pytest.mark.parametrize("name", ["fusion", "lora"])
def test_gradients_are_those_of_finite_differences(model, name):
    inputs = batch(model)
    _, gradients = losses_and_gradients(model, inputs)
    marks = {
        "fusion": ("audio_fusion", "summary.linear.weight", "prefix.linear.weight", "projector.linear.weight"),
        "lora": ("v_proj.lora_A",),
    }
    chosen = [one for one in gradients if any(mark in one for mark in marks[name])]
    assert chosen
    parameters = dict(model.named_parameters())
    for one in chosen[:3]:
        direction = gradients[one] / gradients[one].norm()
        weight, step = parameters[one].data, min(LONGEST_STEP, LOSS_CHANGE / gradients[one].norm().item())
        ends = []
        for sign in (1, -1):
            parameters[one].data = weight + sign * step * direction
            with torch.no_grad():
                ends.append(model(**inputs).loss)
        parameters[one].data = weight
        slope = (ends[0] - ends[1]) / (2 * step)
        torch.testing.assert_close(slope, gradients[one].norm(), rtol=0.05, atol=2e-3)


def test_activation_checkpointing_changes_no_gradient(model):
    inputs = batch(model)
    loss, gradients = losses_and_gradients(model, inputs)
    calls = []
    for layer in model.language_model.get_decoder().layers:
        layer.self_attn.register_forward_hook(lambda *_: calls.append(0))
    model.gradient_checkpointing_enable({"use_reentrant": False})
    again, recomputed = losses_and_gradients(model, inputs)
    assert len(calls) == 2 * len(model.language_model.get_decoder().layers)
    assert torch.equal(loss, again)
    assert gradients.keys() == recomputed.keys()
    assert all(torch.equal(gradients[name], recomputed[name]) for name in gradients)


def test_reentrant_checkpointing_is_refused(model):
    with pytest.raises(SpatialLLMError, match="use_reentrant"):
        model.gradient_checkpointing_enable({"use_reentrant": True})


def test_labels_go_with_their_rows(model):
    """The loss is that of the answer alone, computed by hand from the logits of its rows."""
    inputs = batch(model)
    found = model(**inputs)
    labels = inputs["labels"].gather(1, found.text_columns)
    expected = torch.nn.functional.cross_entropy(
        found.logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100
    )
    torch.testing.assert_close(found.loss, expected)
    assert (labels != -100).sum() == (inputs["labels"] != -100).sum()


def test_the_token_after_audio_has_no_row_that_predicts_it(model):
    inputs = prompts(model, "tAtt")
    labels = inputs["input_ids"].masked_fill(inputs["input_ids"] == model.config.audio_token_id, -100)
    kept = labels.clone()
    if model.fusion_modules is None or model.fusion_modules.rows_first:
        kept[:, -2] = -100
    torch.testing.assert_close(model(**inputs, labels=labels).loss, model(**inputs, labels=kept).loss)


def test_what_trains_does_not_depend_on_the_way_the_model_is_made(model):
    """Of a frozen language model, with LoRA added afterwards, as the recipes do: the same parameters train."""
    plain = composite(None, lora=None)
    joined = type(model).from_parts(
        model.encoder, plain.language_model.requires_grad_(False), model.projector, model.config.audio_token_id,
        fusion=model.config.fusion,
    )  # fmt: skip
    add_lora(joined, **model.config.lora)
    trains, expected = ({n for n, p in each.named_parameters() if p.requires_grad} for each in (joined, model))
    assert trains == expected
