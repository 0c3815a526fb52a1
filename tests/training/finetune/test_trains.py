"""`trains`: which weights each choice moves, alone and in stages with their own rates, with a fusion inside the layers."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLM
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatStage
from spatial_llm.training.finetune.build import build_bat
from spatial_llm.training.finetune.run import _whole, finetune_bat
from tests.training.conftest import data, text_run  # noqa: F401  (fixtures)
from tests.training.finetune.test_run import answers_exactly, arguments, parts  # noqa: F401  (a fixture)

LAL = {"type": "lal", "layers": [1], "width": 24}
GROUPS = {"projector": "projector.", "fusion": "audio_fusion", "lora": ".lora_", "encoder": "encoder."}


def moved(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """The groups of tensors of which one has other numbers."""
    names = {name for name in before if not torch.equal(before[name], after[name])}
    return {next((group for group, mark in GROUPS.items() if mark in name), "language model") for name in names}


@pytest.mark.parametrize(
    ("trains", "expected"),
    [
        ("projector", {"projector", "fusion"}),
        pytest.param("adapters", {"projector", "fusion", "lora"}, marks=pytest.mark.slow),
        pytest.param("language_model", {"projector", "fusion", "lora", "language model"}, marks=pytest.mark.slow),
        ("all", {"projector", "fusion", "lora", "language model", "encoder"}),
    ],
)
def test_what_moves(
    trains: str,
    expected: set[str],
    data: Path,  # noqa: F811
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    schedule = Schedule(steps=2, batch_size=4, learning_rate=1e-2, warmup_fraction=0.0)
    run = arguments(data, parts, tmp_path, fusion=LAL, trains=trains, schedule=schedule)
    before = {name: tensor.clone() for name, tensor in build_bat(run)[0].state_dict().items()}
    after = load_file(finetune_bat(run) / "model.safetensors")
    # Drawn anew in each run, so that only the parts that were loaded can be compared.
    fresh = {name for name in before if any(GROUPS[group] in name for group in ("projector", "fusion", "lora"))}
    known = moved({n: t for n, t in before.items() if n not in fresh and n in after}, after)
    assert known == expected - {"projector", "fusion", "lora"}
    model, _ = build_bat(run)
    switched = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert {next((g for g, mark in GROUPS.items() if mark in name), "language model") for name in switched} == expected


def test_a_curriculum_has_its_own_rates(data: Path, parts: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    stages = [
        BatStage("connector", trains="projector", learning_rate=1e-3, warmup_fraction=0.5),
        BatStage("but-encoder", trains="language_model", learning_rate=1e-4, steps=3),
        BatStage("again", trains="language_model", learning_rate=1e-6, steps=1),
    ]
    schedule = Schedule(steps=4, batch_size=4, learning_rate=5e-2, log_every=1)
    run = arguments(data, parts, tmp_path, fusion=LAL, lora=None, stages=stages, schedule=schedule)
    last = finetune_bat(run)
    rates = {}
    for stage in ("1-connector", "2-but-encoder"):
        lines = (tmp_path / stage / "metrics.jsonl").read_text().splitlines()
        rates[stage] = [json.loads(line)["learning_rate"] for line in lines if "learning_rate" in line]
    assert max(rates["1-connector"]) <= 1e-3 and max(rates["2-but-encoder"]) <= 1e-4
    assert len(rates["2-but-encoder"]) == 3
    first, second = (load_file(tmp_path / stage / "model/model.safetensors") for stage in ("1-connector", "2-but-encoder"))
    assert moved(first, second) == {"projector", "fusion", "language model"}
    assert last == tmp_path / "3-again" / "model"
    third = load_file(last / "model.safetensors")
    for name, tensor in second.items():
        # AdamW's first step is at most the rate: had the stage begun with the base language model, it would be further away.
        assert (third[name] - tensor).abs().max() <= 1.1e-6, name
    assert max((second[name] - first[name]).abs().max() for name in first if "language_model" in name) > 1e-5


def test_weights_that_train_are_never_rounded(data: Path, parts: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    schedule = Schedule(steps=1, batch_size=4, learning_rate=1e-3, precision="bf16")
    run = arguments(data, parts, tmp_path, trains="language_model", lora=None, schedule=schedule)
    saved = load_file(parts["text"] / "model.safetensors")
    assert any(not torch.equal(tensor, tensor.bfloat16().float()) for tensor in saved.values()), "else it would show nothing"
    model, processor = build_bat(run)
    SpatialLLM(model, processor).save_pretrained(tmp_path / "model")
    again, _ = build_bat(_whole(dataclasses.replace(run, start_from=str(tmp_path / "model"))))
    for built in (model, again):
        weights = built.language_model.state_dict()
        assert all(torch.equal(weights[name], tensor) for name, tensor in saved.items())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trains": "language_model", "save": "trained"}, "saved whole"),
        ({"trains": "all", "encoder_cache": True}, "no output to keep"),
        ({"trains": "projector", "teach": "scenes", "encoder_cache": True}, "leave both out"),
        ({"fusion": LAL, "teach": "scenes", "encoder_cache": True}, "leave both out"),
        ({"fusion": {"type": "lal", "norms": "own"}}, "did you mean norm"),
    ],
)
def test_refusals(
    changes: dict,
    words: str,
    data: Path,  # noqa: F811
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    with pytest.raises(SpatialLLMError, match=words):
        arguments(data, parts, tmp_path, **changes)


@pytest.mark.slow
@pytest.mark.parametrize(
    "fusion",
    [{"type": "delayed", "start_layer": 1}, LAL, {**LAL, "type": "hybrid", "summary_tokens": 2},
     {"type": "gated_cross_attention", "width": 24, "heads": 2, "head_dim": 8}],
    ids=lambda fusion: fusion["type"],
)  # fmt: skip
def test_every_fusion_overfits_to_exact_answers(
    fusion: dict,
    data: Path,  # noqa: F811
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    schedule = Schedule(steps=400, batch_size=8, learning_rate=5e-3)
    folder = finetune_bat(arguments(data, parts, tmp_path, fusion=fusion, encoder_cache=True, schedule=schedule))
    assert answers_exactly(folder, data / "few.jsonl") == 8
