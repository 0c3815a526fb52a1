"""Trains a frame head on a frozen encoder: what sounds where in each time row (`encoders.frame_head`).

The encoder's output is computed once, for all scenes of the manifest, so that a run takes minutes; scenes may have several
sources, which may move, and a listener who turns. It is kept in memory as bfloat16: 0.8 MB a scene at the published size.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import AutoConfig, PreTrainedModel

from spatial_llm.data.spatialsoundqa.release import data_root, read_label_csv
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.encoders.frame_head import FrameHead, Frames
from spatial_llm.encoders.kinds import TRAINABLE_ENCODERS
from spatial_llm.errors import SpatialLLMError
from spatial_llm.geometry import great_circle_deg
from spatial_llm.jsonl import write_jsonl
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.model.timeline_events import EventSettings, events_of_frames
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.dataset import collate
from spatial_llm.training.encoder.frame_samples import EncodedFrames, encoded_frames, frame_dataset
from spatial_llm.training.engine.launching import device, is_main, prepare, print_main
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.trainable import format_what_trains, what_trains
from spatial_llm.training.engine.trainer import train

EVENTS = "frame_events.jsonl"  # in the run folder: the events of the eval manifest, for eval/events.py
SETTINGS = EventSettings(least_probability=0.5, joining_gap_s=0.2, shortest_s=0.0, smoothing=1)
# What the frozen encoder, its heads and the cached output leave no use for.
_WITHOUT = (
    "stages", "audiomae", "model", "class_places", "direction_smoothing_deg", "distance_smoothing_m", "objective"
)  # fmt: skip


def frame_loss(head: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Returns the binary cross-entropy of activity, and where a class sounds the squared error of its vector and of its log
    distance; summed over classes, mean over rows and batch.

    ACCDOA's one squared error of vectors whose length is the activity (arXiv 2010.15306) was tried first: of a direction
    that is uncertain the best vector is short, so that it found less than half as many active rows (docs/experiments.md).
    """
    logits, places = (each.float() for each in head(batch["input_features"]))
    truth = batch["frame_places"]
    active = active_classes(truth)
    events = functional.binary_cross_entropy_with_logits(logits, active.to(logits), reduction="none")
    errors = (places - truth).square().sum(-1) * active
    return (events + errors).sum(-1).mean()


def active_classes(places: torch.Tensor) -> torch.Tensor:
    """Returns which classes sound, bool (..., classes), in `frame_places` (..., classes, 4): their vectors have length 1."""
    return places[..., :3].square().sum(-1) > 0.5


@torch.no_grad()
def read_frames(head: FrameHead, dataset: EncodedFrames, batch_size: int = 32) -> Iterator[tuple[Frames, Frames]]:
    """Yields what the head reads in each sample, and the truth."""
    head.eval()
    row_s = head.layout.seconds_per_row
    for batch in DataLoader(dataset, batch_size=batch_size, collate_fn=collate):
        logits, places = (each.cpu() for each in head(batch["input_features"].to(head.place.weight.device)))
        for activity, own, true in zip(logits.sigmoid(), places, batch["frame_places"], strict=True):
            yield Frames.of(activity, own, head.labels, row_s), Frames.of(active_classes(true), true, head.labels, row_s)


def frame_scores(read: Sequence[tuple[Frames, Frames]]) -> dict[str, float]:
    """Scores N recordings.

    Args:
        read: from `read_frames`.

    Returns:
        frame_f1, frame_precision, frame_recall (0 to 1): of classes active in rows, all classes together, active from 0.5
            on; frame_error_deg: mean great-circle error, and frame_distance_error: mean error of the distance as a share of
            the true one, both over all rows in which a class truly sounds, heard or not (left out if there are none); n.
    """
    told, true = (np.stack([pair[side].activity for pair in read]) >= SETTINGS.least_probability for side in (0, 1))
    right = float((told & true).sum())
    scores = {
        "frame_f1": 2 * right / max(told.sum() + true.sum(), 1),
        "frame_precision": right / max(told.sum(), 1),
        "frame_recall": right / max(true.sum(), 1),
    }
    if true.any():
        own, known = (
            [
                np.stack([getattr(pair[side], name) for pair in read])[true]
                for name in ("azimuth_deg", "elevation_deg", "distance_m")
            ]
            for side in (0, 1)
        )
        scores["frame_error_deg"] = great_circle_deg(own[0], own[1], known[0], known[1]).mean()
        scores["frame_distance_error"] = (np.abs(own[2] - known[2]) / known[2]).mean()
    return {name: float(value) for name, value in scores.items()} | {"n": len(read)}


