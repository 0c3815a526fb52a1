"""Checks the files of a saved model in its folder: whether they can be read at all, before anything is built from them.

transformers and tokenizers end in errors of json, of Rust or of the operating system on damaged files, and silently skip
some of them (a broken `generation_config.json`). Here every such file is a CheckpointError that names it.
"""

import contextlib
import errno
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, OfflineModeIsEnabled, RepositoryNotFoundError

from spatial_llm.errors import CheckpointError, MissingModelError, SpatialLLMError
from spatial_llm.questions.taught import TAUGHT

CONFIG, GENERATION, ADAPTER, POINTERS = "config.json", "generation_config.json", "adapter_config.json", "trained.json"
INDEX = "model.safetensors.index.json"
# Largest file of settings (ours has 5 kB), and largest list of a vocabulary or of tensors (Gemma's has 33 MB), in bytes.
SETTINGS_BYTES, LISTS_BYTES = 8 * 2**20, 256 * 2**20
MODEL_JSON = {
    CONFIG: SETTINGS_BYTES,
    GENERATION: SETTINGS_BYTES,
    ADAPTER: SETTINGS_BYTES,
    POINTERS: SETTINGS_BYTES,
    INDEX: LISTS_BYTES,
}
PROCESSOR_JSON = {
    "processor_config.json": SETTINGS_BYTES,
    "preprocessor_config.json": SETTINGS_BYTES,
    "tokenizer_config.json": LISTS_BYTES,
    "special_tokens_map.json": SETTINGS_BYTES,
    "added_tokens.json": LISTS_BYTES,
    "tokenizer.json": LISTS_BYTES,
    TAUGHT: LISTS_BYTES,
}
_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "suppress_tokens")
_COUNTS = ("num_beams", "max_length", "max_new_tokens", "num_return_sequences")
_FACTORS = ("temperature", "repetition_penalty", "top_p")
_HUB = (
    (GatedRepoError, "it is gated: accept its licence on its page of the hub and log in with `hf auth login`"),
    (RepositoryNotFoundError, "the hub has no model of that name, or it is private: correct the name, or log in"),
    (OfflineModeIsEnabled, "it is not in the cache and HF_HUB_OFFLINE is set: download it first, or unset it"),
    (LocalEntryNotFoundError, "it is no folder and not in the cache, and the hub is out of reach: download it first"),
)


def exists(path: str | Path) -> bool:
    """Returns whether anything of that name is in its folder, including a link that leads nowhere.

    Raises:
        CheckpointError: the folder cannot be read, or no file can have that name.
    """
    try:
        os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{os.fspath(path)!r}: {_reason(error)}; give the folder of a saved model.") from None
    return True


def is_local_folder(folder: str | Path) -> bool:
    """Returns whether there is a folder of that name; a name that may be one of a hub need not be one.

    Raises:
        CheckpointError: it is a file, or a path that leads nowhere and that no hub has.
    """
    if exists(folder):
        if not os.path.isdir(folder):
            raise CheckpointError(f"{folder} is no folder; give the folder of a saved model.")
        return True
    name = os.fspath(folder)
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise CheckpointError(f"{name}: no such folder; give the folder of a saved model, or a name on the hub.")
    return False


