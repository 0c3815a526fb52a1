"""Training an encoder on one-source recordings: what sounds, where, how far (specs a.2, b.2).

Here are labels, samples and scores, and the joint run on recordings rendered whole, for tiny sizes; the published stages
are in `encoder_stages`.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset
from transformers import AutoConfig

from spatial_llm.audio.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.data.dataset import CueDataset, distinct_recordings
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import Record, read_manifest
from spatial_llm.data.spatialsoundqa import read_label_csv, roots_elsewhere
from spatial_llm.data.targets import targets_of
from spatial_llm.encoders import DSpASTConfig, DSpASTForLocalization, SpatialASTConfig, SpatialASTForLocalization
from spatial_llm.encoders.metrics import encoder_scores
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.geometry import bat_azimuth_class, bat_distance_class, bat_elevation_class
from spatial_llm.training.arguments import EncoderArguments
from spatial_llm.training.cue_file import mirror_cues, precompute_cues
from spatial_llm.training.run_folder import RunFolder
from spatial_llm.training.trainable import format_what_trains, what_trains
from spatial_llm.training.trainer import train
from spatial_llm.training.trainer_arguments import prepare

ENCODERS = {
    "spatial_ast": (SpatialASTConfig, SpatialASTForLocalization),
    "dspast": (DSpASTConfig, DSpASTForLocalization),
}
TASKS = ("event", "distance", "azimuth", "elevation")


def one_source_recordings(manifest: str | Path, root: DataRoot | None = None) -> list[Record]:
    """The distinct recordings of a manifest in which exactly one source sounds.

    Raises:
        ManifestError: there are none.
    """
    records = [record for record in distinct_recordings(read_manifest(manifest, root)) if len(targets_of(record)) == 1]
    if not records:
        raise ManifestError(f"{manifest}: no recording with exactly one source; an encoder hears such.")
    return records


def data_root(manifest: str | Path, arguments: Any) -> DataRoot:
    """Where the names of a manifest start, and which folders elsewhere `audio_root` and `reverb_root` of the arguments
    allow."""
    return DataRoot(Path(manifest).parent, roots_elsewhere(arguments.audio_root, arguments.reverb_root))


def load_encoder(folder: str | Path, label_csv: str | Path | None = None) -> nn.Module:
    """An encoder with heads from its folder, in eval mode, that knows the names of its event classes.

    Raises:
        SpatialLLMError: no encoder of ours, or its classes have no names and `label_csv` gives not as many.
    """
    kind = AutoConfig.from_pretrained(folder).model_type
    if kind not in ENCODERS:
        raise SpatialLLMError(f"{folder} holds a {kind}; expected one of {', '.join(ENCODERS)}.")
    model = ENCODERS[kind][1].from_pretrained(folder).eval()
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
    """The event classes of the head, lower-case: those of `label_csv` in its order, or all of the manifests, sorted."""
    if arguments.label_csv is not None:
        return [label.lower() for label in read_label_csv(arguments.label_csv)]
    records = (r for name in manifests for r in one_source_recordings(name, data_root(name, arguments)))
    return sorted({label for record in records for label in targets_of(record)[0].labels})


def build_encoder(model_type: str, fields: dict[str, Any], labels: Sequence[str]) -> nn.Module:
    """A fresh encoder with heads for the event classes `labels`.

    Raises:
        SpatialLLMError: `fields` has a key that the config of this encoder does not know.
    """
    config_class, model_class = ENCODERS[model_type]
    check_fields(config_class, fields)
    config = config_class(**{**fields, "num_event_classes": len(labels), "event_labels": list(labels)})
    return model_class(config)


def check_fields(config_class: type, fields: dict[str, Any]) -> None:
    """Raises SpatialLLMError if `fields` has a key that the config of this encoder does not know."""
    unknown = set(fields) - set(config_class().to_dict())
    if unknown:
        raise SpatialLLMError(f"model has no field {', '.join(sorted(unknown))}; see the fields of {config_class.__name__}.")


def localization_labels(records: Sequence[Record], labels: Sequence[str]) -> dict[str, torch.Tensor]:
    """`event` (N, classes) multi-hot float32; `distance`, `azimuth`, `elevation` (N,) class indices of specs a.1.

    Raises:
        ManifestError: a source has a label that is not in `labels`.
    """
    index = {label: i for i, label in enumerate(labels)}
    event = torch.zeros(len(records), len(labels))
    places = []
    for row, record in enumerate(records):
        source = targets_of(record)[0]
        for label in source.labels:
            if label not in index:
                raise ManifestError(f"record {record.id!r}: class {label!r} is not among {', '.join(labels)}.")
            event[row, index[label]] = 1.0
        places.append(
            (
                bat_distance_class(source.distance_m),
                bat_azimuth_class(source.azimuth_deg),
                bat_elevation_class(source.elevation_deg),
            )
        )
    distance, azimuth, elevation = torch.tensor(places).unbind(1)
    return {"event": event, "distance": distance, "azimuth": azimuth, "elevation": elevation}


class LocalizationDataset(Dataset):
    """Cues and labels: `input_features` (cues, frames, mel bins), `event_labels` (classes,), and one class each as
    `distance_labels`, `azimuth_labels`, `elevation_labels`.

    Args:
        cues: a `CueDataset`, or what `precompute_cues` made of one.
        labels: of the same recordings, from `localization_labels`.
        mirror: names of the cues, to have each recording also with its ears exchanged (odd indices); None = not.
        ids: of the recordings of `cues`, for messages; None = their numbers.
    """

    def __init__(
        self,
        cues: Any,
        labels: dict[str, torch.Tensor],
        mirror: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
    ) -> None:
        self.ids = ids
        self.cues = cues
        self.labels = labels
        self.mirror = mirror

    def __len__(self) -> int:
        return len(self.cues) * (2 if self.mirror else 1)

    def sample_id(self, index: int) -> str:
        """The recording of `dataset[index]`."""
        row = index // 2 if self.mirror else index
        return str(row) if self.ids is None else self.ids[row]

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        row, mirrored = divmod(index, 2) if self.mirror else (index, False)
        sample = {f"{task}_labels": self.labels[task][row] for task in TASKS}
        features = self.cues[row]
        if not isinstance(features, torch.Tensor):  # a read-only view of the file, which torch does not take
            features = torch.from_numpy(np.array(features)).float()
        if mirrored:
            features = mirror_cues(features, self.mirror)
            # Classes count from the right by way of the front: exchanging the ears reflects them at 90 = front.
            sample["azimuth_labels"] = (180 - sample["azimuth_labels"]) % 360
        return sample | {"input_features": features}


def encoder_dataset(
    manifest: str, config: Any, root: DataRoot, cues_folder: str | None = None, mirror: bool = False
) -> LocalizationDataset:
    """The one-source recordings of `manifest` as samples for an encoder of this config.

    Args:
        cues_folder: where the cues of these recordings are kept, computed ahead; None = computed when asked for.
        mirror: each recording also with its ears exchanged.
    """
    records = one_source_recordings(manifest, root)
    extractor = SpatialFeatureExtractor.for_encoder(config)
    cues: Any = CueDataset(records, root, extractor, config.window_samples)
    if cues_folder is not None:
        cues = precompute_cues(manifest, cues, cues_folder)
    labels = localization_labels(records, config.event_labels)
    ids = [record.id for record in records]
    return LocalizationDataset(cues, labels, extractor.cues if mirror else None, ids)


def smoothed_loss(model: nn.Module, batch: dict[str, torch.Tensor], width_deg: float) -> torch.Tensor:
    """The joint loss with bumps of `width_deg` in place of one-hot azimuth and elevation targets.

    One degree off is nearly right, but one-hot cross-entropy over 360 classes does not know; with few clips that is the
    difference between learning directions at once and not at all. Our own; the published encoders train one-hot.
    """
    output = model(
        input_features=batch["input_features"], event_labels=batch["event_labels"], distance_labels=batch["distance_labels"]
    )
    loss = output.loss
    for task, circular in (("azimuth", True), ("elevation", False)):
        logits = output[f"{task}_logits"]
        targets = bump(batch[f"{task}_labels"], logits.shape[-1], width_deg, circular)
        loss = loss + model.config.loss_weights[task] * functional.cross_entropy(logits, targets)
    return loss


def bump(labels: torch.Tensor, classes: int, width_deg: float, circular: bool) -> torch.Tensor:
    """(B,) classes of one degree -> (B, classes) Gaussian target distributions, which sum to 1."""
    offset = (torch.arange(classes, device=labels.device) - labels[:, None]).abs()
    if circular:
        offset = torch.minimum(offset, classes - offset)
    return torch.softmax(-0.5 * (offset / width_deg) ** 2, dim=-1)


def collate(samples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Samples of one shape -> a batch: every tensor gains a leading batch axis."""
    return {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}


