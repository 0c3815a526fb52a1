"""Stores the frozen encoder's output, computed once per recording, and reads it back from memory-mapped files.

A folder holds the output of one encoder (the folder's name holds its weights, cues and window) in blocks of a few
recordings; each block is whole or absent and never changes. So any number of processes can read while another adds blocks, a
killed writer continues where it was, and stages or manifests that share recordings share their rows. A recording is
identified by what it is made from: its scene or its pairs, the protocol, and size, time of change and content of the files
named.

Each row has a digest of its bytes, its key and the header, which is compared whenever the row is read. A damaged row, an
exchanged one, or one made by another encoder is refused and never trained on.

    <cache folder>/encoded-<hash>/header.json             dtype, shape of a row, encoder, cues
    <cache folder>/encoded-<hash>/block-<hash>/rows.npy   (recordings, tokens, width): float32, or bfloat16 as uint16
    <cache folder>/encoded-<hash>/block-<hash>/keys.json  key and digest of each row
"""

import contextlib
import functools
import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from spatial_llm.audio.formats import BINAURAL
from spatial_llm.data.dataset import CueDataset
from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import Record, paths_of
from spatial_llm.errors import CacheError
from spatial_llm.files import atomic_path, file_facts, write_json

CacheDtype = Literal["bfloat16", "float32"]
LAYOUT = 2  # increased when the same recording would give other numbers, or the files change
WITHOUT_DIGESTS = 1  # the earlier layout, whose rows cannot be trusted
BLOCK_RECORDINGS = 64
HEADER, KEYS, ROWS = "header.json", "keys.json", "rows.npy"
_STORED = {"bfloat16": np.uint16, "float32": np.float32}  # numpy has no bfloat16: its bits are kept


def recording_key(record: Record, root: DataRoot | str | Path, known: dict[str, list] | None = None) -> str:
    """Returns a hash of what a recording is made from, equal for all questions about it in any manifest.

    Args:
        record: of the recording; with several, that of the first (see `Record.recordings`).
        root: where the names of its files start.
        known: facts about files by path, which are looked up and filled; with one dict for many records each file is
            examined once.
    """
    known = {} if known is None else known
    record = record.recordings[0]
    root, line = DataRoot.of(root), record.to_dict()
    made_from = {name: line.get(name) for name in ("audio", "scene", "pairs", "protocol", "sampling_rate")}
    if record.audio_format is not None:
        made_from["audio_format"] = record.audio_format
    if made_from["scene"] is not None:
        # What follows from the scene, and its name, do not make its sound.
        made_from["scene"] = {k: v for k, v in made_from["scene"].items() if k not in ("id", "split", "truth")}
    named = {name for _, name in paths_of(record)}
    made_from["files"] = {name: _file_facts(str(root.path(name)), known) for name in sorted(named)}
    return hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()[:32]


