"""A NaN or an infinity stops the run with the module and the records it came from, and moves nothing."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from spatial_llm.errors import SpatialLLMError
from spatial_llm.training.engine.checkpointing import find_latest_valid
from spatial_llm.training.engine.nonfinite_trace import find_non_finite, random_state, set_random_state
from tests.training.engine.toy_run import SimpleOutput, Toy, ToySamples, composite, toy_run


class Breaks(torch.autograd.Function):
    """Passes a tensor on; its gradient becomes infinite."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        return gradient * float("inf")


class Bad(nn.Linear):
    """A layer that spoils what goes through it, forwards or backwards."""

    spoils = "output"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = super().forward(x)
        return out * float("inf") if self.spoils == "output" else Breaks.apply(out)


def chain(spoils: str | None) -> nn.Module:
    middle = nn.Linear(4, 4)
    if spoils:
        middle = Bad(4, 4)
        middle.spoils = spoils
    return nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.Dropout(0.1), middle), nn.Linear(4, 1))


def squared(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return (model(batch["x"]) ** 2).mean()


@pytest.mark.parametrize(
    "spoils, expected",
    [
        ("output", "the output of 1.1 (from finite inputs)"),
        ("gradient", "the gradient in 1.1, which was given a finite one"),
        (None, None),
    ],
)
def test_the_first_module_is_named(spoils: str | None, expected: str | None) -> None:
    assert find_non_finite(chain(spoils), {"x": torch.ones(3, 4)}, squared) == expected


def test_what_is_no_modules_fault_is_said_so() -> None:
    x = torch.ones(3, 4)
    assert find_non_finite(chain(None), {"x": x.clone().fill_(float("nan"))}, squared) == "x of the batch itself"
    broken = chain(None)
    with torch.no_grad():
        broken[2].weight[0, 0] = float("nan")
    assert find_non_finite(broken, {"x": x}, squared) == "the weight 2.weight"
    assert find_non_finite(chain(None), {"x": x}, lambda m, b: m(b["x"]).sum() * float("inf")) == (
        "the loss, computed from finite outputs of every module"
    )
    # The root has a finite value and an infinite slope at 0, behind the last module.
    found = find_non_finite(chain(None), {"x": x}, lambda m, b: (m(b["x"]) * 0).abs().sqrt().sum())
    assert found == "the gradient that reaches Sequential from what is computed after it"


def test_hooks_are_gone_and_random_numbers_come_back() -> None:
    model = chain("output")
    find_non_finite(model, {"x": torch.ones(3, 4)}, squared)
    assert not any(module._forward_hooks for module in model.modules())
    state = random_state()
    first = torch.rand(3)
    set_random_state(state)
    assert torch.equal(torch.rand(3), first)


class WithOneBad(ToySamples):
    """Sample 7 is infinite."""

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        sample = super().__getitem__(index)
        return sample | {"x": sample["x"] * float("inf")} if index == 7 else sample


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_run_stops_with_names_and_keeps_its_checkpoint(tmp_path: Path, accumulation: int) -> None:
    with pytest.raises(SpatialLLMError) as stopped:
        toy_run(tmp_path, samples=WithOneBad(), save_every=1, accumulation=accumulation)
    text = str(stopped.value)
    assert "the loss is nan" in text and "x of the batch itself" in text
    records = text.split("Records of the batch: ")[1].split(". ")[0].split(", ")
    assert len(records) <= 4 and "record-7" in records, "those of the one batch, not of all that were accumulated"
    step = int(text.split()[1].rstrip(":"))
    checkpoint = find_latest_valid(tmp_path / "checkpoints")
    assert (checkpoint.step if checkpoint else 0) == step - 1, "the step was not made"
    assert not (tmp_path / "model").exists()


def test_an_infinite_gradient_stops_before_the_optimiser_moves(tmp_path: Path) -> None:
    class Later(Toy):
        """From its fifth batch on its head has infinite gradients."""

        count = 0

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> Any:
            self.count += 1
            if self.count < 5:
                return super().forward(x, y)
            return SimpleOutput(loss=self.head(Breaks.apply(self.projector(self.encoder(x)))).square().mean())

    made = []
    said = r"step 5: the gradient's length is (nan|inf).*the gradient that reaches projector from"
    with pytest.raises(SpatialLLMError, match=said):
        toy_run(tmp_path, build=lambda: made.append(Later()) or made[0], save_every=1)
    saved = find_latest_valid(tmp_path / "checkpoints")
    assert saved.step == 4
    assert all(torch.isfinite(parameter).all() for parameter in made[0].parameters())


def test_in_the_composite_the_layer_is_named(tmp_path: Path) -> None:
    def spoiled() -> nn.Module:
        model = composite()
        layer = model.language_model.model.layers[1].mlp
        layer.register_forward_hook(lambda module, args, output: output * float("nan"))
        return model

    with pytest.raises(SpatialLLMError, match=r"step 1: the loss is nan.*the output of language_model\.model\.layers\.1"):
        toy_run(tmp_path, build=spoiled)
