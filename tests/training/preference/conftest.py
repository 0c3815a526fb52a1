"""A toy model that has answered its training questions a little, and pairs about the same recordings."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from spatial_llm import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.data.preference.make import PairSettings, make_pairs
from spatial_llm.testing import tiny_config, tiny_processor
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.preference.arguments import PreferenceArguments
from tests.training.finetune.test_whole import parts, whole  # noqa: F401  (fixtures)

KINDS = ["mirrored", "front_back", "one_metre", "other_question"]


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the tiny composite with random weights, whose LoRA does something."""
    torch.manual_seed(0)
    model = SpatialLLMForConditionalGeneration(tiny_config("SpatialLLMForConditionalGeneration"))
    random = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".lora_B" in name:
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=random)
    folder = tmp_path_factory.mktemp("toy") / "model"
    SpatialLLM(model, tiny_processor()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def pairs(data: Path) -> dict[str, str]:
    """Files of pairs by split."""
    for split in ("train", "eval"):
        make_pairs(data / f"{split}.jsonl", data / f"{split}_pairs.jsonl", PairSettings(KINDS, most_per_kind=8))
    return {split: str(data / f"{split}_pairs.jsonl") for split in ("train", "eval")}


@pytest.fixture
def arguments(data: Path, toy: Path, pairs: dict[str, str]) -> Callable[..., PreferenceArguments]:
    """Makes arguments of a short run in a folder; what is given replaces what is here."""

    def make(folder: Path, objective: str = "dpo", **changes: object) -> PreferenceArguments:
        source = {"pairs": pairs["train"]} if objective == "dpo" else {"questions": str(data / "train.jsonl")}
        schedule = {"steps": 4, "batch_size": 4, "learning_rate": 1e-3, "log_every": 1}
        schedule |= {name: changes.pop(name) for name in list(changes) if name in Schedule.__dataclass_fields__}
        given = {
            "start_from": str(toy),
            "schedule": Schedule(**schedule),
            "objective": objective,
            "cpu_threads": 1,
            "encoder_cache": True,
            **source,
        }
        return PreferenceArguments(str(folder), **given | changes)

    return make