def train_frames(arguments: EncoderArguments) -> dict[str, float]:
    """Trains a frame head and saves it beside a copy of its encoder; returns its scores, empty without an eval manifest.

    The events that it hears in the recordings of the eval manifest are written to `frame_events.jsonl` in the run folder;
    `eval/events.py` scores them.

    Raises:
        SpatialLLMError: the arguments are those of another training, or the encoder has no time rows; see also
            `trainer.train`.
    """
    _check(arguments)
    prepare(arguments.seed, arguments.cpu_threads)
    model = frozen_encoder(arguments)
    head, encoder = FrameHead(model.config, arguments.frame_width), model.base_model.to(device())
    run = RunFolder(arguments, arguments.train_manifest)
    cues_folder = (arguments.cues_folder or arguments.run_folder) if arguments.precompute else None
    dataset = partial(frame_dataset, config=model.config, cues_folder=cues_folder, microphone_drop=arguments.microphone_drop)
    manifest = arguments.train_manifest
    scenes = dataset(manifest, root=data_root(manifest, arguments), mirror=arguments.mirror)
    print_main(f"{len(scenes.sources)} scenes, {len(head.labels)} classes, {scenes.rows} time rows from {manifest}")
    print_main(format_what_trains(what_trains(head)))
    train(head, encoded_frames(encoder, scenes), collate, arguments.schedule, run, arguments.seed, frame_loss)
    scores: dict[str, float] = {}
    if arguments.eval_manifest:
        held_out = dataset(arguments.eval_manifest, root=data_root(arguments.eval_manifest, arguments))
        read = list(read_frames(head, encoded_frames(encoder, held_out)))
        scores = frame_scores(read)
        run.log({"eval": scores})
        print_main("  ".join(f"{name} {value:.4g}" for name, value in scores.items()))
        if is_main():
            heard = ([event.to_dict() for event in events_of_frames(own, SETTINGS)] for own, _ in read)
            lines = [{"recording": name, "events": events} for name, events in zip(held_out.ids, heard, strict=True)]
            write_jsonl(Path(arguments.run_folder, EVENTS), lines)
    run.save(
        model.save_pretrained,
        SpatialFeatureExtractor.for_encoder(model.config).save_pretrained,
        partial(head.save_pretrained, encoder=fingerprint(encoder)),
    )
    return scores


def _check(arguments: EncoderArguments) -> None:
    if arguments.initial_encoder is None:
        raise SpatialLLMError("trains: frames puts a fresh frame head on a trained encoder: give initial_encoder.")
    given = [name for name in _WITHOUT if getattr(arguments, name)]
    given += ["rotation"] if arguments.rotation != "none" else []
    given += ["schedule.activation_checkpointing"] if arguments.schedule.activation_checkpointing else []
    if given:
        raise SpatialLLMError(
            f"trains: frames with {', '.join(given)}: the encoder is frozen and its output is computed once; leave out what "
            "changes the encoder, its heads or a sample each time it is used."
        )


def frozen_encoder(arguments: EncoderArguments) -> PreTrainedModel:
    """Returns the initial encoder as it was saved, with its heads if it has them, frozen, with the names of its classes.

    Raises:
        SpatialLLMError: it is of another kind than `model_type`, or its classes have no names.
    """
    folder = arguments.initial_encoder
    config = AutoConfig.from_pretrained(folder)
    if config.model_type != arguments.model_type:
        raise SpatialLLMError(
            f"{folder} holds a {config.model_type}, but model_type is {arguments.model_type}; give an encoder with event "
            f"classes and time rows ({', '.join(TRAINABLE_ENCODERS)}), and its own model_type."
        )
    kind = TRAINABLE_ENCODERS[config.model_type]
    bare = config.architectures == [kind.model.__name__]
    model = (kind.model if bare else kind.with_heads).from_pretrained(folder)
    if arguments.label_csv is not None:
        model.config.event_labels = [label.lower() for label in read_label_csv(arguments.label_csv)]
    elif model.config.event_labels is None:
        raise SpatialLLMError(f"{folder} holds no names of its event classes; give the label_csv that it was trained with.")
    return model.requires_grad_(False).eval()
