"""Samples of a frame head's training: scenes with what their sources are in each time row of the encoder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from spatial_llm.audio.cues import cue_set_of
from spatial_llm.data.dataset import CueDataset, distinct_recordings
from spatial_llm.data.frame_targets import places_in_rows, sources_in_rows
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.record import Record
from spatial_llm.data.records import read_manifest
from spatial_llm.data.scene_files import read_scenes
from spatial_llm.encoders.feature_extraction_spatial import SpatialFeatureExtractor
from spatial_llm.jsonl import iter_jsonl
from spatial_llm.scenes.motion.frame_labels import Labelled
from spatial_llm.training.encoder.cue_cache import precompute_cues
from spatial_llm.training.encoder.dataset import collate
from spatial_llm.training.encoder.microphone_drop import MicrophoneDrop


class FrameDataset(Dataset):
    """Cues of scenes, with what their sources are in each time row.

    A sample holds `input_features` (cues, frames, mel bins) and `frame_places` (rows, classes, 4), see
    `data.frame_targets.places_in_rows`.

    Args:
        cues: a `CueDataset`, or the result of `precompute_cues` for one.
        sources: of the same scenes, from `data.frame_targets.sources_in_rows`.
        labels: names of the classes.
        rows: time rows of the encoder.
        names: names of the cues, which mirrored scenes need.
        mirror: whether each scene occurs a second time with left and right exchanged, at the odd indices.
        ids: ids of the recordings.
    """

    def __init__(
        self,
        cues: Any,
        sources: Sequence[list[Labelled]],
        labels: Sequence[str],
        rows: int,
        names: Sequence[str] = (),
        mirror: bool = False,
        ids: Sequence[str] = (),
    ) -> None:
        self.cues, self.sources, self.labels, self.rows = cues, sources, list(labels), rows
        self.names, self.mirror, self.ids = list(names), mirror, ids

    def __len__(self) -> int:
        return len(self.sources) * (2 if self.mirror else 1)

    def sample_id(self, index: int) -> str:
        """Returns the id of the recording of `self[index]`."""
        return self.ids[index // 2 if self.mirror else index]

    def places(self, index: int) -> torch.Tensor:
        """Returns `frame_places` of `self[index]`."""
        row, mirrored = divmod(index, 2) if self.mirror else (index, False)
        places = places_in_rows(self.sources[row], self.labels, self.rows)
        return places * torch.tensor([1.0, -1.0, 1.0, 1.0]) if mirrored else places

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        row, mirrored = divmod(index, 2) if self.mirror else (index, False)
        features = self.cues[row]
        if not isinstance(features, torch.Tensor):  # torch takes no read-only view of a file
            features = torch.from_numpy(np.array(features)).float()
        if mirrored:
            features = cue_set_of(self.names).mirror(features, self.names)
        return {"input_features": features, "frame_places": self.places(index)}


class EncodedFrames(Dataset):
    """The samples of a `FrameDataset` with the encoder's output (tokens, hidden_size) in place of cues.

    Args:
        tokens: (samples, tokens, hidden_size).
        of: the samples.
    """

    def __init__(self, tokens: torch.Tensor, of: FrameDataset) -> None:
        self.tokens, self.of = tokens, of

    def __len__(self) -> int:
        return len(self.tokens)

    def sample_id(self, index: int) -> str:
        """Returns the id of the recording of `self[index]`."""
        return self.of.sample_id(index)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_features": self.tokens[index].float(), "frame_places": self.of.places(index)}


def frame_dataset(
    manifest: str, config: Any, root: DataRoot, cues_folder: str | None, mirror: bool = False, microphone_drop: float = 0.0
) -> FrameDataset:
    """Returns the scenes of `manifest` as samples for an encoder of this config.

    Args:
        manifest: a manifest, whose distinct recordings must be scenes with their truth; or a file of such scenes, which need
            no questions.
        config: the encoder's config, with the names of its classes.
        root: root of the manifest's file names.
        cues_folder: folder for cues that are computed ahead; None computes them for each sample.
        mirror: adds each scene with left and right exchanged.
        microphone_drop: share of the recordings of arrays that lose a microphone.

    Raises:
        ManifestError: a record does not tell what a frame head is taught, see `data.frame_targets.sources_in_rows`.
    """
    records = _records(manifest, root)
    layout, labels = config.token_layout, config.event_labels
    sources = [sources_in_rows(record, layout, labels) for record in records]
    extractor = SpatialFeatureExtractor.for_encoder(config)
    altered = MicrophoneDrop(microphone_drop) if microphone_drop else None
    cues: Any = CueDataset(records, root, extractor, config.window_samples, altered)
    if cues_folder is not None:
        cues = precompute_cues(manifest, cues, cues_folder)
    ids = [record.recording_id for record in records]
    return FrameDataset(cues, sources, labels, layout.grid[0], extractor.cues, mirror, ids)


@torch.no_grad()
def encoded_frames(encoder: nn.Module, dataset: FrameDataset, batch_size: int = 32) -> EncodedFrames:
    """Returns the same samples with the output of the encoder, in bfloat16, in place of cues."""
    encoder.eval()
    loader = DataLoader(dataset, batch_size=batch_size, collate_fn=collate)
    tokens = [
        encoder(input_features=batch["input_features"].to(encoder.device)).last_hidden_state.to(torch.bfloat16).cpu()
        for batch in tqdm(loader, desc="encoding", unit="batch", mininterval=5.0)
    ]
    return EncodedFrames(torch.cat(tokens), dataset)


def _records(manifest: str, root: DataRoot) -> list[Record]:
    """Returns the recordings of a manifest, or of a file of scenes."""
    _, first = next(iter_jsonl(Path(manifest)), (0, {}))
    if "sources" not in first or "question" in first:
        return distinct_recordings(read_manifest(manifest, root))
    unasked = {"type": "", "question_type": "", "question": "", "answer": "", "truth": {}}
    return [
        Record(scene.id, scene.id, split=scene.split, sampling_rate=scene.sampling_rate, scene=scene, **unasked)
        for scene in read_scenes(manifest)
    ]
