"""Samples of encoder training: cues of a recording, with the classes of event, distance, azimuth and elevation.

The classes are those of SpatialAST (BAT, arXiv 2402.01591).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from spatial_llm.audio.cues import cue_set_of
from spatial_llm.data.dataset import CueDataset, distinct_recordings
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import Record, read_manifest
from spatial_llm.data.targets import Target, targets_of
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.errors import ManifestError
from spatial_llm.geometry import bat_azimuth_class, bat_distance_class, bat_elevation_class, direction_to_vector
from spatial_llm.training.encoder.cue_cache import precompute_cues
from spatial_llm.training.encoder.microphone_drop import MicrophoneDrop
from spatial_llm.training.encoder.rotation import Rotation, check_rotation, drawn_rotation, rotate_sample

PLACES = ("distance", "azimuth", "elevation")
TASKS = ("event", *PLACES)
SEVERAL = -1  # distance, azimuth and elevation class of a recording of several sources


def one_source_recordings(manifest: str | Path, root: DataRoot | None = None) -> list[Record]:
    """Returns the distinct recordings of a manifest that have exactly one source.

    Raises:
        ManifestError: there are none.
    """
    records = [record for record in distinct_recordings(read_manifest(manifest, root)) if len(targets_of(record)) == 1]
    if not records:
        raise ManifestError(f"{manifest}: no recording with exactly one source; an encoder trains on such recordings.")
    return records


def recordings_with_places(manifest: str | Path, root: DataRoot | None = None) -> list[Record]:
    """Returns the distinct recordings of a manifest, of any number of sources, except if a class occurs twice.

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
    """Returns the labels of N recordings.

    Returns:
        `event` (N, classes), multi-hot float32; `distance`, `azimuth` and `elevation` (N,), class indices in steps of 0.5 m
        and of 1 degree, SEVERAL for recordings of several sources.

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
    """Returns the place of each class in N recordings, (N, classes, 4) float32: the direction as unit vector xyz and the
    logarithm of the distance in metres; 0 for absent classes. Raises ManifestError as `localization_labels` does."""
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
    """Cues and labels of recordings.

    A sample holds `input_features` (cues, frames, mel bins) and, from `localization_labels`, `event_labels` (classes,),
    `distance_labels`, `azimuth_labels` and `elevation_labels`.

    Args:
        cues: a `CueDataset`, or the result of `precompute_cues` for one.
        labels: labels of the same recordings, from `localization_labels`.
        names: names of the cues, which mirrored and rotated recordings need.
        mirror: whether each recording occurs a second time with left and right exchanged, at the odd indices.
        rotation: how each recording is rotated each time it is used, see `rotation.drawn_rotation`.
        ids: ids of the recordings of `cues`, for messages; None uses their numbers.
        places: places from `class_places`; samples then hold `class_places` (classes, 4) as well.
    """

    def __init__(
        self,
        cues: Any,
        labels: dict[str, torch.Tensor],
        names: Sequence[str] = (),
        mirror: bool = False,
        rotation: Rotation = "none",
        ids: Sequence[str] | None = None,
        places: torch.Tensor | None = None,
    ) -> None:
        self.ids = ids
        self.places = places
        self.cues = cues
        self.labels = labels
        self.names, self.mirror, self.rotation = list(names), mirror, rotation
        if rotation != "none":
            check_rotation(rotation, self.names)

    def __len__(self) -> int:
        return len(self.cues) * (2 if self.mirror else 1)

    def sample_id(self, index: int) -> str:
        """Returns the id of the recording of `self[index]`."""
        row = index // 2 if self.mirror else index
        return str(row) if self.ids is None else self.ids[row]

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        row, mirrored = divmod(index, 2) if self.mirror else (index, False)
        sample = {f"{task}_labels": self.labels[task][row] for task in TASKS}
        if self.places is not None:
            sample["class_places"] = self.places[row]
        features = self.cues[row]
        if not isinstance(features, torch.Tensor):  # torch takes no read-only view of a file
            features = torch.from_numpy(np.array(features)).float()
        if mirrored:
            features = cue_set_of(self.names).mirror(features, self.names)
            # Azimuth classes count from 0 = right over 90 = front; exchanged ears reflect them at 90.
            if sample["azimuth_labels"] != SEVERAL:
                sample["azimuth_labels"] = (180 - sample["azimuth_labels"]) % 360
            if self.places is not None:
                sample["class_places"] = self.places[row] * torch.tensor([1.0, -1.0, 1.0, 1.0])
        sample["input_features"] = features
        if self.rotation != "none":
            rotate_sample(sample, self.names, drawn_rotation(self.rotation), SEVERAL)
        return sample


def encoder_dataset(
    manifest: str,
    config: Any,
    root: DataRoot,
    cues_folder: str | None = None,
    mirror: bool = False,
    several_sources: bool = False,
    rotation: Rotation = "none",
    microphone_drop: float = 0.0,
) -> LocalizationDataset:
    """Returns the one-source recordings of `manifest` as samples for an encoder of this config.

    Args:
        manifest: the manifest.
        config: the encoder's config.
        root: root of the manifest's file names.
        cues_folder: folder for cues that are computed ahead; None computes them for each sample.
        mirror: adds each recording with its ears exchanged.
        several_sources: adds the recordings of several sources, and the place of each class.
        rotation: how each recording is rotated each time it is used.
        microphone_drop: share of the recordings of arrays that lose a microphone.
    """
    records = (recordings_with_places if several_sources else one_source_recordings)(manifest, root)
    extractor = SpatialFeatureExtractor.for_encoder(config)
    altered = MicrophoneDrop(microphone_drop) if microphone_drop else None
    cues: Any = CueDataset(records, root, extractor, config.window_samples, altered)
    if cues_folder is not None:
        cues = precompute_cues(manifest, cues, cues_folder)
    labels = localization_labels(records, config.event_labels)
    ids = [record.id for record in records]
    places = class_places(records, config.event_labels) if several_sources else None
    return LocalizationDataset(cues, labels, extractor.cues, mirror, rotation, ids, places)


def collate(samples: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Stacks samples of equal shapes into a batch; every tensor gains a leading batch axis."""
    return {key: torch.stack([sample[key] for sample in samples]) for key in samples[0]}