def check_regular(path: Path) -> int:
    """Returns the bytes of the file at `path`.

    Raises:
        CheckpointError: the file is missing, no regular file (a directory, a pipe, a link that leads nowhere), empty, or not
            readable.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            kind = "a directory" if stat.S_ISDIR(found.st_mode) else "no regular file (a pipe, a socket or a device)"
            raise CheckpointError(f"{path} is {kind}; expected a file of a saved model: save the model again.")
        if found.st_size == 0:
            raise CheckpointError(f"{path} is empty (0 bytes): copy it again from its source, or save the model again.")
        with path.open("rb"):
            pass
    except (OSError, ValueError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{os.fspath(path)!r} cannot be read: {_reason(error)}.") from None
    return found.st_size


def read_json(path: Path, most_bytes: int = SETTINGS_BYTES) -> dict[str, Any]:
    """Returns the JSON object in a file.

    Raises:
        CheckpointError: it is no regular file, larger than `most_bytes`, not UTF-8, not JSON (the place is given), nested
            too deeply, or another value than an object.
    """
    size = check_regular(path)
    if size > most_bytes:
        raise CheckpointError(f"{path} has {size:,} bytes, expected at most {most_bytes:,}; is it another file?")
    try:
        value = json.loads(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{path} is not UTF-8 (byte {error.start}): it is damaged, or was re-encoded.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise CheckpointError(f"{path} is not JSON ({error.msg} at {where}): it is damaged or cut; copy it again.") from None
    except RecursionError:
        raise CheckpointError(f"{path} is nested too deeply for settings; is it the right file?") from None
    except (OSError, ValueError) as error:  # a number with thousands of digits
        raise CheckpointError(f"{path} cannot be read: {_reason(error)}.") from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds a {type(value).__name__}, expected a JSON object; is it the right file?")
    return value


def read_all_json(folder: Path, names: dict[str, int]) -> dict[str, dict[str, Any]]:
    """Returns those of the named JSON files that are in `folder`, by name; raises CheckpointError as `read_json` does."""
    return {name: read_json(folder / name, most) for name, most in names.items() if exists(folder / name)}


def check_generation(path: Path, settings: dict[str, Any]) -> None:
    """Refuses values of a `generation_config.json` that transformers keeps and that make generation fail or never end.

    Raises:
        CheckpointError: a token is no id, a count is no whole number of at least 1, or a factor is no positive number.
    """

    def whole(value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    for name, value in settings.items():
        if value is None:
            continue
        if name in _TOKENS:
            ids = value if isinstance(value, list) else [value]
            right, expected = all(whole(one) and one >= 0 for one in ids), "the id of a token, or a list of them"
        elif name in _COUNTS:
            right, expected = whole(value) and value >= 1, "a whole number of at least 1"
        elif name in _FACTORS:
            number = isinstance(value, int | float) and not isinstance(value, bool)
            right, expected = number and 0 < value < math.inf, "a number above 0"
        else:
            continue
        if not right:
            raise CheckpointError(f"{path}: {name} is {value!r}, expected {expected}; correct it, or save the model again.")


@contextlib.contextmanager
def in_words(what: str, *kinds: type[Exception]) -> Iterator[None]:
    """Turns errors of other libraries (those of `kinds`; all, if none are given) into one CheckpointError in one sentence.

    A missing package and exhausted memory pass unchanged, because the files are not at fault.
    """
    try:
        yield
    except (SpatialLLMError, ImportError):
        raise
    except Exception as error:
        if (kinds and not isinstance(error, kinds)) or type(error).__name__ == "OutOfMemoryError":
            raise
        kind = MissingModelError if isinstance(error, OSError) else CheckpointError
        raise kind(f"{what} cannot be loaded: {_hub_reason(error) or _reason(error)}.") from error


@contextlib.contextmanager
def named(where: str | os.PathLike | None) -> Iterator[None]:
    """Puts the file or folder before errors of ours that do not name it; None stands for no file."""
    try:
        yield
    except SpatialLLMError as error:
        if where is None or os.fspath(where) in str(error):
            raise
        raise CheckpointError(f"{os.fspath(where)}: {error}") from error


def _hub_reason(error: BaseException) -> str | None:
    chain: list[BaseException] = [error]
    while (following := chain[-1].__cause__ or chain[-1].__context__) and following not in chain:
        chain.append(following)
    return next((reason for kind, reason in _HUB for one in chain if isinstance(one, kind)), None)


def _reason(error: BaseException) -> str:
    """Returns the first line of an error, because transformers explains over several lines."""
    if isinstance(error, OSError) and error.errno:
        return "too many links in a circle" if error.errno == errno.ELOOP else os.strerror(error.errno).lower()
    if isinstance(error, KeyError):
        return f"it lacks {error}"
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    # A strict data class names the class in its first line and the field in the second.
    text = " ".join(lines[:2]) if "alidation" in type(error).__name__ else (lines or [type(error).__name__])[0]
    return text.split(". If you were trying")[0][:400].rstrip(".:")
