"""BAT at tiny size: exact answers on a few samples, nothing frozen moves, labels on answers only, both ways of hearing."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import SpatialQADataset
from spatial_llm.data.records import read_manifest, write_manifest
from spatial_llm.encoders import SpatialASTForLocalization
from spatial_llm.errors import CacheError
from spatial_llm.model import SpatialLLM
from spatial_llm.profiling.memory import build_on_meta, plan
from spatial_llm.projectors import MLPProjector
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.run import train_encoder
from spatial_llm.training.engine.curves import read_losses
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.engine.trainable import what_trains
from spatial_llm.training.finetune.arguments import BatArguments, LoraArguments
from spatial_llm.training.finetune.build import build_bat
from spatial_llm.training.finetune.lessons.answers import decoded_sample
from spatial_llm.training.finetune.run import finetune_bat, open_cache
from tests.training.encoder.test_run import SIZES
from tests.training.made_once import made_once

STEP = Schedule(steps=1, batch_size=4, learning_rate=1e-3)


QFORMER = {
    "num_query_tokens": 4, "num_hidden_layers": 1, "cross_attention_frequency": 1, "num_attention_heads": 2,
    "hidden_size": 24, "intermediate_size": 96, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
    "standardize_inputs": True,
}  # fmt: skip


@pytest.fixture(scope="module")
def parts(data: Path, text_run: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An encoder as good as untrained, and a language model that knows a few answers."""
    folder = made_once("encoder", lambda: encoder(data, tmp_path_factory.mktemp("encoder")))
    # Eight questions about five recordings of one and two sources.
    records = read_manifest(data / "train.jsonl")
    write_manifest(data / "few.jsonl", [records[0], *records[3:6], *records[-4:]])
    return {"encoder": folder / "model", "text": text_run / "model"}


def encoder(data: Path, folder: Path) -> Path:
    train_encoder(EncoderArguments(str(folder), str(data / "train.jsonl"), None, "spatial_ast", STEP, SIZES, cpu_threads=1))
    return folder


def arguments(data: Path, parts: dict[str, Path], run_folder: Path, **changes: object) -> BatArguments:
    return BatArguments(
        **{
            "run_folder": str(run_folder),
            "train_manifest": str(data / "few.jsonl"),
            "encoder": str(parts["encoder"]),
            "language_model": str(parts["text"]),
            "schedule": STEP,
            "projector": QFORMER,
            "lora": LoraArguments(rank=8, alpha=16, dropout=0.0, target_modules=["q_proj", "v_proj", "o_proj", "down_proj"]),
            "cpu_threads": 1,
            **changes,
        }
    )


@pytest.mark.parametrize("save", ["whole", "trained"])
def test_mlp_projector_trains_is_planned_and_answers(save: str, data: Path, parts: dict[str, Path], tmp_path: Path) -> None:
    mlp = {"model_type": "spatial_mlp_projector", "columns_per_token": 2, "hidden_size": 16}
    given = arguments(data, parts, tmp_path / "run", projector=mlp, save=save)
    fresh, _ = build_bat(given)
    planned = build_on_meta(given)
    assert {n: p.shape for n, p in planned.named_parameters()} == {n: p.shape for n, p in fresh.named_parameters()}
    assert all(mode.total > 0 for mode in plan(given, text_tokens=20))
    answerer = SpatialLLM.from_pretrained(finetune_bat(given))
    projector = answerer.model.projector
    assert isinstance(projector, MLPProjector)
    # The encoder's grid is 4 rows x 2 columns.
    assert answerer.processor.num_audio_tokens == answerer.model.config.num_audio_tokens == 4
    assert not torch.equal(projector.up.weight, fresh.projector.up.weight)
    recording = np.random.default_rng(0).standard_normal((2, 32_000)).astype(np.float32) * 0.1
    assert isinstance(answerer.ask(recording, "Where is the sound?", sampling_rate=32_000), str)
    asked = {line["question_type"] for line in map(json.loads, Path(given.train_manifest).read_text().splitlines())}
    assert {question.question_type for question in answerer.processor.taught.questions} == asked
    # The encoder's heads came along, and tell what the encoder with heads tells.
    heard = answerer.listen(recording, 32_000)
    whole = SpatialASTForLocalization.from_pretrained(parts["encoder"]).eval()
    with torch.no_grad():
        share = torch.sigmoid(whole.read_out(heard.hidden_states)["event"])[0]
    assert next(iter(heard.events.values())) == pytest.approx(share.max().item())


@pytest.mark.parametrize(
    "projector",
    [
        {"model_type": "spatial_window_qformer_projector", "hidden_size": 24, "num_attention_heads": 2},
        {"model_type": "spatial_pool_projector", "method": "segments", "hidden_size": 16},
        {"model_type": "spatial_regions_projector", "columns_per_token": 2, "hidden_size": 24},
        {"model_type": "spatial_rvq_projector", "hidden_size": 8, "num_levels": 2, "codebook_size": 16},
    ],
    ids=lambda projector: projector["model_type"],
)
def test_other_projectors_are_planned_as_they_are_built(
    projector: dict, data: Path, parts: dict[str, Path], tmp_path: Path
) -> None:
    """What their weights depend on, slices and columns, comes from the encoder."""
    given = arguments(data, parts, tmp_path / "run", projector=projector)
    built, planned = build_bat(given)[0], build_on_meta(given)
    assert {n: p.shape for n, p in planned.named_parameters()} == {n: p.shape for n, p in built.named_parameters()}
    assert planned.config.projector_config.to_dict() == built.config.projector_config.to_dict()
    assert all(mode.total > 0 for mode in plan(given, text_tokens=20))


