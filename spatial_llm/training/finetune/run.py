"""BAT: a frozen encoder, a frozen language model, and what connects them: projector and LoRA (specs a.4).

A run in stages (types A and B; and C and D; and E) is a run a stage, each of which starts from the weights of the one
before and leaves its own run folder inside the run's: any of them can be looked at, kept, or run again alone.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import Dataset, Subset
from transformers import PreTrainedModel

from spatial_llm.audio.formats import without_default
from spatial_llm.data.collator import SpatialQACollator
from spatial_llm.data.dataset import CueDataset, SpatialQADataset
from spatial_llm.data.encoder_cache import ByRecordingId, EncoderCache, recording_key
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.spatialsoundqa.release import roots_elsewhere
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.files import sha256_of, write_json
from spatial_llm.model import SpatialLLMProcessor
from spatial_llm.settings import flat_fields
from spatial_llm.training.engine.batches import grouped_by_length
from spatial_llm.training.engine.curves import plot_losses
from spatial_llm.training.engine.launching import (
    check_launch,
    device,
    is_main,
    prepare,
    processes,
    rank,
    wait_for_all,
    whole_weights,
)
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.schedule import RESUMABLE, Schedule
from spatial_llm.training.engine.trainable import format_what_trains, state_hash, what_trains
from spatial_llm.training.engine.trainer import train
from spatial_llm.training.finetune.arguments import BatArguments
from spatial_llm.training.finetune.build import build_bat
from spatial_llm.training.finetune.scene_alignment import (
    SceneAlignmentDataset,
    SceneTokenAlignment,
    collate_scenes,
    scene_tokens_of,
)
from spatial_llm.training.tiny.smoothed_answers import answers_smoothed_by
from spatial_llm.workflow import read_marker

CALIBRATION_CLIPS = 256
FINISHED = "finished.json"


def finetune_bat(arguments: BatArguments) -> Path:
    """Trains projector and LoRA, in one run or stage by stage, and returns the folder of the (last) model.

    Raises:
        CacheError: the encoder's output would not fit below `cache_limit` or on the disk.
        SpatialLLMError: frozen weights moved, which would be a bug; nothing is saved then. Or the launcher cannot do here
            what it was asked for.
    """
    check_launch()
    _check_manifests(arguments)
    if not arguments.stages:
        return finetune_once(arguments)
    done, before, metrics = "", arguments.start_from, {}
    for number, stage in enumerate(stage_arguments(arguments), start=1):
        name, folder = arguments.stages[number - 1].name, Path(stage.run_folder)
        stage = dataclasses.replace(stage, start_from=before)
        done = _fingerprint(stage, done)
        heading = f"stage {number} of {len(arguments.stages)}, {name} -> {folder}"
        if read_marker(folder / FINISHED).get("fingerprint") == done:
            _say(f"{heading}: finished before, taken as it is (delete the folder to train it again)")
        else:
            _say(f"\n{heading}")
            (folder / FINISHED).unlink(missing_ok=True)
            finetune_once(stage)
            if is_main():
                write_json(folder / FINISHED, {"fingerprint": done})
            wait_for_all()
        before, metrics[name] = str(folder / "model"), folder / "metrics.jsonl"
    if is_main():
        plot_losses(metrics, Path(arguments.run_folder) / "losses.png")
    return Path(before)


def _check_manifests(arguments: BatArguments) -> None:
    for manifest in {arguments.train_manifest, *(stage.train_manifest for stage in arguments.stages)} - {None}:
        if not Path(manifest).is_file():
            raise ManifestError(
                f"train_manifest {manifest}: no such file; data/write_questions.py writes ours, and "
                "data/prepare_spatialsoundqa.py --release FOLDER those of the released SpatialSoundQA."
            )


def stage_arguments(arguments: BatArguments) -> list[BatArguments]:
    """The run of each stage, but for `start_from`, which is the model of the one before."""
    return [
        dataclasses.replace(
            arguments,
            run_folder=str(Path(arguments.run_folder) / f"{number}-{stage.name}"),
            train_manifest=stage.train_manifest or arguments.train_manifest,
            types=stage.types,
            teach=stage.teach,
            schedule=arguments.schedule
            if stage.steps is None
            else dataclasses.replace(arguments.schedule, steps=stage.steps, epochs=None),
            stages=[],
            cache_folder=arguments.cache_folder or str(Path(arguments.run_folder) / "encoded"),
        )
        for number, stage in enumerate(arguments.stages, start=1)
    ]


def finetune_once(arguments: BatArguments) -> Path:
    """One run: see `finetune_bat`; `arguments.stages` is empty."""
    prepare(arguments.seed, arguments.cpu_threads)
    manifest, root = Path(arguments.train_manifest), data_root(arguments)
    if arguments.encoder is not None and not Path(arguments.encoder).is_dir():
        raise SpatialLLMError(f"encoder {arguments.encoder}: no such folder; give that of a trained encoder.")
    model, processor = build_bat(arguments)
    config = model.config.encoder_config
    dataset = SpatialQADataset(
        manifest, config.sampling_rate, config.window_samples, root=root, types=arguments.types,
        answer_of=answers_smoothed_by(arguments.distance_smoothing_m), format=processor.feature_extractor.format,
    )  # fmt: skip
    if arguments.encoder_cache:
        dataset.use_encoder_cache(cached(arguments, model.encoder, processor, dataset))
    if arguments.start_from is None:
        model.projector.start(lambda: _some_encoded(model.encoder, processor, dataset), model.get_input_embeddings().weight)
    run = RunFolder(arguments, manifest)  # after the cache, which may refuse: then nothing is written
    _say(f"{len(dataset)} questions about {len(dataset.first_rows)} recordings from {manifest}")
    frozen = state_hash(model.encoder)
    learner, samples, collate, options = _lesson(arguments, model, processor, dataset)
    _say(format_schedule(arguments.schedule, len(samples), processes()))
    _say(format_what_trains(what_trains(learner)))
    train(learner, samples, collate, arguments.schedule, run, arguments.seed, **options)
    with whole_weights(model):
        if state_hash(model.encoder) != frozen:
            raise SpatialLLMError("the frozen encoder changed during training; nothing was saved.")
        if is_main():
            _save(arguments, run, model, processor)
    if is_main():
        plot_losses({"training": run.path / "metrics.jsonl"}, run.path / "losses.png")
    wait_for_all()
    return run.model


def _lesson(
    arguments: BatArguments, model: PreTrainedModel, processor: SpatialLLMProcessor, dataset: SpatialQADataset
) -> tuple[nn.Module, Dataset, Callable, dict[str, Any]]:
    """Who learns, from which samples, how they are collated, and what else `train` is told; see `arguments.teach`."""
    if arguments.teach == "scenes":
        told = scene_tokens_of(arguments.language_model, model.language_model, processor.tokenizer)
        scenes = SceneAlignmentDataset(dataset, told.labels, most=processor.num_audio_tokens)
        layout = model.config.encoder_config.token_layout
        return SceneTokenAlignment(model.projector, told, layout), scenes, collate_scenes, {}
    collator = SpatialQACollator(processor)
    _say(f"one sample, with its supervised tokens in brackets:\n{decoded_sample(collator, dataset[0])}\n")
    size = arguments.schedule.effective_batch(processes())
    order = grouped_by_length(dataset.lengths, size, arguments.seed) if arguments.group_by_length else None
    # With its output stored, the encoder is not run again: it leaves the GPU to the rest.
    return model, dataset, collator, {"order": order, "offload": ["encoder"] if arguments.encoder_cache else []}


def _save(arguments: BatArguments, run: RunFolder, model: PreTrainedModel, processor: SpatialLLMProcessor) -> None:
    if arguments.save == "whole":
        run.save(model.save_pretrained, processor.save_pretrained)
        return

    def save_trained(folder: Path) -> None:
        # The folder is a temporary one, beside the one it will be: pointers relative to it stay right.
        model.save_pretrained(folder, trained_only=True, encoder=arguments.encoder, language_model=arguments.language_model)

    run.save(save_trained, processor.save_pretrained)


def data_root(arguments: BatArguments) -> DataRoot:
    """Where the manifest's names start, and the folders elsewhere that the arguments allow."""
    elsewhere = roots_elsewhere(arguments.audio_root, arguments.reverb_root)
    return DataRoot(Path(arguments.train_manifest).parent, elsewhere, arguments.audio_limits)


