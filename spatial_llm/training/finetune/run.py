"""Fine-tuning a composite: a frozen encoder, a frozen language model, and between them projector and LoRA, as in BAT.

Paper: arXiv 2402.01591.

A run in stages (BAT's types A and B; then C and D; then E) is one run for each stage. A stage starts from the weights of the
one before and has its own run folder inside that of the run, so that each can be read, kept, or trained again alone.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from spatial_llm.data.dataset import CueDataset, SpatialQADataset
from spatial_llm.data.encoder_cache import ByRecordingId, EncoderCache, recording_key, without_default_format
from spatial_llm.data.spatialsoundqa.release import data_root
from spatial_llm.data.taught import taught_by_lines
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.files import sha256_of
from spatial_llm.model import SpatialLLMProcessor
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.model.time_tokens import LONGEST_S
from spatial_llm.questions.taught import merged
from spatial_llm.settings import flat_fields
from spatial_llm.training.engine.curves import plot_losses
from spatial_llm.training.engine.launching import (
    check_launch,
    device,
    is_main,
    prepare,
    print_main,
    processes,
    rank,
    wait_for_all,
    whole_weights,
)
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.schedule import RESUMABLE, Schedule
from spatial_llm.training.engine.trainable import format_what_trains, state_hash, what_trains
from spatial_llm.training.engine.trainer import train
from spatial_llm.training.finetune.arguments import BatArguments, BatStage, LoraArguments
from spatial_llm.training.finetune.build import build_bat, load_frame_head, load_heads
from spatial_llm.training.finetune.lessons import LESSONS
from spatial_llm.training.finetune.version_0_1 import fields_of_version_0_1
from spatial_llm.training.tiny.smoothed_answers import answers_smoothed_by
from spatial_llm.workflow import MARKER, fingerprint_of, read_finished, write_finished

CALIBRATION_CLIPS = 256
EARLIER_MARKER = "finished.json"  # of version 0.1


def finetune_bat(arguments: BatArguments) -> Path:
    """Trains projector and LoRA, in one run or stage by stage, and returns the folder of the (last) model.

    Raises:
        CacheError: the encoder's output does not fit below `cache_limit` or on the disk.
        SpatialLLMError: the launcher cannot do here what is configured; `encoder_cache` with a language model that hears
            the recordings by itself; or frozen weights changed, which would be a bug,
            and nothing is saved.
    """
    check_launch()
    _check_manifests(arguments)
    if not arguments.stages:
        return finetune_once(arguments)
    done, earlier, before, metrics, whole = "", [""] * 4, arguments.start_from, {}, False
    for number, stage in enumerate(stage_arguments(arguments), start=1):
        name, folder = arguments.stages[number - 1].name, Path(stage.run_folder)
        stage = dataclasses.replace(stage, start_from=before)
        if whole:
            stage = _whole(stage)
        whole = whole or stage.trains in ("language_model", "all")
        done, earlier = _fingerprint(stage, done), _fingerprints_of_version_0_1(stage, earlier)
        heading = f"stage {number} of {len(arguments.stages)}, {name}"
        known = [(MARKER, done), *((EARLIER_MARKER, one) for one in earlier)]
        if any(read_finished(folder / marker, one) for marker, one in known):
            print_main(f"{heading}: already in {folder}, reused (delete the folder to train it again)")
        else:
            print_main(f"\n{heading} -> {folder}")
            for marker in (MARKER, EARLIER_MARKER):
                (folder / marker).unlink(missing_ok=True)
            finetune_once(stage)
            if is_main():
                write_finished(folder / MARKER, done)
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
    """Returns the arguments of each stage's run, without `start_from`, which is the model of the stage before."""
    return [
        dataclasses.replace(
            arguments,
            run_folder=str(Path(arguments.run_folder) / f"{number}-{stage.name}"),
            train_manifest=stage.train_manifest or arguments.train_manifest,
            types=stage.types,
            teach=stage.teach,
            trains=stage.trains or arguments.trains,
            schedule=_schedule(arguments.schedule, stage),
            stages=[],
            cache_folder=arguments.cache_folder or str(Path(arguments.run_folder) / "encoded"),
        )
        for number, stage in enumerate(arguments.stages, start=1)
    ]


