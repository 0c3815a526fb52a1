"""What an encoder learns from: recordings as cues, with labels of what sounds, where and how far (specs a.1, a.2)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from spatial_llm.data.dataset import CueDataset, distinct_recordings
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import Record, read_manifest
from spatial_llm.data.targets import Target, targets_of
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.errors import ManifestError
from spatial_llm.geometry import bat_azimuth_class, bat_distance_class, bat_elevation_class, direction_to_vector
from spatial_llm.training.encoder.cue_cache import mirror_cues, precompute_cues

PLACES = ("distance", "azimuth", "elevation")
TASKS = ("event", *PLACES)
SEVERAL = -1  # as class of a place: the recording has several sources


def one_source_recordings(manifest: str | Path, root: DataRoot | None = None) -> list[Record]:
    """The distinct recordings of a manifest in which exactly one source sounds.

    Raises:
        ManifestError: there are none.
    """
    records = [record for record in distinct_recordings(read_manifest(manifest, root)) if len(targets_of(record)) == 1]
    if not records:
        raise ManifestError(f"{manifest}: no recording with exactly one source; an encoder hears such.")
    return records


def recordings_with_places(manifest: str | Path, root: DataRoot | None = None) -> list[Record]:
    """The distinct recordings of a manifest, with however many sources, but for those in which a class sounds twice.

    Raises:
        ManifestError: there are none.
    """

    def different(record: Record) -> bool:
        labels = [label for source in targets_of(record) for label in source.labels]
        return len(labels) == len(set(labels))

    records = [record for record in distinct_recordings(read_manifest(manifest, root)) if different(record)]
    if not records:
        raise ManifestError(f"{manifest}: no recording in which every class sounds from one place.")
    return records


def localization_labels(records: Sequence[Record], labels: Sequence[str]) -> dict[str, torch.Tensor]:
    """`event` (N, classes) multi-hot float32; `distance`, `azimuth`, `elevation` (N,) class indices of specs a.1, -1 where
    several sources sound.

    Raises:
        ManifestError: a source has a label that is not in `labels`.
    """
    index = {label: i for i, label in enumerate(labels)}
    event, places = torch.zeros(len(records), len(labels)), []
    for row, record in enumerate(records):
        sources = targets_of(record)
        for source in sources:
            event[row, _class_indices(record, source, index)] = 1.0
        places.append(
            (
                bat_distance_class(sources[0].distance_m),
                bat_azimuth_class(sources[0].azimuth_deg),
                bat_elevation_class(sources[0].elevation_deg),
            )
            if len(sources) == 1
            else (SEVERAL, SEVERAL, SEVERAL)
        )
    distance, azimuth, elevation = torch.tensor(places).unbind(1)
    return {"event": event, "distance": distance, "azimuth": azimuth, "elevation": elevation}


def class_places(records: Sequence[Record], labels: Sequence[str]) -> torch.Tensor:
    """(N, classes, 4) float32: of each class that sounds its direction (unit vector xyz) and the logarithm of its distance
    in metres, 0 elsewhere. Raises ManifestError as `localization_labels`."""
    index = {label: i for i, label in enumerate(labels)}
    places = torch.zeros(len(records), len(labels), 4)
    for row, record in enumerate(records):
        for source in targets_of(record):
            direction = direction_to_vector(source.azimuth_deg, source.elevation_deg)
            place = torch.tensor([*direction, math.log(source.distance_m)], dtype=torch.float32)
            places[row, _class_indices(record, source, index)] = place
    return places


def _class_indices(record: Record, source: Target, index: dict[str, int]) -> list[int]:
    unknown = [label for label in source.labels if label not in index]
    if unknown:
        raise ManifestError(f"record {record.id!r}: class {unknown[0]!r} is not among {', '.join(index)}.")
    return [index[label] for label in source.labels]


class LocalizationDataset(Dataset):
    """Cues and labels: `input_features` (cues, frames, mel bins), and of one recording what `localization_labels` gives of
    all: `event_labels` (classes,), `distance_labels`, `azimuth_labels`, `elevation_labels`.

    Args:
        cues: a `CueDataset`, or what `precompute_cues` made of one.
        labels: of the same recordings, from `localization_labels`.
        mirror: names of the cues, to have each recording also with its ears exchanged (odd indices); None = not.
        ids: of the recordings of `cues`, for messages; None = their numbers.
        places: from `class_places`, which samples then hold as well, each (classes, 4).
    """

    def __init__(
        self,
        cues: Any,
        labels: dict[str, torch.Tensor],
        mirror: Sequence[str] | None = None,
        ids: Sequence[str] | None = None,
        places: torch.Tensor | None = None,
    ) -> None:
        self.ids = ids
        self.places = places
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
        if self.places is not None:
            sample["class_places"] = self.places[row]
        features = self.cues[row]
        if not isinstance(features, torch.Tensor):  # a read-only view of the file, which torch does not take
            features = torch.from_numpy(np.array(features)).float()
        if mirrored:
            features = mirror_cues(features, self.mirror)
            # Classes count from the right by way of the front: exchanging the ears reflects them at 90 = front.
            if sample["azimuth_labels"] != SEVERAL:
                sample["azimuth_labels"] = (180 - sample["azimuth_labels"]) % 360
            if self.places is not None:
                sample["class_places"] = self.places[row] * torch.tensor([1.0, -1.0, 1.0, 1.0])
        return sample | {"input_features": features}


def encoder_dataset(
    manifest: str,
    config: Any,
    root: DataRoot,
    cues_folder: str | None = None,
    mirror: bool = False,
    several_sources: bool = False,
) -> LocalizationDataset:
    """The one-source recordings of `manifest` as samples for an encoder of this config.

    Args:
        cues_folder: where the cues of these recordings are kept, computed ahead; None = computed when asked for.
        mirror: each recording also with its ears exchanged.
        several_sources: the recordings of several sources as well, and the place of each class.
    """
    records = (recordings_with_places if several_sources else one_source_recordings)(manifest, root)
    extractor = SpatialFeatureExtractor.for_encoder(config)
    cues: Any = CueDataset(records, root, extractor, config.window_samples)
    if cues_folder is not None:
        cues = precompute_cues(manifest, cues, cues_folder)
    labels = localization_labels(records, config.event_labels)
    ids = [record.id for record in records]
    places = class_places(records, config.event_labels) if several_sources else None
    return LocalizationDataset(cues, labels, extractor.cues if mirror else None, ids, places)


def collate(samples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Samples of one shape -> a batch: every tensor gains a leading batch axis."""
    return {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}