def open_cache(
    arguments: BatArguments, encoder: PreTrainedModel, processor: SpatialLLMProcessor, tokens: int
) -> EncoderCache:
    """The cache of this encoder, with the cues it hears; whatever of the two changes gives another one."""
    config = {k: v for k, v in encoder.config.to_dict().items() if not k.startswith("_") and k != "transformers_version"}
    cues = without_default(processor.feature_extractor.to_dict())
    made_with = {"encoder": state_hash(encoder), "config": without_default(config), "cues": cues}
    folder = arguments.cache_folder or Path(arguments.run_folder) / "encoded"
    return EncoderCache(folder, made_with, tokens, encoder.config.hidden_size, arguments.cache_dtype)


def cached(
    arguments: BatArguments, encoder: PreTrainedModel, processor: SpatialLLMProcessor, dataset: SpatialQADataset
) -> ByRecordingId:
    """The encoder's output for all recordings of `dataset`, from the cache, which is filled first where it lacks some.

    Raises:
        CacheError: they do not fit.
    """
    recordings = _recordings(processor, dataset)
    known: dict[str, list] = {}
    keys = {
        name: recording_key(dataset.records[row], dataset.records.root, known) for name, row in dataset.first_rows.items()
    }
    sample = encode(encoder, recordings[0][None])
    cache = open_cache(arguments, encoder, processor, tokens=sample.shape[1])
    size = cache.size(keys.values())
    _say(f"{size} in {cache.folder}")
    cache.check_room(size, arguments.cache_limit)
    workers = arguments.schedule.loader_workers or (len(os.sched_getaffinity(0)) if size.missing > 64 else 0)
    cache.fill(
        lambda cues: encode(encoder, cues), recordings, list(keys.values()), share=(rank(), processes()),
        loader_workers=workers,
    )  # fmt: skip
    wait_for_all()
    cache.refresh()
    return ByRecordingId(cache, keys)