@torch.no_grad()
def encoder_outputs(model: nn.Module, dataset: LocalizationDataset, batch_size: int = 32) -> dict[str, np.ndarray]:
    """What a model hears in N recordings: logits of "event", "distance", "azimuth" and "elevation", each (N, classes), and
    "feature_attention" (N, 3 branches, F cues) if it has that."""
    model.eval()
    outputs: dict[str, list[np.ndarray]] = {}
    for batch in DataLoader(dataset, batch_size=batch_size, collate_fn=collate):
        output = model(input_features=batch["input_features"].to(model.device))
        for name in (*(f"{task}_logits" for task in TASKS), "feature_attention"):
            if output.get(name) is not None:
                outputs.setdefault(name.removesuffix("_logits"), []).append(output[name].float().cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in outputs.items()}


def evaluate_encoder(model: nn.Module, dataset: LocalizationDataset, batch_size: int = 32) -> dict[str, float]:
    """`encoder_scores` of a model on a data set."""
    truth = {task: dataset.labels[task].numpy() for task in TASKS}
    return encoder_scores(encoder_outputs(model, dataset, batch_size), truth)


def train_encoder(arguments: EncoderArguments) -> dict[str, float]:
    """The joint run: trains and saves the encoder of `arguments`; returns its scores on the eval manifest (empty without).

    Raises:
        SpatialLLMError: arguments of a staged run; see also `trainer.train`.
    """
    for name in ("stages", "audiomae", "initial_encoder"):
        if getattr(arguments, name):
            raise SpatialLLMError(f"{name} is for training in stages; the joint run takes none.")
    if arguments.direction_smoothing_deg and arguments.model_type != "spatial_ast":
        raise SpatialLLMError(
            "direction_smoothing_deg works on spatial_ast; the AdaCos heads of dspast need one-hot targets: set it to 0."
        )
    prepare(arguments.seed, arguments.cpu_threads)
    labels = event_classes([arguments.train_manifest], arguments)
    model = build_encoder(arguments.model_type, arguments.model, labels)
    run = RunFolder(arguments, arguments.train_manifest)
    cues_folder = (arguments.cues_folder or arguments.run_folder) if arguments.precompute else None
    train_manifest, eval_manifest = arguments.train_manifest, arguments.eval_manifest
    root = data_root(train_manifest, arguments)
    dataset = encoder_dataset(train_manifest, model.config, root, cues_folder, arguments.mirror)
    print(f"{len(dataset.cues)} recordings of {len(labels)} classes from {arguments.train_manifest}")
    print(format_what_trains(what_trains(model)))
    width = arguments.direction_smoothing_deg
    loss = partial(smoothed_loss, width_deg=width) if width else None
    unused = not all(model.config.loss_weights.values())
    train(model, dataset, collate, arguments.schedule, run, arguments.seed, loss, some_unused=unused)
    scores: dict[str, float] = {}
    if eval_manifest:
        root = data_root(eval_manifest, arguments)
        scores = evaluate_encoder(model, encoder_dataset(eval_manifest, model.config, root, cues_folder))
        run.log({"eval": scores})
        print("  ".join(f"{name} {value:.4g}" for name, value in scores.items()))
    run.save(model.save_pretrained, SpatialFeatureExtractor.for_encoder(model.config).save_pretrained)
    return scores
