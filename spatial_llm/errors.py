"""The errors of this library, under one base class, so that a caller can catch all of them in one line; and its warnings.

Every message states what was given, what was expected and what to do, and names the file, record or tensor at fault.
`write_errors_named` turns what the system and other libraries raise at a full disk, or without write permission, into an
`OutputError`. `warn_each_time` and `warnings_named` give warnings of one recording or row among many.
"""

import contextlib
import errno
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path


class SpatialLLMError(ValueError):
    """Base of all errors that spatial_llm raises on purpose."""

    def __str__(self) -> str:
        # A file name that is not UTF-8 holds surrogates, which no stream prints; a message must be printable all the same.
        return printable(super().__str__())


def printable(text: str) -> str:
    """Returns a text that every UTF-8 stream can print: surrogates and NUL characters are written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")


class AudioError(SpatialLLMError):
    """A recording cannot be used: missing, mono, empty, not finite, or with its axes exchanged."""


class ManifestError(SpatialLLMError):
    """A manifest, or a line of one, does not match its schema."""


class CheckpointError(SpatialLLMError):
    """Weights do not fit the model: a key is missing, left over, of another shape, or not finite."""


class SceneError(SpatialLLMError):
    """A scene or room cannot be simulated as described."""


class CacheError(SpatialLLMError):
    """Encoder output on disk cannot be used, or does not fit there."""


class MissingModelError(CheckpointError, OSError):
    """A model cannot be found or read. It is an OSError too, which transformers raises and its users catch."""

    def __str__(self) -> str:
        return CheckpointError.__str__(self)


class OutputError(SpatialLLMError, OSError):
    """A file or folder cannot be written; what was there before is unchanged.

    Attributes:
        path: of the file or folder.
    """

    path: str | None = None

    @classmethod
    def at(cls, path: str | Path, number: int | None, reason: str) -> "OutputError":
        """Returns the error for `path`, with advice for the system's error `number` (None: not known)."""
        error = cls(f"{path}: cannot be written ({reason}); {_remedy(number)}.")
        error.path, error.errno, error.strerror = str(path), number, reason
        return error

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else "a file cannot be written."


def warn_each_time(text: str) -> None:
    """Warns of one recording or one answer. Of `warnings.warn`, Python's default filter shows a text once a line of code, so
    that the second recording with the same fault would pass in silence."""
    caller = sys._getframe(1)
    warnings.warn_explicit(text, UserWarning, caller.f_code.co_filename, caller.f_lineno, caller.f_globals["__name__"])


@contextlib.contextmanager
def warnings_named(
    name: str, said: set[str] | None = None, beside: Callable[[], AbstractContextManager] = contextlib.nullcontext
) -> Iterator[None]:
    """Inside this context, warnings wait until its end and then begin with `name`, such as "row 3". Not for threads.

    Args:
        name: of what is being worked on.
        said: texts that were said of others before, which are not repeated; those that are new are added.
        beside: a context in which warnings are shown, such as tqdm's, which takes the progress bar out of their way.
    """
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", UserWarning)
            yield
    finally:
        for each in caught:
            text = str(each.message)
            if said is None or text not in said:
                with beside():
                    warnings.warn_explicit(f"{name}: {text}", each.category, each.filename, each.lineno)
            if said is not None:
                said.add(text)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_FILE_IN_THE_WAY = (errno.ENOTDIR, errno.EEXIST)
_FOLDER_IN_THE_WAY = (errno.EISDIR, errno.ENOTEMPTY)
# Errors that can only come from a write, whatever file the error names.
_OF_WRITES = (*_FULL, errno.EROFS)
# What other libraries raise in place of an OSError: safetensors and tokenizers (Rust), torch.save, numpy's tofile.
_OF_LIBRARIES = re.compile(
    r"os error (\d+)|PytorchStreamWriter|iostream error|unexpected pos \d+|\d+ requested and \d+ written"
)


def _remedy(number: int | None) -> str:
    if number in _FORBIDDEN:
        return "grant the right to write there, or write to another place"
    if number in _FILE_IN_THE_WAY:
        return "a file stands where a folder is needed: remove it, or write to another place"
    if number in _FOLDER_IN_THE_WAY:
        return "a folder stands where the file is to be: remove it, or write to another place"
    if number in _FULL or number is None:
        return "free some space there, or write to another place"
    return "write to another place"


@contextlib.contextmanager
def write_errors_named(path: str | Path, temporary: Path | None = None) -> Iterator[None]:
    """Inside this context, an error that a file cannot be written becomes an `OutputError` that names `path`.

    Args:
        path: what is being written.
        temporary: the file or folder that becomes `path` later; errors about its content name the final path.

    Errors about other files, such as one that is being read, pass through.
    """
    try:
        yield
    except OutputError as error:
        place = None if error.path is None else _final(error.path, path, temporary)
        if place is None:
            raise
        raise OutputError.at(place, error.errno, error.strerror or "write error") from error
    except Exception as error:
        found = _failed_write(error, Path(path), temporary)
        if found is None:
            raise
        raise OutputError.at(*found) from error


def _failed_write(error: Exception, path: Path, temporary: Path | None) -> tuple[Path, int | None, str] | None:
    """Returns which file could not be written, the system's error number and the reason; None for any other error."""
    if not isinstance(error, OSError) or error.errno is None:
        said = _OF_LIBRARIES.search(str(error))
        if said is None:
            return None
        number = int(said[1]) if said[1] else None
        # A file may be missing or forbidden for a library that reads.
        return (
            (path, number, os.strerror(number) if number else str(error).splitlines()[0])
            if (number is None or number in _OF_WRITES)
            else None
        )
    named = [name for name in (error.filename, error.filename2) if isinstance(name, str | os.PathLike)]
    places = [place for name in named if (place := _final(name, path, temporary)) is not None]
    # The folders above it had to be made; EBADF and others name no file.
    above = [Path(name) for name in named if Path(name) in path.parents]
    if not places and not above and error.errno not in _OF_WRITES:
        return None
    return (places or above or [path])[0], error.errno, error.strerror or str(error)


def _final(name: str | os.PathLike, path: str | Path, temporary: Path | None) -> Path | None:
    """Returns the final name of a file in `temporary`; `path` for itself; None for a file elsewhere."""
    name, path = Path(name), Path(path)
    if name == path:
        return path
    if temporary is not None and (name == temporary or temporary in name.parents):
        return path / name.relative_to(temporary)
    return None
