"""Ways to train the same: bf16, accumulated, with activation checkpointing, in 4 bits, in order of length, any encoder."""

import importlib.util
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from spatial_llm.data.records import read_manifest, write_manifest
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import sha256_of
from spatial_llm.model import SpatialLLM, SpatialLLMForConditionalGeneration
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.run import train_encoder
from spatial_llm.training.engine.batches import grouped_by_length
from spatial_llm.training.engine.checkpointing import find_latest_valid
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.engine.trainable import frozen_hashes, offloaded
from spatial_llm.training.engine.trainer import SafeTrainer, train, training_arguments
from spatial_llm.training.finetune.build import build_bat, quantization_config
from spatial_llm.training.finetune.run import finetune_bat
from tests.training.encoder.test_run import SIZES
from tests.training.finetune.test_run import answers_exactly, arguments, losses_of, parts  # noqa: F401  (a fixture)

NO_4BIT = importlib.util.find_spec("bitsandbytes") is None


def schedule(**changes: object) -> Schedule:
    return Schedule(**{"steps": 3, "batch_size": 8, "learning_rate": 1e-3, "log_every": 1, **changes})


def test_checkpointed_activations_and_accumulation_change_no_loss(
    data: Path,
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    ways = {"plain": schedule(), "checkpointed": schedule(activation_checkpointing=True),
            "accumulated": schedule(batch_size=4, gradient_accumulation=2)}  # fmt: skip
    losses = {}
    for name, given in ways.items():
        finetune_bat(arguments(data, parts, tmp_path / name, schedule=given, encoder_cache=True, cache_folder=str(tmp_path)))
        losses[name] = losses_of(tmp_path / name)
    assert losses["checkpointed"] == pytest.approx(losses["plain"], abs=1e-5)
    assert losses["accumulated"] == pytest.approx(losses["plain"], abs=1e-3)


def test_bf16_trains_float32_adapters_on_a_bf16_model(
    data: Path,
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
) -> None:
    given = arguments(data, parts, tmp_path / "bf16", schedule=schedule(precision="bf16"), save="trained")
    model, _ = build_bat(given)
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert {p.dtype for n, p in model.language_model.named_parameters() if "lora_" not in n} == {torch.bfloat16}
    folder = finetune_bat(given)
    finetune_bat(arguments(data, parts, tmp_path / "fp32", schedule=schedule()))
    assert losses_of(tmp_path / "bf16") == pytest.approx(losses_of(tmp_path / "fp32"), rel=0.02)
    assert not list(folder.glob("model*.safetensors")), "projector and LoRA alone"
    assert {tensor.dtype for tensor in load_file(folder / "trained.safetensors").values()} == {torch.float32}
    assert SpatialLLM.from_pretrained(folder).model.config.lora["rank"] == 8


@pytest.mark.skipif(NO_4BIT, reason="bitsandbytes is not installed: pip install 'spatial-llm[4bit]'")
def test_4bit_trains_saves_and_loads(data: Path, parts: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    given = arguments(data, parts, tmp_path, schedule=schedule(steps=60, learning_rate=5e-3), quantization="4bit",
                      save="trained", encoder_cache=True)  # fmt: skip
    model, _ = build_bat(given)
    layer = model.language_model.model.layers[0].self_attn.q_proj
    assert layer.base_layer.weight.dtype == torch.uint8 and layer.lora_A.default.weight.dtype == torch.float32
    folder = finetune_bat(given)
    losses = losses_of(tmp_path)
    assert losses[-1] < 0.6 * losses[0]
    trained = load_file(folder / "trained.safetensors")
    for options in ({}, {"quantization_config": quantization_config(torch.float32)}):
        loaded = SpatialLLMForConditionalGeneration.from_pretrained(folder, **options)
        quantised = loaded.language_model.model.layers[0].self_attn.q_proj.base_layer.weight.dtype == torch.uint8
        assert quantised == bool(options)
        state = loaded.state_dict()
        assert all(torch.equal(state[name], tensor) for name, tensor in trained.items())


@pytest.mark.skipif(not NO_4BIT, reason="bitsandbytes is installed")
def test_4bit_without_bitsandbytes_is_one_sentence(data: Path, parts: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    with pytest.raises(SpatialLLMError, match="bitsandbytes is not installed"):
        build_bat(arguments(data, parts, tmp_path, quantization="4bit", save="trained"))


def test_report_to_reaches_the_trainer(tmp_path: Path) -> None:
    run = SimpleNamespace(path=tmp_path)
    assert training_arguments(schedule(), run, 0, samples=8).report_to == []
    assert training_arguments(schedule(report_to=["tensorboard"]), run, 0, samples=8).report_to == ["tensorboard"]


def test_orders_by_length_hold_everything_once_and_little_padding() -> None:
    lengths = torch.randint(1, 200, (1000,), generator=torch.Generator().manual_seed(0)).tolist()
    order = grouped_by_length(lengths, batch_size=8, seed=3)
    assert sorted(order(0)) == sorted(order(1)) == list(range(1000))
    assert order(0) != order(1) and order(0) == grouped_by_length(lengths, 8, 3)(0)

    def padding(indices: list[int]) -> int:
        batches = [[lengths[i] for i in indices[start : start + 8]] for start in range(0, 1000, 8)]
        return sum(max(batch) * len(batch) - sum(batch) for batch in batches)

    assert padding(order(0)) < 0.2 * padding(list(range(1000)))


@pytest.fixture(scope="module")
def encoders(data: Path, parts: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:  # noqa: F811
    """Both kinds of encoder; sixteen questions about the clips."""
    folder = tmp_path_factory.mktemp("dspast")
    # Untrained, its three branches say nearly the same of all clips, and the questions cannot be told apart.
    taught = schedule(steps=100, learning_rate=3e-3)
    manifest = str(data / "train.jsonl")
    train_encoder(EncoderArguments(str(folder), manifest, None, "dspast", taught, SIZES, precompute=True, cpu_threads=1))
    records = read_manifest(data / "train.jsonl")
    write_manifest(data / "sixteen.jsonl", records[:: len(records) // 16][:16])
    return {"spatial_ast": parts["encoder"], "dspast": folder / "model"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["spatial_ast", "dspast"])
@pytest.mark.parametrize("encoder_cache", [True, False])
def test_sixteen_samples_to_exact_answers(
    data: Path,
    parts: dict[str, Path],  # noqa: F811
    encoders: dict[str, Path],
    tmp_path: Path,
    kind: str,
    encoder_cache: bool,
) -> None:
    folder = finetune_bat(
        arguments(
            data, parts | {"encoder": encoders[kind]}, tmp_path, train_manifest=str(data / "sixteen.jsonl"),
            encoder_cache=encoder_cache, schedule=schedule(steps=400, batch_size=16, learning_rate=5e-3),
        )
    )  # fmt: skip
    assert answers_exactly(folder, data / "sixteen.jsonl") == 16


def test_a_stored_output_offloads_the_encoder_and_changes_nothing(
    data: Path,
    parts: dict[str, Path],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    met: dict[str, list[set[str]]] = {}
    step = SafeTrainer.training_step

    def run(name: str, **changes: object) -> Path:
        met[name] = []

        def look(self: SafeTrainer, model: torch.nn.Module, *args: object) -> torch.Tensor:
            assert self.model is model and not self.model.encoder.training
            there = {key.split(".")[0] for key, _ in [*model.named_parameters(), *model.named_buffers()]}
            met[name].append(there)
            return step(self, model, *args)

        monkeypatch.setattr(SafeTrainer, "training_step", look)
        given = {"encoder_cache": True, "cache_folder": str(tmp_path / "cache"), "schedule": schedule()}
        return finetune_bat(arguments(data, parts, tmp_path / name, **{**given, **changes}))

    offload = run("offloaded")
    assert met["offloaded"] == [{"language_model", "projector"}] * 3
    run("uncached", encoder_cache=False)
    assert all("encoder" in there for there in met["uncached"])
    monkeypatch.setattr("spatial_llm.training.finetune.run.train", lambda *args, offload, **kwargs: train(*args, **kwargs))
    kept = run("kept")
    assert all("encoder" in there for there in met["kept"])
    for file in ("model.safetensors", "config.json"):
        assert sha256_of(offload / file) == sha256_of(kept / file), file
    found = {name: find_latest_valid(tmp_path / name / "checkpoints") for name in ("offloaded", "kept")}
    hashes = {name: one.record["frozen"] for name, one in found.items()}
    assert hashes["offloaded"] == hashes["kept"] and "encoder" in hashes["kept"]
    for file in ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"):
        assert sha256_of(found["offloaded"].path / file) == sha256_of(found["kept"].path / file), file


def test_what_is_offloaded_is_moved_by_nothing_and_comes_back(data: Path, parts: dict[str, Path], tmp_path: Path) -> None:  # noqa: F811
    model, _ = build_bat(arguments(data, parts, tmp_path))
    names, encoder = list(model.state_dict()), model.encoder
    with pytest.raises(KeyboardInterrupt), offloaded(model, ["encoder"]) as hashes:
        assert hashes == {"encoder": frozen_hashes(encoder_alone(encoder))["encoder"]}
        assert model.encoder is encoder and not any(name.startswith("encoder.") for name in model.state_dict())
        model.to("meta")  # stands for a GPU
        assert {p.device.type for p in model.parameters()} == {"meta"}
        assert {p.device.type for p in encoder.parameters()} == {"cpu"}
        raise KeyboardInterrupt
    assert list(model.state_dict()) == names and model.get_submodule("encoder") is encoder


def encoder_alone(encoder: torch.nn.Module) -> torch.nn.Module:
    holder = torch.nn.Module()
    holder.encoder = encoder
    return holder
