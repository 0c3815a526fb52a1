"""The published training of the encoders in stages: SpatialAST has two (arXiv 2402.01591), DSpAST three (arXiv 2509.13927).

Each stage has its own folder in the run folder, with its own config, metrics, checkpoints and model. It starts from the
weights of the stage before, with a fresh optimiser. The same command, given again, reuses finished stages and continues the
one that was stopped. The folder `model` of the run is the model of the last stage.
"""

import dataclasses
from functools import partial
from typing import Any

import torch
from torch import nn

from spatial_llm.checkpoints import read_official
from spatial_llm.checkpoints.audiomae import load_audiomae
from spatial_llm.data.spatialsoundqa.release import data_root
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.encoders.frame_head import WIDTH
from spatial_llm.encoders.kinds import TRAINABLE_ENCODERS
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import sha256_of
from spatial_llm.training.encoder.arguments import EncoderArguments, EncoderStage
from spatial_llm.training.encoder.clips import ClipDataset, ClipOrder, CueRenderer, class_weights
from spatial_llm.training.encoder.dataset import (
    TASKS,
    collate,
    encoder_dataset,
    localization_labels,
    one_source_recordings,
)
from spatial_llm.training.encoder.optimizer import SAMPLES_OF_BASE_RATE, optimizer_and_schedule, parameter_groups
from spatial_llm.training.encoder.run import begin_with, build_encoder, evaluate_encoder, event_classes
from spatial_llm.training.engine.launching import prepare, print_main, processes
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.trainable import format_what_trains, what_trains
from spatial_llm.training.engine.trainer import train
from spatial_llm.workflow import MARKER, fingerprint_of, read_finished, write_finished


@dataclasses.dataclass(frozen=True)
class StagePlan:
    """The numbers of a stage.

    Attributes:
        draws: clips that an epoch draws, a multiple of the batch.
        steps: optimiser steps of the stage.
        warmup_steps: of these, steps with a rising rate.
        learning_rate: the peak rate for the batch of all processes.
    """

    draws: int
    steps: int
    warmup_steps: int
    learning_rate: float


def plan_stage(arguments: EncoderArguments, stage: EncoderStage, clips: int, processes: int) -> StagePlan:
    """Returns the numbers of a stage for a number of clips and of processes.

    Raises:
        SpatialLLMError: an epoch draws fewer clips than a step takes or more than there are, or `schedule.steps` is null.
    """
    schedule = arguments.schedule
    if schedule.steps is None:
        raise SpatialLLMError("schedule.epochs is given, but epochs are the stages' own: give schedule.steps, their limit.")
    batch = schedule.effective_batch(processes)
    wanted = stage.epoch_clips if stage.epoch_clips is not None else round(stage.epoch_fraction * clips)
    if not batch <= wanted <= clips:
        raise SpatialLLMError(
            f"stage {stage.name!r}: {wanted} of {clips} clips an epoch, {batch} a step; give an epoch of at least one step "
            "and at most all clips (epoch_fraction, epoch_clips, schedule.batch_size)."
        )
    steps_per_epoch = wanted // batch  # the rest of an epoch is left out, as in the scripts
    base = schedule.learning_rate if stage.learning_rate is None else stage.learning_rate
    return StagePlan(
        draws=steps_per_epoch * batch,
        steps=min(round(stage.epochs * steps_per_epoch), schedule.steps),
        warmup_steps=round(stage.warmup_epochs * steps_per_epoch),
        learning_rate=base * batch / SAMPLES_OF_BASE_RATE,
    )


def train_stages(arguments: EncoderArguments) -> dict[str, float]:
    """Trains the stages of `arguments` in order; returns the scores of the last one, empty without an eval manifest.

    Raises:
        SpatialLLMError: the arguments contradict each other, and nothing has been written; see also `trainer.train`.
    """
    _check(arguments)
    prepare(arguments.seed, arguments.cpu_threads)
    manifests = list(dict.fromkeys(stage.train_manifest or arguments.train_manifest for stage in arguments.stages))
    model, scores, made_by = _first_weights(arguments, manifests), {}, ""
    run = RunFolder(arguments, arguments.train_manifest)
    for number, stage in enumerate(arguments.stages, start=1):
        made_by = _fingerprint(arguments, stage, made_by)
        folder = run.path / stage.name
        heading = f"[{number}/{len(arguments.stages)}] {stage.name}"
        known = None if arguments.schedule.resume == "never" else read_finished(folder / "model" / MARKER, made_by)
        if known is not None and isinstance(known.get("scores"), dict):
            print_main(f"{heading}: already in {folder}, reused")
            model, scores = type(model).from_pretrained(folder / "model"), known["scores"]
        else:
            print_main(f"{heading} -> {folder}")
            # With the earlier stages among its arguments, its checkpoints are refused if one of those was changed.
            so_far = dataclasses.replace(arguments, run_folder=str(folder), stages=arguments.stages[:number])
            scores = _train_stage(so_far, stage, model, made_by)
        run.log({"stage": stage.name, "eval": scores})
    run.save(model.save_pretrained, SpatialFeatureExtractor.for_encoder(model.config).save_pretrained)
    return scores


def stage_loss(model: nn.Module, batch: dict[str, torch.Tensor], render: CueRenderer) -> torch.Tensor:
    """Returns the loss of a batch of `ClipDataset`; convolution and cues are computed on the device of the batch."""
    features = render(batch["dry"], batch["response"])
    return model(input_features=features, **{f"{task}_labels": batch[f"{task}_labels"] for task in TASKS}).loss


