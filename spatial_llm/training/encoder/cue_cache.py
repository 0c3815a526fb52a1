"""Cues of the recordings of a manifest, computed once by several processes and read from a memory-mapped file.

At tiny size, rendering a clip and computing its cues take several times as long as a training step. The name of the file
holds a hash of all that it was made from, so that runs on the same recordings share it. The file is complete or absent; its
SHA-256 stands beside it and is compared when it is opened, so that no run trains on a damaged file.

    <folder>/cues-<hash>.npy       (recordings, cues, frames, mel bins)
    <folder>/cues-<hash>.sha256    written last; a file without one is computed again
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from spatial_llm.audio.cues import ILD
from spatial_llm.data.dataset import CueDataset
from spatial_llm.data.encoder_cache import recording_key, without_default_format
from spatial_llm.errors import CacheError
from spatial_llm.files import atomic_path, new_array, sha256_of, write_text


def precompute_cues(manifest: str | Path, dataset: CueDataset, folder: str | Path) -> np.memmap:
    """Returns the cues of the recordings of `dataset`, read-only (recordings, cues, frames, mel bins); computes absent ones.

    Args:
        manifest: the file that the recordings come from. Its bytes are part of the name of the cue file, as are the sounds,
            responses and heads that the recordings are made of (see `encoder_cache.recording_key`).
        dataset: the recordings, in the order of the result.
        folder: folder of the file `cues-<hash>.npy`.

    Raises:
        CacheError: the file is damaged.
        OutputError: the file cannot be written.
    """
    path = Path(folder) / f"cues-{_key(manifest, dataset)}.npy"
    digest = path.with_suffix(".sha256")
    if not digest.is_file() or not path.is_file():
        first = dataset[0]
        # The ILD plane spans more than half precision does (10 dB between the ears are a factor of 22,000).
        dtype = np.float32 if ILD in dataset.extractor.cues else np.float16
        workers = len(os.sched_getaffinity(0))
        loader = DataLoader(dataset, batch_size=16, num_workers=workers if len(dataset) > 64 else 0)
        digest.unlink(missing_ok=True)
        # A loader draws a seed for its workers; what is initialised later must not depend on whether the file was there.
        with torch.random.fork_rng(devices=[]), atomic_path(path) as temporary:
            cues = new_array(temporary, dtype, (len(dataset), *first.shape))
            start = 0
            with tqdm(total=len(dataset), desc="cues", unit="clip") as bar:
                for batch in loader:
                    cues[start : start + len(batch)] = batch.numpy()
                    start += len(batch)
                    bar.update(len(batch))
            cues.flush()
            del cues
        write_text(digest, sha256_of(path))
    elif sha256_of(path) != digest.read_text(encoding="utf-8", errors="replace"):
        raise CacheError(f"{path}: damaged, it is not what was written; delete the file, and it is computed anew.")
    return np.load(path, mmap_mode="r")


def _key(manifest: str | Path, dataset: CueDataset) -> str:
    known: dict[str, list] = {}
    made_from = {
        "manifest": sha256_of(manifest),
        # The manifest only names sounds and responses; the key holds the hashes of the files as they are now.
        "recordings": [[record.recording_id, recording_key(record, dataset.root, known)] for record in dataset.records],
        "extractor": without_default_format(dataset.extractor.to_dict()),
        "window_samples": dataset.window_samples,
    }
    if dataset.altered is not None:
        made_from["altered"] = repr(dataset.altered)
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:16]
