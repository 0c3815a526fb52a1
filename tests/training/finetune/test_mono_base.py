"""The recipe with a language model that hears by itself: projector and LoRA train, the base keeps its bits."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from spatial_llm.data.records import read_manifest, write_manifest
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model import SpatialLLM
from spatial_llm.profiling.memory import plan
from spatial_llm.testing import tiny_config
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.finetune.arguments import BatArguments, LoraArguments
from spatial_llm.training.finetune.build import build_bat
from spatial_llm.training.finetune.run import finetune_bat
from tests.mono_bases import BASES, recordings, tiny_base
from tests.training.finetune.test_run import losses_of

pytestmark = pytest.mark.slow  # a real simulation or model in every test


@pytest.fixture(scope="module", params=[BASES[0], pytest.param(BASES[1], marks=pytest.mark.slow)])
def given(request: pytest.FixtureRequest, data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Fields of a run with a saved encoder and a saved base with its processor."""
    folder = tmp_path_factory.mktemp("parts")
    torch.manual_seed(0)
    AutoModel.from_config(tiny_config("spatial_ast")).save_pretrained(folder / "encoder")
    for part in tiny_base(request.param):
        part.save_pretrained(folder / "base")
    write_manifest(folder / "few.jsonl", read_manifest(data / "train.jsonl")[:6])
    (folder / "few.jsonl").rename(data / "few_mono.jsonl")
    qformer = {"num_query_tokens": 4, "num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 24,
               "intermediate_size": 48, "cross_attention_frequency": 1}  # fmt: skip
    return {
        "train_manifest": str(data / "few_mono.jsonl"),
        "encoder": str(folder / "encoder"),
        "language_model": str(folder / "base"),
        "projector": qformer,
        "lora": LoraArguments(rank=4, alpha=8, dropout=0.0),
        "schedule": Schedule(steps=4, batch_size=3, learning_rate=3e-3, log_every=1),
        "cpu_threads": 1,
    }


@pytest.mark.slow
@pytest.mark.parametrize("save", ["whole", "trained"])
def test_a_run_learns_keeps_the_base_and_its_model_answers(given: dict, save: str, tmp_path: Path) -> None:
    arguments = BatArguments(run_folder=str(tmp_path / "run"), save=save, **given)
    folder = finetune_bat(arguments)
    losses = losses_of(tmp_path / "run")
    assert len(losses) == 4 and losses[-1] < losses[0]
    model, base = SpatialLLM.from_pretrained(folder), AutoModel.from_pretrained(given["language_model"]).state_dict()
    kept = {name.replace(".base_layer.", "."): one for name, one in model.model.language_model.model.state_dict().items()}
    assert set(base) <= set(kept) and all(torch.equal(kept[name], tensor) for name, tensor in base.items())
    assert model.ask(recordings(1)[0], "Where is it?", sampling_rate=32_000, max_new_tokens=4).question == "Where is it?"


def test_what_it_cannot_do_is_refused_before_anything_trains(given: dict, tmp_path: Path) -> None:
    with pytest.raises(SpatialLLMError, match="hears the recordings by itself, which the cache does not hold"):
        finetune_bat(BatArguments(run_folder=str(tmp_path / "run"), encoder_cache=True, **given))
    assert not (tmp_path / "run").exists()
    with pytest.raises(SpatialLLMError, match="trains is language_model, and the language model"):
        build_bat(BatArguments(run_folder=str(tmp_path / "run"), trains="language_model", **given))
    with pytest.raises(SpatialLLMError, match="there is no plan for it"):
        plan(BatArguments(run_folder=str(tmp_path / "run"), **given))
