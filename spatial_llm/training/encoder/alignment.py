"""Trains an encoder by captions of its scenes, beside its heads (`objective`), or a text projection on a frozen one.

Texts name one place for each source, so recordings have one source each and are not rotated; mirrored ones have captions of
their own. What the objective adds is saved beside the encoder where it is of use afterwards (`encoders.text_projection`).
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from spatial_llm.data.spatialsoundqa.release import data_root
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.encoders.frame_head import WIDTH
from spatial_llm.encoders.text_projection import pooled
from spatial_llm.errors import SpatialLLMError
from spatial_llm.model.fingerprint import fingerprint
from spatial_llm.training.encoder.arguments import EncoderArguments
from spatial_llm.training.encoder.dataset import LocalizationDataset, collate, encoder_dataset, one_source_recordings
from spatial_llm.training.encoder.frames import frozen_encoder
from spatial_llm.training.encoder.objectives import read_objective
from spatial_llm.training.encoder.objectives.base import Added
from spatial_llm.training.encoder.objectives.contrastive import Contrastive, ContrastiveHead
from spatial_llm.training.encoder.run import (
    begin_with,
    build_encoder,
    evaluate_encoder,
    event_classes,
    joint_loss,
    written_out_attention,
)
from spatial_llm.training.encoder.scene_texts import CaptionedDataset, SceneTexts
from spatial_llm.training.engine.launching import device, prepare, print_main
from spatial_llm.training.engine.run_folder import RunFolder
from spatial_llm.training.engine.trainable import format_what_trains, what_trains
from spatial_llm.training.engine.trainer import train

Batch = dict[str, torch.Tensor]


class EncoderWithObjective(nn.Module):
    """An encoder with heads, and what an objective adds to it."""

    def __init__(self, localizer: nn.Module, added: Added) -> None:
        super().__init__()
        self.config, self.localizer, self.added = localizer.config, localizer, added

    def gradient_checkpointing_enable(self, *arguments: Any) -> None:
        """Enables gradient checkpointing in the localizer."""
        self.localizer.gradient_checkpointing_enable(*arguments)

    def forward(self, batch: Batch) -> tuple[Any, torch.Tensor]:
        """Returns the localizer's output for a batch of `CaptionedDataset`, and the loss of the objective."""
        output = self.localizer(input_features=batch["input_features"])
        return output, self.added(self.localizer, output.last_hidden_state, batch)


class ProjectionAlone(nn.Module):
    """A text projection on means that a frozen encoder has given."""

    def __init__(self, added: ContrastiveHead) -> None:
        super().__init__()
        self.added = added

    def forward(self, batch: Batch) -> torch.Tensor:
        """Returns the loss of a batch with `means` (B, 2, hidden_size)."""
        return self.added.of_means(batch["means"], batch)


class MeansDataset(Dataset):
    """`dataset[i]`: the `pooled` means (2, hidden_size) that a frozen encoder gives of sample i of another data set."""

    def __init__(self, encoder: nn.Module, dataset: LocalizationDataset, batch_size: int = 64) -> None:
        batches = DataLoader(dataset, batch_size=batch_size, collate_fn=collate)
        self.dataset, self.means = dataset, means_of(encoder, (batch["input_features"] for batch in batches))

    def __len__(self) -> int:
        return len(self.means)

    def sample_id(self, index: int) -> str:
        """Returns the id of the recording of `self[index]`."""
        return self.dataset.sample_id(index)

    def __getitem__(self, index: int) -> Batch:
        return {"means": self.means[index]}


@torch.no_grad()
def means_of(encoder: nn.Module, batches: Iterable[torch.Tensor]) -> torch.Tensor:
    """Returns the `pooled` means of what an encoder gives of N recordings, (N, 2, hidden_size) on the CPU.

    Args:
        encoder: without heads.
        batches: of input features, (B, cues, frames, mel bins) each.
    """
    encoder.eval().to(device())
    layout, means = encoder.config.token_layout, []
    for features in tqdm(batches, desc="encoding", unit="batch", mininterval=5.0):
        hidden = encoder(input_features=features.to(device())).last_hidden_state
        means.append(pooled(hidden, layout).float().cpu())
    return torch.cat(means)


def aligned_loss(
    model: nn.Module, batch: Batch, supervised_weight: float, width_deg: float = 0.0, width_m: float = 0.0
) -> torch.Tensor:
    """Returns the loss of the objective plus `supervised_weight` times that of the heads (`joint_loss`)."""
    output, loss = model(batch)
    if not supervised_weight:
        return loss
    localizer = getattr(model, "module", model).localizer
    return loss + supervised_weight * joint_loss(localizer, batch, width_deg, width_m, output)