def _train_stage(arguments: EncoderArguments, stage: EncoderStage, model: nn.Module, made_by: str) -> dict[str, float]:
    manifest = stage.train_manifest or arguments.train_manifest
    root, config = data_root(manifest, arguments), model.config
    config.loss_weights = dict(stage.loss_weights)
    records = one_source_recordings(manifest, root)
    clips = ClipDataset(records, localization_labels(records, config.event_labels), root, config, arguments.clips)
    plan = plan_stage(arguments, stage, len(clips), processes())
    weights = class_weights(clips.event_labels()) if stage.sampling == "class_weighted" else None
    run = RunFolder(arguments, manifest)
    print_main(f"{len(clips)} clips, {plan.draws} an epoch; {plan.steps} steps, peak rate {plan.learning_rate:.3g}")
    print_main(format_what_trains(what_trains(model)))
    optimizer = arguments.optimizer
    groups = parameter_groups(
        model, plan.learning_rate, arguments.schedule.weight_decay, optimizer.layer_decay, optimizer.cls_tokens
    )
    train(
        model.train(), clips, collate,
        dataclasses.replace(arguments.schedule, steps=plan.steps, learning_rate=plan.learning_rate), run, arguments.seed,
        loss=partial(stage_loss, render=CueRenderer(config)),
        order=ClipOrder(len(clips), plan.draws, arguments.seed, weights),
        optimizers=optimizer_and_schedule(
            groups, plan.learning_rate, optimizer.min_learning_rate, plan.warmup_steps, plan.steps
        ),
        some_unused=not all(stage.loss_weights.values()),
    )  # fmt: skip
    scores: dict[str, float] = {}
    if arguments.eval_manifest:
        held_out = arguments.eval_manifest
        scores = evaluate_encoder(model, encoder_dataset(held_out, config, data_root(held_out, arguments)))
        run.log({"eval": scores})
        print_main("  ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    run.save(
        model.save_pretrained,
        SpatialFeatureExtractor.for_encoder(config).save_pretrained,
        lambda temporary: write_finished(temporary / MARKER, made_by, scores=scores),
    )
    return scores


def _check(arguments: EncoderArguments) -> None:
    names = [stage.name for stage in arguments.stages]
    if len(set(names)) < len(names) or "model" in names:
        raise SpatialLLMError(f"stages {', '.join(names)}: give each a name of its own, and none 'model'.")
    for name in ("direction_smoothing_deg", "precompute", "mirror", "cues_folder"):
        if getattr(arguments, name):
            raise SpatialLLMError(f"{name} is for the joint run; stages convolve on the device, with one-hot targets.")
    if arguments.rotation != "none" or arguments.microphone_drop:
        raise SpatialLLMError("rotation and microphone_drop are for the joint run; stages draw responses instead.")
    if arguments.frame_width != WIDTH:
        raise SpatialLLMError("frame_width is for trains: frames; stages train the whole encoder.")
    if arguments.objective is not None:
        raise SpatialLLMError("objective is for the joint run; stages train the heads of an encoder.")
    if arguments.trains != "all":
        raise SpatialLLMError(f"trains: {arguments.trains} is for the joint run; stages train the whole encoder.")
    if arguments.audiomae and arguments.initial_encoder:
        raise SpatialLLMError("both audiomae and initial_encoder are given; the first stage begins with one.")
    config_class = TRAINABLE_ENCODERS[arguments.model_type].config
    for stage in arguments.stages:
        config_class(loss_weights=stage.loss_weights)  # raises if a task has no weight
        if not any(stage.loss_weights.values()):
            raise SpatialLLMError(f"stage {stage.name!r}: all loss_weights are 0; nothing would be learned.")


def _first_weights(arguments: EncoderArguments, manifests: list[str]) -> nn.Module:
    """Returns the encoder that the first stage starts from."""
    if arguments.initial_encoder is not None:
        return begin_with(arguments.initial_encoder, arguments, manifests)
    model = build_encoder(arguments.model_type, arguments.model, event_classes(manifests, arguments))
    if arguments.audiomae is not None:
        report, fresh = load_audiomae(model, read_official(arguments.audiomae))
        print_main(f"{arguments.audiomae}: {report.summary()}\n{len(fresh)} tensors stay fresh: {', '.join(fresh)}")
    return model


def _fingerprint(arguments: EncoderArguments, stage: EncoderStage, before: str) -> str:
    """Returns the fingerprint of all that determines a stage's weights; `before` is that of the stage before."""
    schedule = arguments.schedule
    made_from: dict[str, Any] = {
        "before": before or [arguments.audiomae, arguments.initial_encoder, arguments.label_csv],
        "manifest": sha256_of(stage.train_manifest or arguments.train_manifest),
        "stage": dataclasses.asdict(stage),
        "clips": dataclasses.asdict(arguments.clips),
        "optimizer": dataclasses.asdict(arguments.optimizer),
        "schedule": [schedule.steps, schedule.batch_size, schedule.learning_rate, schedule.weight_decay],
        "max_grad_norm": schedule.max_grad_norm,
        "gradient_accumulation": schedule.gradient_accumulation,
        "precision": schedule.precision,
        "model": [arguments.model_type, arguments.model],
        "processes": processes(),
        "seed": arguments.seed,
    }
    return fingerprint_of(made_from, sort_keys=True)
