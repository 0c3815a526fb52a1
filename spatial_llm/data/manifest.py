"""Opens manifests of any length: every line is checked once, then rows are read from disk on demand.

The released training file of SpatialSoundQA has 872,312 rows, some 3 GB as objects. Here each checked row goes, as the text
of its line, into an Arrow file that `datasets` maps into memory. A row is parsed on access, and worker processes share the
file. Rows are kept as text, because the JSON builder of `datasets` would turn them into columns: missing fields come back as
None and mixed types are coerced, so a row would differ from the checked one. This module writes the Arrow file itself
instead of `load_dataset`, which takes a path for a glob pattern, skips hidden folders, and ends lines at characters where
`jsonl.iter_jsonl` does not.

The Arrow file is kept in the user's cache folder and reused when the same manifest is opened again. Its name holds the hash
of the manifest's bytes, of the checks (the code of this package) and of pydantic, so that it is found for no other content.
Each opening checks the files that the rows name.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import pyarrow
import pydantic
from datasets import Dataset

from spatial_llm.data.paths import DataRoot, FileCheck, FileFacts
from spatial_llm.data.records import Record, RecordReader, iter_checked, iter_records
from spatial_llm.errors import ManifestError, OutputError
from spatial_llm.files import atomic_path, sha256_of
from spatial_llm.user_cache import cache_folder, code_hash, temporary_folder, touch, trim

# files: JSON list of [field, name, bytes, SHA-256] of the files that no recent row needs; null if there is none.
_SCHEMA = pyarrow.schema({"number": pyarrow.int64(), "record": pyarrow.large_string(), "files": pyarrow.large_string()})
_BATCH_ROWS = 250
_DIGEST_BYTES = 32  # of the SHA-256 of the Arrow stream, which stands behind its end, where Arrow does not read
MOST_BYTES = 8 * 2**30  # most bytes of Arrow files in the cache folder; least recently used files are deleted first


class Manifest(Sequence[Record]):
    """Holds the records of a manifest in order, see `open_manifest`. Pickles to other processes of the same machine.

    Attributes:
        path: path of the manifest.
        root: where its file names start; for rendering.
    """

    def __init__(self, path: Path, root: DataRoot, rows: Dataset) -> None:
        self.path, self.root, self._rows = path, root, rows
        self._reader = RecordReader()

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
        return self._reader.read(row["record"], f"{self.path}:{row['number']}")

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yields the rows as plain JSON objects, in order: for reading a few fields of all without checking each again."""
        for rows in self._rows.select_columns("record").iter(_BATCH_ROWS):
            yield from map(json.loads, rows["record"])


def open_manifest(
    path: str | Path, root: DataRoot | str | Path | None = None, cache_dir: str | Path | None = None
) -> Manifest:
    """Checks a whole manifest and opens it, without holding it in memory.

    It takes about 0.1 ms a row the first time, and a few seconds for the largest released file when it is opened again.

    Args:
        path: the manifest.
        root: where its file names start and which folders elsewhere are allowed (`data.paths`); default: its own folder,
            none.
        cache_dir: folder for the Arrow file, which is about as large as the manifest; default: the user's cache folder
            (`user_cache`), where such files together take at most MOST_BYTES.

    Raises:
        ManifestError: see `records.iter_records`; nothing is opened then. Or the manifest was changed while it was read.
    """
    path = Path(path)
    root = DataRoot.of(path.parent if root is None else root)
    if not path.is_file():
        next(iter_records(path, root))  # raises the error about a missing file
    sha256 = sha256_of(path)
    key = hashlib.sha256(f"{sha256} {code_hash()} {pydantic.VERSION}".encode()).hexdigest()
    name = f"{path.stem[:100]}-{key[:32]}.arrow"
    if cache_dir is not None:
        return Manifest(path, root, _rows(path, root, Path(cache_dir, name), sha256))
    target = cache_folder("manifests") / name
    try:
        rows = _rows(path, root, target, sha256)
    except OutputError:  # the cache folder has no room, such as a quota on the home folder
        return Manifest(path, root, _rows(path, root, temporary_folder("manifests") / name, sha256))
    touch(target)
    trim(target.parent, MOST_BYTES, ".arrow", keep=target)
    return Manifest(path, root, rows)


def _rows(path: Path, root: DataRoot, target: Path, sha256: str) -> Dataset:
    """Returns the rows of the Arrow file `target`, which is written first unless it is there and complete; `sha256` of the
    manifest."""
    if (rows := _kept(target)) is not None:
        _look_for_files(rows, path, root)
        return rows
    with atomic_path(target) as temporary:
        with pyarrow.OSFile(str(temporary), "wb") as sink, pyarrow.ipc.new_stream(sink, _SCHEMA) as writer:
            # Records are released one by one: keeping a batch of them would cost a quarter of the time.
            rows = ((line.number, line.text, _files_to_json(line.new_files)) for line in iter_checked(path, root))
            while batch := list(itertools.islice(rows, _BATCH_ROWS)):
                columns = [list(column) for column in zip(*batch, strict=True)]
                writer.write_batch(pyarrow.record_batch(columns, schema=_SCHEMA))
        if sha256_of(path) != sha256:
            raise ManifestError(f"{path}: was changed while it was read; open it again when it is written.")
        digest = _digest(temporary)
        with temporary.open("ab") as file:
            file.write(digest)
    return Dataset.from_file(str(target))


def _kept(target: Path) -> Dataset | None:
    """Returns the rows of an Arrow file; None if it is not there or not as it was written.

    Arrow itself notices neither a stream that is cut between two batches nor a changed byte in a text.
    """
    try:
        size = target.stat().st_size - _DIGEST_BYTES
        with target.open("rb") as file:
            file.seek(max(size, 0))
            whole = file.read() == _digest(target, size)
        return Dataset.from_file(str(target)) if whole else None
    except (pyarrow.ArrowException, OSError):
        return None


def _digest(path: Path, size: int | None = None) -> bytes:
    """Returns the SHA-256 of a file, or of its first `size` bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        left = path.stat().st_size if size is None else size
        while left > 0 and (block := file.read(min(left, 2**16))):
            digest.update(block)
            left -= len(block)
    return digest.digest()


def _look_for_files(rows: Dataset, path: Path, root: DataRoot) -> None:
    """Raises ManifestError, like reading the manifest, if files that its records name are missing or changed."""
    files = FileCheck(root)
    for batch in rows.data.table.select(["number", "files"]).to_batches():
        named = batch.filter(batch.column("files").is_valid())
        for number, text in zip(named.column("number").to_pylist(), named.column("files").to_pylist(), strict=True):
            for field, name, *facts in json.loads(text):
                files.add(f"{path}:{number}", field, name, None if facts[0] is None else FileFacts(*facts))
    files.finish()


def _files_to_json(files: list[tuple[str, str, FileFacts | None]]) -> str | None:
    rows = [[field, name, facts and facts.bytes, facts and facts.sha256] for field, name, facts in files]
    return json.dumps(rows, ensure_ascii=False) if rows else None