def _whole(stage: BatArguments) -> BatArguments:
    """Returns the arguments of a stage after one that trained the language model: all parts are those that it left."""
    return dataclasses.replace(
        stage, encoder=None, language_model=None, projector={}, fusion=None, lora=LoraArguments(), time_tokens="none",
        longest_time_s=LONGEST_S, quantization="none", save="whole",
    )  # fmt: skip


def _schedule(schedule: Schedule, stage: BatStage) -> Schedule:
    own = {name: getattr(stage, name) for name in ("learning_rate", "warmup_fraction") if getattr(stage, name) is not None}
    if stage.steps is not None:
        own |= {"steps": stage.steps, "epochs": None}
    return dataclasses.replace(schedule, **own)


def finetune_once(arguments: BatArguments) -> Path:
    """Trains one run, without `arguments.stages`; see `finetune_bat`."""
    prepare(arguments.seed, arguments.cpu_threads)
    manifest, root = Path(arguments.train_manifest), data_root(arguments.train_manifest, arguments)
    if arguments.encoder is not None and not Path(arguments.encoder).is_dir():
        raise SpatialLLMError(f"encoder {arguments.encoder}: no such folder; give that of a trained encoder.")
    model, processor = build_bat(arguments)
    config = model.config.encoder_config
    dataset = SpatialQADataset(
        manifest, config.sampling_rate, config.window_samples, root=root, types=arguments.types,
        answer_of=answers_smoothed_by(arguments.distance_smoothing_m), format=processor.feature_extractor.format,
    )  # fmt: skip
    if arguments.encoder_cache and model.mono_base is not None:
        raise SpatialLLMError(
            f"encoder_cache is set, and the language model ({model.config.text_config.model_type}) hears the recordings by "
            "itself, which the cache does not hold: set encoder_cache to false."
        )
    if arguments.encoder_cache:
        dataset.use_encoder_cache(cached(arguments, model.encoder, processor, dataset))
    if arguments.start_from is None:
        model.start_projectors(lambda: _some_encoded(model.encoder, processor, dataset))
    run = RunFolder(arguments, manifest)  # after the cache, which may refuse: then nothing is written
    print_main(f"{len(dataset)} questions about {len(dataset.places)} recordings from {manifest}")
    frozen = state_hash(model.encoder)
    material = LESSONS[arguments.teach].prepare(arguments, model, processor, dataset)
    print_main(format_schedule(arguments.schedule, len(material.samples), processes()))
    print_main(format_what_trains(what_trains(material.learner)))
    train(
        material.learner, material.samples, material.collate, arguments.schedule, run, arguments.seed,
        loss=material.loss, order=material.order, offload=material.offload,
    )  # fmt: skip
    with whole_weights(model):
        if arguments.trains != "all" and state_hash(model.encoder) != frozen:
            raise SpatialLLMError("the frozen encoder changed during training; nothing was saved.")
        if is_main():
            if arguments.teach == "answers":
                taught = taught_by_lines(dataset.records.lines(), arguments.types)
                processor.taught = merged(processor.taught, taught)
            save_model(arguments, run, model, processor)
    if is_main():
        plot_losses({"training": run.path / "metrics.jsonl"}, run.path / "losses.png")
    wait_for_all()
    return run.model


def save_model(arguments: BatArguments, run: RunFolder, model: PreTrainedModel, processor: SpatialLLMProcessor) -> None:
    """Saves the model of a run with its processor and, where they belong to its encoder, the heads that it came with."""
    beside: list[Callable] = [processor.save_pretrained]
    for heads in (load_heads(arguments, model.config.encoder_config), load_frame_head(arguments, model.encoder)):
        if heads is not None:
            beside.append(partial(heads.save_pretrained, encoder=fingerprint(model.encoder)))
    if arguments.save == "whole":
        run.save(model.save_pretrained, *beside)
        return

    def save_trained(folder: Path) -> None:
        # A temporary folder beside the final one: relative paths to encoder and language model stay right.
        model.save_pretrained(folder, trained_only=True, encoder=arguments.encoder, language_model=arguments.language_model)

    run.save(save_trained, *beside)