def test_only_projector_and_lora_train(data: Path, parts: dict[str, Path], tmp_path: Path) -> None:
    model, _ = build_bat(arguments(data, parts, tmp_path))
    assert {part for part, state, *_ in what_trains(model) if state == "trains"} == {"projector", "language_model LoRA"}
    model, _ = build_bat(arguments(data, parts, tmp_path, lora=None))
    assert {part for part, state, *_ in what_trains(model) if state == "trains"} == {"projector"}


@pytest.mark.parametrize("encoder_cache", [True, False])
def test_overfits_to_exact_answers_and_leaves_the_frozen_alone(
    data: Path, parts: dict[str, Path], tmp_path: Path, encoder_cache: bool
) -> None:
    folder = finetune_bat(
        arguments(
            data,
            parts,
            tmp_path,
            encoder_cache=encoder_cache,
            schedule=Schedule(steps=300 if encoder_cache else 3, batch_size=8, learning_rate=5e-3, log_every=2),
        )
    )
    saved = load_file(folder / "model.safetensors")
    encoder = load_file(parts["encoder"] / "model.safetensors")
    kept = {name: tensor for name, tensor in saved.items() if name.startswith("encoder.")}
    assert any("running_mean" in name for name in kept), "BatchNorm statistics are among what must not move"
    for name, tensor in kept.items():
        assert torch.equal(tensor, encoder[name]), name
    language_model = load_file(parts["text"] / "model.safetensors")
    for name, tensor in language_model.items():
        (same,) = [key for key in saved if key.replace(".base_layer", "") == f"language_model.{name}"]
        assert torch.equal(saved[same], tensor), name
    assert any("lora_B" in name and tensor.abs().max() > 0 for name, tensor in saved.items())
    assert (tmp_path / "losses.png").is_file()
    if encoder_cache:  # trained on stored encoder output, asked from the waveform
        assert answers_exactly(folder, data / "few.jsonl") == 8


def answers_exactly(folder: Path, manifest: Path) -> int:
    """How many questions of a manifest the model answers word for word, from the waveform."""
    model = SpatialLLM.from_pretrained(folder)
    config = model.model.config.encoder_config
    dataset = SpatialQADataset(manifest, config.sampling_rate, config.window_samples)
    samples = [dataset[i] for i in range(len(dataset))]
    return sum(
        model.ask(sample["waveform"], sample["question"], sampling_rate=config.sampling_rate) == sample["answer"]
        for sample in samples
    )


@pytest.mark.parametrize(("dtype", "within"), [("float32", 1e-4), ("bfloat16", 5e-3)])
def test_stored_and_fresh_encoder_output_give_one_loss(
    data: Path, parts: dict[str, Path], tmp_path: Path, dtype: str, within: float
) -> None:
    losses = {}
    for encoder_cache in (True, False):
        run = tmp_path / str(encoder_cache)
        finetune_bat(
            arguments(data, parts, run, encoder_cache=encoder_cache, cache_dtype=dtype,
                      schedule=Schedule(steps=3, batch_size=8, learning_rate=1e-3, log_every=1))
        )  # fmt: skip
        losses[encoder_cache] = losses_of(run)
    assert len(losses[True]) == 3
    assert losses[True] == pytest.approx(losses[False], abs=within)


def losses_of(run: Path) -> list[float]:
    return read_losses(run / "metrics.jsonl")[1]


def test_changed_encoder_weights_are_another_cache(data: Path, parts: dict[str, Path], tmp_path: Path) -> None:
    given = arguments(data, parts, tmp_path)
    model, processor = build_bat(given)
    first = open_cache(given, model.encoder, processor, tokens=5).folder
    assert open_cache(given, model.encoder, processor, tokens=5).folder == first
    with torch.no_grad():
        next(model.encoder.parameters()).view(-1)[0] += 1e-3
    assert open_cache(given, model.encoder, processor, tokens=5).folder != first


def test_a_cache_over_the_limit_stops_before_anything_is_computed(
    data: Path, parts: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(CacheError, match="cache_limit is 1e-06 GB"):
        finetune_bat(arguments(data, parts, tmp_path, encoder_cache=True, cache_limit=1e-6))
    assert not list(tmp_path.rglob("block-*")) and not (tmp_path / "config.yaml").exists()


def test_labels_and_decoded_sample_show_the_answer_only(data: Path, parts: dict[str, Path], tmp_path: Path) -> None:
    model, processor = build_bat(arguments(data, parts, tmp_path))
    dataset = SpatialQADataset(data / "few.jsonl", 32000, model.config.encoder_config.window_samples)
    collator = SpatialQACollator(processor)
    batch = collator([dataset[i] for i in range(len(dataset))])
    assert set(batch) == {"input_ids", "attention_mask", "labels", "input_features"}
    for row in range(len(dataset)):
        supervised = batch["labels"][row][batch["labels"][row] != -100]
        assert processor.tokenizer.decode(supervised) == dataset[row]["answer"] + processor.tokenizer.eos_token
    text = decoded_sample(collator, dataset[0])
    assert text.startswith("[4 audio tokens]<s>Based on the audio") and text.endswith(f"[[{dataset[0]['answer']}</s>]]")
