"""Manifests of any length: every line is checked once, then rows are read from disk as they are asked for.

The released training file of SpatialSoundQA has 872,312 rows, some 3 GB as objects. Here each checked row goes, as one
JSON text, into an Arrow file that `datasets` maps into memory; a row is parsed when it is asked for, and worker
processes share the file. The rows are kept as text, because the JSON builder of `datasets` makes columns of them:
missing fields come back as None and mixed types are coerced (reliability row D5), so that a row would no longer be what
was checked. The Arrow file is written by us, not by `load_dataset`, which takes a path for a glob pattern, passes over
hidden folders, and ends lines at characters where `jsonl.iter_jsonl` does not.
"""

import atexit
import functools
import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import pyarrow
from datasets import Dataset

from spatial_llm.data.paths import DataRoot
from spatial_llm.data.records import Record, iter_records, record_from_dict
from spatial_llm.files import atomic_path, sha256_of

_SCHEMA = pyarrow.schema({"number": pyarrow.int64(), "record": pyarrow.large_string()})
_BATCH_ROWS = 250


class Manifest(Sequence[Record]):
    """The records of a manifest, in order, as `open_manifest` gives them. Pickles to other processes of this machine.

    Attributes:
        path: of the manifest.
        root: where its names start; for rendering.
    """

    def __init__(self, path: Path, root: DataRoot, rows: Dataset) -> None:
        self.path, self.root, self._rows = path, root, rows

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        row = self._rows[int(index)]
        return record_from_dict(json.loads(row["record"]), f"{self.path}:{row['number']}")

    def lines(self) -> Iterator[dict[str, Any]]:
        """The rows as plain JSON objects, in order: for a look at a few fields of all, without checking each again."""
        for rows in self._rows.iter(_BATCH_ROWS):
            yield from map(json.loads, rows["record"])


def open_manifest(
    path: str | Path, root: DataRoot | str | Path | None = None, cache_dir: str | Path | None = None
) -> Manifest:
    """Checks a whole manifest and opens it, without holding it in memory. About 0.15 ms a row: two
    minutes for the largest released file.

    Args:
        path: the manifest.
        root: where its names start and which folders elsewhere are allowed (`data.paths`); default its own folder, none.
        cache_dir: folder for the Arrow file, which is about as large as the manifest; default a temporary folder that
            goes when this process ends.

    Raises:
        ManifestError: see `records.iter_records`; nothing is opened then.
    """
    path = Path(path)
    root = DataRoot.of(path.parent if root is None else root)
    if not path.is_file():
        next(iter_records(path, root))  # says so
    folder = Path(cache_dir) if cache_dir is not None else _temporary_folder()
    target = folder / f"{path.stem}-{sha256_of(path)[:16]}.arrow"
    with (
        atomic_path(target) as temporary,
        pyarrow.OSFile(str(temporary), "wb") as sink,
        pyarrow.ipc.new_stream(sink, _SCHEMA) as writer,
    ):
        for batch in _batches(iter_records(path, root)):
            numbers = [number for number, _ in batch]
            texts = [json.dumps(record.to_dict(), ensure_ascii=False) for _, record in batch]
            writer.write_batch(pyarrow.record_batch([numbers, texts], schema=_SCHEMA))
    return Manifest(path, root, Dataset.from_file(str(target)))


def _batches(records: Iterator[tuple[int, Record]]) -> Iterator[list[tuple[int, Record]]]:
    while batch := list(itertools.islice(records, _BATCH_ROWS)):
        yield batch


@functools.cache
def _temporary_folder() -> Path:
    # One folder a process, not one a manifest: a finalizer of the object would also run in forked workers, and would
    # take the file away from under the process that opened it.
    folder = tempfile.mkdtemp(prefix="spatial-llm-manifests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
