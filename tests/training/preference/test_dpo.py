"""DPO's loss and gradients against the formula written out pair by pair, and what must be exactly nothing."""

import math

import pytest
import torch

from spatial_llm.errors import SpatialLLMError
from spatial_llm.training.preference.answer_log_probs import answer_log_probs, heard_once
from spatial_llm.training.preference.dpo import DpoLoss
from spatial_llm.training.preference.reference import PairLogProbs
from spatial_llm.training.preference.settings import DpoSettings
from tests.fusion.conftest import composite
from tests.training.preference.test_answer_log_probs import one_by_one, pair_batch

SETTINGS = {
    "sigmoid": DpoSettings(beta=0.3),
    "length-normalised": DpoSettings(beta=2.0, length_normalised=True),
    "anchored": DpoSettings(beta=0.1, anchor=0.7),
    "anchored and length-normalised": DpoSettings(beta=1.5, length_normalised=True, anchor=1.0),
}


@pytest.fixture
def model():
    return composite(None)


@pytest.fixture
def start(model):
    """Log-probabilities of the pairs under other weights: what a run might have started from."""
    batch, processor = pair_batch(model)
    before = {name: parameter.data.clone() for name, parameter in model.named_parameters() if ".lora_" in name}
    for parameter in model.parameters():
        parameter.data.mul_(0.9) if parameter.requires_grad else None
    with torch.no_grad():
        sums, counts = one_by_one(model, processor, batch["input_features"])
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            parameter.data.copy_(before[name]) if name in before else parameter.data.div_(0.9)
    reference = PairLogProbs(3)
    reference.put(batch["pairs"], torch.stack(sums.chunk(2), -1), torch.stack(counts.chunk(2), -1))
    return reference


def written_out(model, processor, features, start, settings):
    """The loss by the formula, one pair after another, in double precision."""
    sums, counts = one_by_one(model, processor, features)
    total = torch.zeros((), dtype=torch.float64)
    for pair in range(3):
        margin = torch.zeros((), dtype=torch.float64)
        for side, sign in ((0, 1.0), (1, -1.0)):
            row, length = pair + 3 * side, float(counts[pair + 3 * side])
            ratio = sums[row] - float(start.sums[pair, side])
            margin = margin + sign * (ratio / length if settings.length_normalised else ratio)
        total = total + torch.log1p(torch.exp(-settings.beta * margin))
        total = total - settings.anchor * sums[pair] / float(counts[pair])
    return total / 3


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_loss_and_gradients_are_those_of_the_formula(model, start, settings):
    batch, processor = pair_batch(model)
    loss = DpoLoss(settings, start, "fp32")(model, batch)
    loss.backward()
    ours = gradients(model)
    model.zero_grad()
    expected = written_out(model, processor, batch["input_features"], start, settings)
    expected.backward()
    theirs = gradients(model)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert ours.keys() == theirs.keys() and any("lora" in name for name in ours) and any("proj" in name for name in ours)
    # Biases of keys have a gradient of 0, of which rounding is all that is left.
    largest = max(float(gradient.abs().max()) for gradient in theirs.values())
    assert largest > 1e-2
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=2e-3, atol=1e-5 * largest, msg=name)


def test_with_beta_0_and_no_anchor_every_gradient_is_exactly_0(model, start):
    batch, _ = pair_batch(model)
    loss = DpoLoss(DpoSettings(beta=0.0), start, "fp32")(model, batch)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(math.log(2)) and gradients(model)
    assert all(not gradient.any() for gradient in gradients(model).values())


def test_at_the_start_margins_are_exactly_0(model):
    batch, _ = pair_batch(model)
    found = answer_log_probs(model, batch, heard_once(model, batch, 2))
    reference = PairLogProbs(3)
    sums, counts = found.sums.detach(), found.mask.sum(-1)
    reference.put(batch["pairs"], torch.stack(sums.chunk(2), -1), torch.stack(counts.chunk(2), -1))
    for settings in SETTINGS.values():
        loss = DpoLoss(settings, reference, "fp32")
        value = loss(model, batch)
        logs = {"loss": 1.0}
        loss.on_log(None, None, None, logs)
        assert logs["margin"] == 0.0 and logs["preferred"] == 0.0
        anchor = settings.anchor * float(found.means.detach()[:3].mean())
        assert float(value.detach()) == pytest.approx(math.log(2) - anchor, rel=1e-6)


def test_a_step_down_the_gradient_raises_the_margin(model, start):
    batch, _ = pair_batch(model)
    loss, before = DpoLoss(DpoSettings(beta=0.3), start, "fp32"), []
    for _ in range(2):
        logs = {"loss": 0.0}
        loss.on_step_begin(None, type("State", (), {"global_step": 0})(), None)
        model.zero_grad()
        loss(model, batch).backward()
        loss.on_log(None, None, None, logs)
        before.append(logs["margin"])
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter -= 1e-5 * parameter.grad
    assert before[1] > before[0] + 1e-4


def test_lines_without_a_loss_get_no_metrics(model, start):
    loss = DpoLoss(DpoSettings(), start, "fp32")
    loss(model, pair_batch(model)[0])
    logs = {"train_runtime": 1.0}
    loss.on_log(None, None, None, logs)
    assert logs == {"train_runtime": 1.0}


@pytest.mark.parametrize("changes", [{"beta": -0.1}, {"anchor": -1.0}, {"beta": math.nan}])
def test_settings_out_of_range(changes):
    with pytest.raises(SpatialLLMError, match=rf"dpo\.{next(iter(changes))} is"):
        DpoSettings(**changes)
