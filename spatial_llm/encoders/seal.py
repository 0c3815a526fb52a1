"""The seal of a saved model: `seal.json` holds digests that bind the files of one folder to each other.

A config value that no shape shows (the number of heads), a tokenizer of another model and one flipped bit of a weight cannot
be seen in the file alone, and each of them changes answers. So every save records digests of what it wrote, and every load
compares them. A folder without a seal (of an earlier version, or made by other tools) loads without this check.

JSON files are compared by content, so that other spacing or line ends are no change; for a tokenizer, what saving it again
may add without changing a token is left out. Of each weight file at most 512 MiB are read, in blocks spread evenly over it,
plus its header and size; a smaller file is read whole, so that every bit counts. `covered_bytes` records how much was read.
Files that a seal does not list are not bound, because a processor may be saved after its model, also by other tools.
"""

import hashlib
import json
import struct
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spatial_llm.encoders.folder_files import ADAPTER, MODEL_JSON, POINTERS, PROCESSOR_JSON, check_regular, exists, read_json
from spatial_llm.errors import CheckpointError
from spatial_llm.files import write_json

SEAL, VERSION = "seal.json", 1
MODEL, PROCESSOR = "model", "processor"  # the two parts of a folder, each sealed by its own save
_WEIGHTS = (
    "model*.safetensors",
    "trained.safetensors",
    "adapter_model.safetensors",
    "encoder_heads.safetensors",
    "frame_head.safetensors",
    "text_projection.safetensors",
)
_VOCABULARIES = ("vocab.json", "vocab.txt", "merges.txt", "tokenizer.model", "spiece.model", "chat_template.jinja")
_MOST_BYTES, _BLOCK = 512 * 2**20, 2**20
# What saving a tokenizer or processor again may add or change without changing a token.
_VOLATILE = {
    "tokenizer.json": {"padding", "truncation"},
    "tokenizer_config.json": {
        "processor_class",
        "backend",
        "is_local",
        "local_files_only",
        "name_or_path",
        "_name_or_path",
        "transformers_version",
        "model_input_names",
    },
}
_ABOUT = "Digests of the files beside it, compared at every load. After a change that is wanted: spatial-llm seal FOLDER"


def write_seal(folder: Path, *parts: str) -> None:
    """Records the files that `parts` (MODEL, PROCESSOR) have in `folder`; the seal's entries of the other part stay."""
    old = _written(folder) or {}
    kept = {name: record for name, record in old.items() if _part(name) not in parts}
    new = {path.name: digest(path) for part in parts for path in _files(folder, part)}
    write_json(folder / SEAL, {"about": _ABOUT, "version": VERSION, "files": kept | new})


def renew(folder: Path, name: str) -> None:
    """Records one file anew that was saved by itself, if the seal of `folder` lists it."""
    if name in (old := _written(folder) or {}):
        write_json(folder / SEAL, {"about": _ABOUT, "version": VERSION, "files": old | {name: digest(folder / name)}})


def forget(folder: Path, names: Iterable[str]) -> None:
    """Removes files that were deleted from the seal, if there is one."""
    if (old := _written(folder)) is not None:
        kept = {name: record for name, record in old.items() if name not in set(names)}
        write_json(folder / SEAL, {"about": _ABOUT, "version": VERSION, "files": kept})