def train_aligned(arguments: EncoderArguments) -> dict[str, float]:
    """Trains an encoder with its objective, or the text projection alone, and saves it; returns the scores of the heads,
    empty without an eval manifest.

    Raises:
        SpatialLLMError: the arguments are those of another training, or the objective cannot be had with this encoder; see
            also `trainer.train`.
    """
    alone = arguments.trains == "text"
    objective = _check(arguments)
    prepare(arguments.seed, arguments.cpu_threads)
    manifest = arguments.train_manifest
    if alone:
        model = frozen_encoder(arguments)
    elif arguments.initial_encoder is not None:
        model = begin_with(arguments.initial_encoder, arguments, [manifest])
    else:
        model = build_encoder(arguments.model_type, arguments.model, event_classes([manifest], arguments))
    run = RunFolder(arguments, manifest)
    cues_folder = (arguments.cues_folder or arguments.run_folder) if arguments.precompute else None
    root, config = data_root(manifest, arguments), model.config
    dataset: Any = encoder_dataset(
        manifest, config, root, cues_folder, arguments.mirror, microphone_drop=arguments.microphone_drop
    )
    print_main(f"{len(dataset.cues)} recordings of {config.num_event_classes} classes from {manifest}")
    records = one_source_recordings(manifest, root)
    texts = SceneTexts(records, config.slice_names, objective.wordings, arguments.mirror, arguments.seed)
    print_main(f"{len(texts.texts)} different texts for {', '.join(texts.views)}; objective {objective.name}")
    added = objective.begin(model, texts, Path(arguments.cues_folder or arguments.run_folder))
    learner = ProjectionAlone(added) if alone else EncoderWithObjective(model, added)
    print_main(format_what_trains(what_trains(learner)))
    if alone:
        dataset, loss = MeansDataset(model.base_model, dataset), _projection_loss
    else:
        widths = {"width_deg": arguments.direction_smoothing_deg, "width_m": arguments.distance_smoothing_m}
        loss = partial(aligned_loss, supervised_weight=objective.supervised_weight, **widths)
    unused = not (alone or (objective.supervised_weight and all(config.loss_weights.values())))
    with written_out_attention(model, arguments.schedule.precision):
        samples = CaptionedDataset(dataset, texts)
        train(learner, samples, collate, arguments.schedule, run, arguments.seed, loss, some_unused=unused)
    scores = {} if alone else _scores(model, arguments, cues_folder)
    if scores:
        run.log({"eval": scores})
        print_main("  ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    run.save(
        model.save_pretrained,
        SpatialFeatureExtractor.for_encoder(config).save_pretrained,
        lambda folder: added.save_pretrained(folder, fingerprint(model.base_model)),
    )
    return scores


def _projection_loss(model: nn.Module, batch: Batch) -> torch.Tensor:
    return model(batch)


def _scores(model: nn.Module, arguments: EncoderArguments, cues_folder: str | None) -> dict[str, float]:
    held_out = arguments.eval_manifest
    if not held_out:
        return {}
    return evaluate_encoder(model, encoder_dataset(held_out, model.config, data_root(held_out, arguments), cues_folder))


def _check(arguments: EncoderArguments) -> Any:
    """Returns the objective. Raises SpatialLLMError if the arguments are those of another training."""
    alone = arguments.trains == "text"
    given = [name for name in ("stages", "audiomae", "class_places") if getattr(arguments, name)]
    given += ["rotation"] if arguments.rotation != "none" else []
    given += ["frame_width"] if arguments.frame_width != WIDTH else []
    if alone:
        names = ("model", "direction_smoothing_deg", "distance_smoothing_m", "eval_manifest")
        given += [name for name in names if getattr(arguments, name)]
        given += ["schedule.activation_checkpointing"] if arguments.schedule.activation_checkpointing else []
    if given:
        raise SpatialLLMError(
            f"an objective of texts with {', '.join(given)}: captions name one place for each source, as it stands in the "
            "scene, and with trains: text the encoder is frozen; leave out what changes a scene, or an encoder that is."
        )
    if arguments.trains not in ("all", "text"):
        raise SpatialLLMError(
            f"trains: {arguments.trains} with an objective: the encoder is frozen; give trains: all, or text."
        )
    objective = read_objective(arguments.objective)
    if alone and (arguments.initial_encoder is None or type(objective) is not Contrastive):
        raise SpatialLLMError(
            "trains: text puts a text projection on a trained encoder: give initial_encoder, and an objective of type "
            "contrastive."
        )
    return objective