def open_cache(
    arguments: BatArguments, encoder: PreTrainedModel, processor: SpatialLLMProcessor, tokens: int
) -> EncoderCache:
    """Opens the cache of this encoder with these cues; if one of the two changes, it is another cache."""
    config = {k: v for k, v in encoder.config.to_dict().items() if not k.startswith("_") and k != "transformers_version"}
    cues = without_default_format(processor.feature_extractor.to_dict())
    made_with = {"encoder": state_hash(encoder), "config": without_default_format(config), "cues": cues}
    folder = arguments.cache_folder or Path(arguments.run_folder) / "encoded"
    return EncoderCache(folder, made_with, tokens, encoder.config.hidden_size, arguments.cache_dtype)


def cached(
    arguments: BatArguments, encoder: PreTrainedModel, processor: SpatialLLMProcessor, dataset: SpatialQADataset
) -> ByRecordingId:
    """Returns the encoder's output for all recordings of `dataset`; what the cache lacks is computed first.

    Raises:
        CacheError: the output does not fit below `cache_limit` or on the disk.
    """
    recordings = _recordings(processor, dataset)
    known: dict[str, list] = {}
    keys = {one.recording_id: recording_key(one, dataset.records.root, known) for one in dataset.recordings}
    sample = encode(encoder, recordings[0][None])
    cache = open_cache(arguments, encoder, processor, tokens=sample.shape[1])
    size = cache.size(keys.values())
    print_main(f"{size} in {cache.folder}")
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
    """Encodes input features (B, *input_shape) on this process's device; returns (B, tokens, width) float32 on the CPU."""
    encoder.eval().to(device())
    return encoder(input_features=cues.float().to(device())).last_hidden_state.float().cpu()


def _recordings(processor: SpatialLLMProcessor, dataset: SpatialQADataset) -> CueDataset:
    return CueDataset(dataset.recordings, dataset.records.root, processor.feature_extractor, dataset.window_samples)


def _some_encoded(encoder: nn.Module, processor: SpatialLLMProcessor, dataset: SpatialQADataset) -> torch.Tensor:
    """Returns the encoder's output for at most CALIBRATION_CLIPS recordings, evenly spaced in the data set."""
    names = list(dataset.places)
    some = range(0, len(names), -(-len(names) // CALIBRATION_CLIPS))
    if dataset.audio_hidden_states is not None:
        return torch.stack([dataset.audio_hidden_states[names[index]] for index in some])
    recordings = _recordings(processor, dataset)
    return torch.cat([encode(encoder, recordings[index][None]) for index in some])


def format_schedule(schedule: Schedule, samples: int, processes: int) -> str:
    """Returns batch, steps, epochs, warm-up and precision of the schedule in one sentence."""
    steps = schedule.optimizer_steps(samples, processes)
    batch = schedule.effective_batch(processes)
    return (
        f"effective batch {batch} = {schedule.batch_size} a batch x {schedule.gradient_accumulation} accumulated x "
        f"{processes} processes; {steps} optimiser steps ({steps * batch / samples:.2f} epochs), of which "
        f"{round(schedule.warmup_fraction * steps)} of warm-up; {schedule.precision}"
    )


def _fingerprint(arguments: BatArguments, before: str) -> str:
    return fingerprint_of([_fields(arguments), sha256_of(arguments.train_manifest), before])


def _fingerprints_of_version_0_1(arguments: BatArguments, before: Sequence[str]) -> list[str]:
    """Returns the fingerprints that version 0.1 may have given this stage, each after one of `before`."""
    manifest, possible = sha256_of(arguments.train_manifest), fields_of_version_0_1(_fields(arguments))
    return [fingerprint_of([fields, manifest, one]) for fields, one in zip(possible, before, strict=False)]


def _fields(arguments: BatArguments) -> dict[str, Any]:
    return {name: value for name, value in flat_fields(arguments).items() if name not in RESUMABLE}