def check_seal(folder: Path, part: str, weights: Iterable[Path] = ()) -> None:
    """Compares the files of one part with the seal of `folder`, if it has one.

    Args:
        folder: of a saved model.
        part: MODEL or PROCESSOR.
        weights: the files that will be loaded; a file that the seal of the model does not list is refused.

    Raises:
        CheckpointError: a file was changed, exchanged or removed since it was saved, or the seal itself is damaged.
    """
    known = _known(folder)
    if known is None:
        return
    advice = f"Put the saved file back; or, if the change is wanted: spatial-llm seal {folder}"
    for name, record in sorted(known.items()):
        if _part(name) != part:
            continue
        path = folder / name
        if not exists(path):
            raise CheckpointError(f"{path} is missing, but the folder was saved with it ({SEAL}). {advice}")
        if digest(path) != record:
            raise CheckpointError(f"{path} is not the file that was saved with this folder ({SEAL}). {advice}")
    sealed = {name for name in known if _part(name) == MODEL}
    strangers = [path.name for path in weights if path.name not in sealed]
    strangers += [ADAPTER] if part == MODEL and ADAPTER not in sealed and exists(folder / ADAPTER) else []
    if sealed and strangers:
        raise CheckpointError(f"{folder / strangers[0]} was not saved with this folder ({SEAL}). {advice}")


def digest(path: Path) -> dict[str, Any]:
    """Returns what a seal records of one file: `sha256`, and for weights `bytes` and `covered_bytes`."""
    if path.name in MODEL_JSON or path.name in PROCESSOR_JSON:
        value = read_json(path, MODEL_JSON.get(path.name) or PROCESSOR_JSON[path.name])
        value = {key: item for key, item in value.items() if key not in _VOLATILE.get(path.name, ())}
        return {"sha256": hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()}
    size = check_regular(path)
    if path.suffix != ".safetensors":
        text = path.read_bytes() if path.suffix == ".model" else path.read_bytes().replace(b"\r\n", b"\n")
        return {"sha256": hashlib.sha256(text).hexdigest()}
    found, covered = hashlib.sha256(str(size).encode()), 0
    with path.open("rb") as file:
        start = file.read(8)
        header = file.read(min(struct.unpack("<Q", start)[0], 100 * 2**20)) if len(start) == 8 else b""
        found.update(start + header)
        blocks = max(min(-(-size // _BLOCK), _MOST_BYTES // _BLOCK), 1)
        for number in range(blocks):
            # Of a small file the blocks lie end to end; of a large one they are spread from its first byte to its last.
            place = number * _BLOCK if size <= _MOST_BYTES else number * (size - _BLOCK) // (blocks - 1)
            file.seek(place)
            block = file.read(_BLOCK)
            covered += len(block)
            found.update(block)
    return {"sha256": found.hexdigest(), "bytes": size, "covered_bytes": covered}


def _files(folder: Path, part: str) -> list[Path]:
    if part == PROCESSOR:
        names = [*PROCESSOR_JSON, *_VOCABULARIES]
        return [folder / name for name in names if exists(folder / name)]
    weights = {path for pattern in _WEIGHTS for path in folder.glob(pattern)}
    # Pointers may be set anew by hand: fingerprints bind what they lead to.
    return sorted(weights | {folder / name for name in MODEL_JSON if name != POINTERS and exists(folder / name)})


def _part(name: str) -> str:
    return PROCESSOR if name in PROCESSOR_JSON or name in _VOCABULARIES else MODEL


def _written(folder: Path) -> dict[str, Any] | None:
    """Returns the records as `_known` does, for a save, which overwrites a damaged seal."""
    try:
        return _known(folder)
    except CheckpointError:
        return None


def _known(folder: Path) -> dict[str, Any] | None:
    """Returns the records of the seal of `folder` by file name; None without a seal, or with one of a later version."""
    path = folder / SEAL
    if not exists(path):
        return None
    value = read_json(path)
    version, files = value.get("version"), value.get("files")
    if isinstance(version, int) and version > VERSION:
        warnings.warn(f"{path} was written by a later version of this library: it is not compared.", stacklevel=4)
        return None
    names = isinstance(files, dict) and all(Path(name).name == name for name in files)
    if version != VERSION or not names or not all(isinstance(record, dict) for record in files.values()):
        raise CheckpointError(
            f"{path} is damaged: expected version {VERSION} and files by name. Copy it again; or seal what is there: "
            f"spatial-llm seal {folder}"
        )
    return files