@torch.no_grad()
def encode(encoder: nn.Module, cues: torch.Tensor) -> torch.Tensor:
    """Encoder output (B, tokens, width), float32, of cues (B, cues, frames, mel bins), computed on this process's device."""
    encoder.eval().to(device())
    return encoder(input_features=cues.float().to(device())).last_hidden_state.float().cpu()


def _recordings(processor: SpatialLLMProcessor, dataset: SpatialQADataset) -> CueDataset:
    records = Subset(dataset.records, list(dataset.first_rows.values()))
    return CueDataset(records, dataset.records.root, processor.feature_extractor, dataset.window_samples)


def _some_encoded(encoder: nn.Module, processor: SpatialLLMProcessor, dataset: SpatialQADataset) -> torch.Tensor:
    """Encoder output of a few recordings, evenly taken."""
    names = list(dataset.first_rows)
    some = range(0, len(names), -(-len(names) // CALIBRATION_CLIPS))
    if dataset.audio_hidden_states is not None:
        return torch.stack([dataset.audio_hidden_states[names[index]] for index in some])
    recordings = _recordings(processor, dataset)
    return torch.cat([encode(encoder, recordings[index][None]) for index in some])


def format_schedule(schedule: Schedule, samples: int, processes: int) -> str:
    """What the schedule comes to, in a sentence."""
    steps = schedule.optimizer_steps(samples, processes)
    batch = schedule.effective_batch(processes)
    return (
        f"effective batch {batch} = {schedule.batch_size} a batch x {schedule.gradient_accumulation} accumulated x "
        f"{processes} processes; {steps} optimiser steps ({steps * batch / samples:.2f} epochs), of which "
        f"{round(schedule.warmup_fraction * steps)} of warm-up; {schedule.precision}"
    )


def decoded_sample(collator: SpatialQACollator, sample: dict[str, Any]) -> str:
    """One sample as the model is trained on it: its prompt, and in brackets the tokens that carry loss."""
    batch = collator([sample])
    ids, labels = batch["input_ids"][0], batch["labels"][0]
    tokenizer, supervised = collator.processor.tokenizer, labels != -100
    slots = int((ids == collator.processor.audio_token_id).sum())
    return f"[{slots} audio tokens]{tokenizer.decode(ids[~supervised][slots:])}[[{tokenizer.decode(labels[supervised])}]]"


def _fingerprint(arguments: BatArguments, before: str) -> str:
    fields = {name: value for name, value in flat_fields(arguments).items() if name not in RESUMABLE}
    made_from = [fields, sha256_of(arguments.train_manifest), before]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()


def _say(text: str) -> None:
    if is_main():
        print(text, flush=True)