def without_default_format(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings of an encoder or extractor without `audio_format` where it is the default. Their hashes, which name caches,
    are then those of the versions before there was the field."""
    return {name: value for name, value in settings.items() if (name, value) != ("audio_format", BINAURAL.name)}


def _file_facts(path: str, known: dict[str, list]) -> list:
    """Returns the facts of a file, or of the files in a folder (see `files.file_facts`)."""
    if path not in known:
        if os.path.isdir(path):
            inside = sorted(entry.path for entry in os.scandir(path) if entry.is_file())
            known[path] = [[os.path.basename(file), *file_facts(file)] for file in inside]
        else:
            known[path] = file_facts(path)
    return known[path]


@dataclass(frozen=True)
class CacheSize:
    """The bytes that recordings need: all of them, and those that are not stored yet."""

    recordings: int
    missing: int
    row_bytes: int

    def __str__(self) -> str:
        total, new = (number * self.row_bytes / 1e9 for number in (self.recordings, self.missing))
        return (
            f"encoder cache: {self.recordings} recordings x {self.row_bytes / 1e6:.3f} MB = {total:.3f} GB, of which "
            f"{self.missing} recordings ({new:.3f} GB) are to be computed"
        )


class EncoderCache(Mapping[str, torch.Tensor]):
    """Encoder output (tokens, width) by `recording_key`, of the recordings that are stored when it is opened.

    Args:
        folder: folder of the caches of all encoders.
        made_with: what the output depends on besides the recording: hash of the encoder's weights, its config, the cues.
        tokens, width: shape of one row.
        dtype: "bfloat16" halves the size; rows are returned in it.

    Raises:
        CacheError: the folder holds a block that is not whole, or the header of another encoder; when a row is read, it is
            not what was written.
    """

    def __init__(
        self, folder: str | Path, made_with: dict[str, Any], tokens: int, width: int, dtype: CacheDtype = "bfloat16"
    ) -> None:
        self.shape, self.dtype = (tokens, width), dtype
        self.header = {"layout": LAYOUT, "dtype": dtype, "tokens": tokens, "width": width, "made_with": made_with}
        self._header_text = json.dumps(self.header, sort_keys=True)
        self.header = json.loads(self._header_text)
        self.folder = Path(folder) / _folder_name(self.header)
        old = self.folder.with_name(_folder_name(self.header | {"layout": WITHOUT_DIGESTS}))
        if old.is_dir() and not self.folder.is_dir():
            warnings.warn(
                f"{old}: encoder output without digests, as versions before wrote it, is not read: it is computed anew in "
                f"{self.folder.name}. Delete the old folder.",
                stacklevel=2,
            )
        self.refresh()

    @property
    def row_bytes(self) -> int:
        return self.shape[0] * self.shape[1] * np.dtype(_STORED[self.dtype]).itemsize

    def refresh(self) -> None:
        """Looks again for blocks, for example those that another process has written since."""
        self._rows: dict[str, tuple[str, int, str]] = {}
        blocks = sorted(self.folder.glob("block-*"))
        if blocks:
            self._check_header()
        for block in blocks:
            try:
                keys = [(str(key), str(digest)) for key, digest in json.loads((block / KEYS).read_bytes())]
                held = (block / ROWS).stat().st_size - len(keys) * self.row_bytes
            except (OSError, ValueError, TypeError) as error:
                raise self._damaged(block, KEYS if isinstance(error, ValueError | TypeError) else str(error)) from None
            if not 0 < held < 1024:  # what is over is the header of the file
                raise self._damaged(block, f"{ROWS} does not hold {len(keys)} rows of {self.row_bytes} bytes")
            self._rows.update((key, (block.name, row, digest)) for row, (key, digest) in enumerate(keys))

    def _check_header(self) -> None:
        file = self.folder / HEADER
        try:
            found = json.loads(file.read_bytes())
        except (OSError, ValueError):
            found = None
        if found != self.header:
            raise CacheError(
                f"{file}: missing, damaged, or of another encoder or dtype; delete the folder {self.folder}, and its rows "
                "are computed anew."
            )

    def _damaged(self, block: Path, what: str) -> CacheError:
        return CacheError(f"{block}: damaged ({what}); delete the block, and its rows are computed anew.")

    def _digest(self, key: str, row: np.ndarray) -> str:
        """Returns the digest of a row's bytes and of what they belong to, so that the same bytes in another place have
        another digest."""
        made = hashlib.sha256(f"{key}\0{self._header_text}\0".encode())
        made.update(np.ascontiguousarray(row))
        return made.hexdigest()[:32]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __getitem__(self, key: str) -> torch.Tensor:
        block, row, digest = self._rows[key]
        file = self.folder / block / ROWS
        try:
            found = file.stat()
            rows = _mapped(str(file), found.st_ino, found.st_mtime_ns)
            if rows.shape[1:] != self.shape or rows.dtype != _STORED[self.dtype]:
                raise ValueError(f"{ROWS} holds {rows.dtype} rows of {rows.shape[1:]}")
            values = np.array(rows[row])  # a copy: the file is mapped read-only, and a batch is stacked from copies anyway
        except (OSError, ValueError, IndexError) as error:
            raise self._damaged(file.parent, str(error)) from None
        if self._digest(key, values) != digest:
            raise self._damaged(file.parent, f"{ROWS}: row {row} is not what was written")
        values = torch.from_numpy(values)
        return values.view(torch.bfloat16) if self.dtype == "bfloat16" else values

    def size(self, keys: Iterable[str]) -> CacheSize:
        """Returns the size of these recordings."""
        keys = set(keys)
        return CacheSize(len(keys), sum(key not in self._rows for key in keys), self.row_bytes)

    def check_room(self, size: CacheSize, limit_gb: float) -> None:
        """Raises CacheError with the numbers if the recordings do not fit below the limit, or the rest not on the disk."""
        needed_gb = size.recordings * size.row_bytes / 1e9
        if needed_gb > limit_gb:
            raise CacheError(
                f"{size}; cache_limit is {limit_gb:g} GB. Raise it, train without encoder_cache (the encoder then runs in "
                "every step), or take fewer recordings."
            )
        free_gb = shutil.disk_usage(_existing(self.folder)).free / 1e9
        missing_gb = size.missing * size.row_bytes / 1e9
        if missing_gb > free_gb:
            raise CacheError(f"{size}; {self.folder} has {free_gb:.3f} GB free. Give another cache_folder, or make room.")

    def add(self, keys: Sequence[str], rows: torch.Tensor) -> None:
        """Writes one block, whole or not at all; rows has shape (len(keys), tokens, width)."""
        if tuple(rows.shape) != (len(keys), *self.shape):
            raise CacheError(f"rows are {tuple(rows.shape)}, expected {(len(keys), *self.shape)}.")
        if not torch.isfinite(rows).all():
            raise CacheError("the encoder's output holds NaN or infinity; nothing of it was kept.")
        if not (self.folder / HEADER).is_file():
            write_json(self.folder / HEADER, self.header)
        rows = rows.detach().cpu()
        values = rows.to(torch.bfloat16).view(torch.uint16) if self.dtype == "bfloat16" else rows.float()
        values = values.contiguous().numpy()
        digests = [self._digest(key, row) for key, row in zip(keys, values, strict=True)]
        name = f"block-{hashlib.sha256(json.dumps(list(keys)).encode()).hexdigest()[:16]}"
        with contextlib.suppress(_OtherWasFaster), atomic_path(self.folder / name) as temporary:
            temporary.mkdir()
            write_json(temporary / KEYS, list(zip(keys, digests, strict=True)))
            with (temporary / ROWS).open("wb") as out:
                np.save(out, values, allow_pickle=False)
                out.flush()
                os.fsync(out.fileno())
            if (self.folder / name).is_dir():
                raise _OtherWasFaster
        self._rows.update((key, (name, row, digest)) for row, (key, digest) in enumerate(zip(keys, digests, strict=True)))

    def fill(
        self,
        encode: Callable[[torch.Tensor], torch.Tensor],
        recordings: CueDataset,
        keys: Sequence[str],
        share: tuple[int, int] = (0, 1),
        loader_workers: int = 0,
    ) -> None:
        """Computes the rows that are not stored yet.

        Args:
            encode: input features (B, *input_shape) -> rows (B, tokens, width).
            recordings: the data set of recordings.
            keys: of each of them.
            share: (number of this process, from 0, and how many share the work).
            loader_workers: processes that render and compute cues.
        """
        first: dict[str, int] = {}
        for index, key in enumerate(keys):
            first.setdefault(key, index)
        # The work is divided before looking what is stored, so that processes that look at different times agree on it.
        mine = [index for number, index in enumerate(first.values()) if number // BLOCK_RECORDINGS % share[1] == share[0]]
        wanted = [index for index in mine if keys[index] not in self._rows]
        blocks = [wanted[start : start + BLOCK_RECORDINGS] for start in range(0, len(wanted), BLOCK_RECORDINGS)]
        loader = DataLoader(recordings, batch_sampler=blocks, num_workers=loader_workers)
        for block, cues in zip(blocks, tqdm(loader, desc="encoder cache", unit="block", disable=not blocks), strict=True):
            self.add([keys[index] for index in block], encode(cues))


class _OtherWasFaster(Exception):
    """Another process has written the same block; its rows are the same, and may be in use."""


class ByRecordingId(Mapping[str, torch.Tensor]):
    """Rows of a cache by `recording_id`, the form that `SpatialQADataset` takes.

    Args:
        cache: holds all of `keys`' values.
        keys: `recording_key` by `recording_id`.
    """

    def __init__(self, cache: EncoderCache, keys: Mapping[str, str]) -> None:
        self.cache, self.keys_by_id = cache, keys

    def __getitem__(self, recording_id: str) -> torch.Tensor:
        return self.cache[self.keys_by_id[recording_id]]

    def __contains__(self, recording_id: object) -> bool:
        return self.keys_by_id.get(recording_id) in self.cache

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_by_id)

    def __len__(self) -> int:
        return len(self.keys_by_id)


@functools.lru_cache(maxsize=16_384)
def _mapped(path: str, _inode: int, _changed: int) -> np.ndarray:
    # Kept for a file as it is now: one that replaces it is mapped anew.
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _folder_name(header: dict[str, Any]) -> str:
    return f"encoded-{hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()[:16]}"


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
