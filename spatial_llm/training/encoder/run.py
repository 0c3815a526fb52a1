"""Training an encoder on event class, direction and distance, jointly, on whole recordings; for tiny sizes.

Recordings have one source each, unless `class_places` is on. The stages of the papers are in `training.encoder.stages`,
which shares building, loading and scoring of an encoder with this module.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import AutoConfig, PreTrainedModel

from spatial_llm.data.spatialsoundqa.release import data_root, read_label_csv
from spatial_llm.data.targets import targets_of
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.encoders.finer_patches import with_finer_patches
from spatial_llm.encoders.frame_head import WIDTH
from spatial_llm.encoders.heads import AdaCosHead, event_loss
from spatial_llm.encoders.kinds import TRAINABLE_ENCODERS
from spatial_llm.encoders.metrics import encoder_scores
from spatial_llm.errors import SpatialLLMError
from spatial_llm.geometry import DISTANCE_STEP_M
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.class_query_head import EncoderWithPlaces, class_place_scores, loss_with_places
from spatial_llm.training.encoder.dataset import (
    PLACES,
    SEVERAL,
    TASKS,
    LocalizationDataset,
    collate,
    encoder_dataset,
    one_source_recordings,
    recordings_with_places,
)
from spatial_llm.training.encoder.heads_alone import encoded, heads_of
from spatial_llm.training.engine.launching import device, prepare, print_main
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.trainable import format_what_trains, what_trains
from spatial_llm.training.engine.trainer import train


def load_encoder(folder: str | Path, label_csv: str | Path | None = None) -> nn.Module:
    """Loads an encoder with heads from its folder, in eval mode, with the names of its event classes.

    Args:
        folder: the folder of the encoder.
        label_csv: CSV with the names of its event classes; None uses the names in its config.

    Raises:
        SpatialLLMError: it is none of our encoders, or there are not as many names as event classes.
    """
    kind = AutoConfig.from_pretrained(folder).model_type
    if kind not in TRAINABLE_ENCODERS:
        raise SpatialLLMError(f"{folder} holds a {kind}; expected one of {', '.join(TRAINABLE_ENCODERS)}.")
    model = TRAINABLE_ENCODERS[kind].with_heads.from_pretrained(folder).eval()
    if label_csv is not None:
        model.config.event_labels = [label.lower() for label in read_label_csv(label_csv)]
    known = model.config.event_labels
    if known is None or len(known) != model.config.num_event_classes:
        raise SpatialLLMError(
            f"{folder}: {model.config.num_event_classes} event classes, {len(known or ())} names of them; give the "
            "label_csv that it was trained with."
        )
    return model


def event_classes(manifests: Sequence[str], arguments: EncoderArguments) -> list[str]:
    """Returns the event classes of the head, in lower case: `label_csv` in its order, or those of the manifests, sorted."""
    if arguments.label_csv is not None:
        return [label.lower() for label in read_label_csv(arguments.label_csv)]
    recordings = recordings_with_places if arguments.class_places else one_source_recordings
    records = (r for name in manifests for r in recordings(name, data_root(name, arguments)))
    return sorted({label for record in records for source in targets_of(record) for label in source.labels})


def build_encoder(model_type: str, fields: dict[str, Any], labels: Sequence[str]) -> nn.Module:
    """Builds a freshly initialised encoder with heads for the event classes `labels`.

    Raises:
        SpatialLLMError: `fields` has a key that the config of this encoder does not know.
    """
    kind = TRAINABLE_ENCODERS[model_type]
    config_class, model_class = kind.config, kind.with_heads
    check_fields(config_class, fields)
    config = config_class(**{**fields, "num_event_classes": len(labels), "event_labels": list(labels)})
    return model_class(config)


def begin_with(folder: str, arguments: EncoderArguments, manifests: Sequence[str]) -> nn.Module:
    """Loads the encoder with heads in `folder`, with the changes of `arguments.model`; its patches may become finer.

    Raises:
        SpatialLLMError: a field is unknown, the patches are no parts of the encoder's own, or its event classes have no
            names and the manifests do not have as many classes.
    """
    kind = TRAINABLE_ENCODERS[arguments.model_type]
    config_class, model_class = kind.config, kind.with_heads
    check_fields(config_class, arguments.model)
    changes = {name: value for name, value in arguments.model.items() if name != "patch_size"}
    config = config_class.from_pretrained(folder, **changes)
    if config.event_labels is None or arguments.label_csv is not None:
        config.event_labels = event_classes(manifests, arguments)
        if len(config.event_labels) != config.num_event_classes:
            raise SpatialLLMError(
                f"{len(config.event_labels)} event classes, but the head of {folder} has {config.num_event_classes}; give "
                "the label_csv that it was trained with."
            )
    if arguments.trains == "heads" and config.architectures == [kind.model.__name__]:
        model = model_class(config)  # its fresh heads are kept
        model.encoder = kind.model.from_pretrained(folder, config=config)
    else:
        model = model_class.from_pretrained(folder, config=config)
    patch_size = arguments.model.get("patch_size", config.patch_size)
    return model if list(patch_size) == config.patch_size else with_finer_patches(model, patch_size)


def check_fields(config_class: type, fields: dict[str, Any]) -> None:
    """Raises SpatialLLMError if `fields` has a key that the config of this encoder does not know."""
    unknown = set(fields) - set(config_class().to_dict())
    if unknown:
        raise SpatialLLMError(f"model has no field {', '.join(sorted(unknown))}; see the fields of {config_class.__name__}.")


def joint_loss(
    model: nn.Module, batch: dict[str, torch.Tensor], width_deg: float, width_m: float = 0.0, output: Any = None
) -> torch.Tensor:
    """Returns the weighted sum of an encoder's losses, optionally with smoothed targets.

    One-hot cross-entropy over 360 classes treats an error of one degree like any other; with few clips the encoder then does
    not learn directions at all, and with smoothed targets it does at once. With smoothed distances the highest class is the
    distance with most probability near it, which DER measures, rather than the single likeliest one. Smoothing is ours; the
    published encoders train one-hot.

    Args:
        model: the encoder with heads.
        batch: a batch of `LocalizationDataset`. Recordings of several sources (class SEVERAL) have no loss of place.
        width_deg: standard deviation of the Gaussian targets of azimuth and elevation, in degrees; 0 for one-hot.
        width_m: standard deviation of the Gaussian targets of distance, in metres; 0 for one-hot.
        output: the model's output on `input_features`, if it has been computed.
    """
    output = model(input_features=batch["input_features"]) if output is None else output
    weights = model.config.loss_weights
    # A loss of weight 0 is not computed, or AdaCos would adapt its scale. The first term gives every batch a gradient.
    loss = 0.0 * output.event_logits.sum()
    if weights["event"]:
        loss = loss + weights["event"] * event_loss(output.event_logits, batch["event_labels"])
    one = batch["azimuth_labels"] != SEVERAL
    for task in PLACES if one.any() else ():
        if weights[task]:
            labels, logits = batch[f"{task}_labels"][one], output[f"{task}_logits"][one]
            width = width_m / DISTANCE_STEP_M if task == "distance" else width_deg
            targets = bump(labels, logits.shape[-1], width, circular=task == "azimuth") if width else None
            head = getattr(model, f"{task}_head")
            if isinstance(head, AdaCosHead):
                term = head.loss(logits, labels, targets)
            else:
                term = functional.cross_entropy(logits, labels if targets is None else targets)
            loss = loss + weights[task] * term
    return loss


def bump(labels: torch.Tensor, classes: int, width: float, circular: bool) -> torch.Tensor:
    """Returns Gaussian targets (B, classes) around class ids (B,), `width` classes wide (standard deviation), with sum 1."""
    offset = (torch.arange(classes, device=labels.device) - labels[:, None]).abs()
    if circular:
        offset = torch.minimum(offset, classes - offset)
    return torch.softmax(-0.5 * (offset / width) ** 2, dim=-1)


@torch.no_grad()
def encoder_outputs(model: nn.Module, dataset: LocalizationDataset, batch_size: int = 32) -> dict[str, np.ndarray]:
    """Runs a model on N recordings.

    Returns:
        The logits of "event", "distance", "azimuth" and "elevation", each (N, classes), and "feature_attention" (N, 3
        branches, F cues) if the model has it.
    """
    model.eval()
    outputs: dict[str, list[np.ndarray]] = {}
    for batch in DataLoader(dataset, batch_size=batch_size, collate_fn=collate):
        output = model(input_features=batch["input_features"].to(model.device))
        for name in (*(f"{task}_logits" for task in TASKS), "feature_attention"):
            if output.get(name) is not None:
                outputs.setdefault(name.removesuffix("_logits"), []).append(output[name].float().cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in outputs.items()}


def evaluate_encoder(model: nn.Module, dataset: LocalizationDataset, batch_size: int = 32) -> dict[str, float]:
    """Returns `encoder_scores` of a model on a data set."""
    truth = {task: dataset.labels[task].numpy() for task in TASKS}
    return encoder_scores(encoder_outputs(model, dataset, batch_size), truth)


@contextlib.contextmanager
def written_out_attention(model: PreTrainedModel, precision: str) -> Iterator[None]:
    """Uses eager attention inside the context, on a CPU in bf16: there the gradient of torch's fused kernel takes more than
    half of a step of a tiny encoder (`eval/bench_training.py`)."""
    before = model.config._attn_implementation
    if device().type == "cpu" and precision == "bf16":
        model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(before)


def train_encoder(arguments: EncoderArguments) -> dict[str, float]:
    """Trains and saves the encoder of `arguments` in one joint run; returns its scores, empty without an eval manifest.

    Raises:
        SpatialLLMError: the arguments are those of a run in stages; see also `trainer.train`.
    """
    for name in ("stages", "audiomae"):
        if getattr(arguments, name):
            raise SpatialLLMError(f"{name} is for training in stages; the joint run takes none.")
    if arguments.trains == "frames" or arguments.frame_width != WIDTH:
        raise SpatialLLMError(
            "trains: frames, and its frame_width, are for training a frame head (encoder.frames.train_frames)."
        )
    if arguments.trains == "text" or arguments.objective is not None:
        raise SpatialLLMError("trains: text, and an objective of texts, are for encoder.alignment.train_aligned.")
    alone = arguments.trains == "heads"
    if alone and (arguments.initial_encoder is None or arguments.class_places):
        raise SpatialLLMError(
            "trains: heads puts fresh heads on a trained encoder: give initial_encoder, and no class_places."
        )
    prepare(arguments.seed, arguments.cpu_threads)
    manifests = [arguments.train_manifest]
    if arguments.initial_encoder is not None:
        model = begin_with(arguments.initial_encoder, arguments, manifests)
    else:
        model = build_encoder(arguments.model_type, arguments.model, event_classes(manifests, arguments))
    run = RunFolder(arguments, arguments.train_manifest)
    cues_folder = (arguments.cues_folder or arguments.run_folder) if arguments.precompute else None
    train_manifest, eval_manifest = arguments.train_manifest, arguments.eval_manifest
    root = data_root(train_manifest, arguments)
    several = alone or arguments.class_places > 0
    dataset = encoder_dataset(
        train_manifest,
        model.config,
        root,
        cues_folder,
        arguments.mirror,
        several,
        arguments.rotation,
        arguments.microphone_drop,
    )
    print_main(f"{len(dataset.cues)} recordings of {model.config.num_event_classes} classes from {arguments.train_manifest}")
    if alone:
        model.encoder.requires_grad_(False)
        dataset = encoded(model, dataset)
    print_main(format_what_trains(what_trains(model)))
    widths = {"width_deg": arguments.direction_smoothing_deg, "width_m": arguments.distance_smoothing_m}
    loss = partial(joint_loss, **widths) if any(widths.values()) else None
    trained: nn.Module = model
    if alone:
        trained, loss = heads_of(model, partial(joint_loss, **widths))
    elif several:
        trained = EncoderWithPlaces(model)
        loss = partial(loss_with_places, localization_loss=partial(joint_loss, **widths), weight=arguments.class_places)
    unused = several or not all(model.config.loss_weights.values())
    with written_out_attention(model, arguments.schedule.precision):
        train(trained, dataset, collate, arguments.schedule, run, arguments.seed, loss, some_unused=unused)
    scores: dict[str, float] = {}
    if eval_manifest:
        root = data_root(eval_manifest, arguments)
        scores = evaluate_encoder(model, encoder_dataset(eval_manifest, model.config, root, cues_folder))
        if arguments.class_places:
            held_out = encoder_dataset(eval_manifest, model.config, root, cues_folder, several_sources=True)
            scores |= class_place_scores(trained, DataLoader(held_out, batch_size=32, collate_fn=collate))
        run.log({"eval": scores})
        print_main("  ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    run.save(model.save_pretrained, SpatialFeatureExtractor.for_encoder(model.config).save_pretrained)
    return scores
