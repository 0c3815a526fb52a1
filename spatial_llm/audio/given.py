"""What people hand over as a recording, told apart: an array, a file in one of its forms, or an object that holds either.

Nothing is decoded here and nothing is mixed: the channels of what is taken out are those of what was given. The loaders of
transformers and `datasets` average them, also where they return an array (`AudioDecoder["array"]` of datasets).
"""

import contextlib
import numbers
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from spatial_llm.audio.limits import AudioLimits
from spatial_llm.errors import AudioError

AudioFile = str | bytes | bytearray | memoryview | os.PathLike | BinaryIO

_LONGEST_PATH = 4096  # bytes; longer ones are no path on any system
_FORMS = "an array with its rate, a path, the bytes of a sound file, an open file, or a dict with one of them"


def is_file(audio: Any) -> bool:
    """Returns whether `audio` is a sound file: its path, its bytes, or an open file."""
    return isinstance(audio, str | bytes | bytearray | memoryview | os.PathLike) or hasattr(audio, "read")


def is_one(audio: Any) -> bool:
    """Returns whether `audio` is one recording, not several: a file, a dict, a decoder, an array or tensor (channels,
    samples), or a list of channels."""
    if is_file(audio) or isinstance(audio, Mapping) or _is_decoder(audio) or _is_samples(audio):
        return True
    if hasattr(audio, "ndim"):
        # An array of objects, as a column of a table is, holds recordings.
        return audio.ndim < 3 and str(audio.dtype) != "object"
    if not isinstance(audio, list | tuple):
        return not hasattr(audio, "__getitem__")
    return bool(audio) and all(_is_channel(each) for each in audio)


def recordings_in(audio: Any) -> list[Any]:
    """Returns the recordings of one, of several, or of lists of several, in order (see `is_one`)."""
    if audio is None or is_one(audio):
        return [audio]
    return [each for item in audio for each in recordings_in(item)]


def unpacked(audio: Any, sampling_rate: float | None) -> tuple[Any, float | None]:
    """Takes a recording out of what holds it.

    Args:
        audio: {"array", "sampling_rate"}, {"bytes"}, {"path"} (as `datasets` has them; the first that is there counts), an
            `AudioDecoder` or `AudioSamples` of torchcodec; anything else is returned as it is.
        sampling_rate: in Hz, of an array that does not say its own.

    Returns:
        A file, or an array (channels, samples); and the array's rate in Hz, None where none is known.

    Raises:
        AudioError: a dict holds none of these.
    """
    if _is_decoder(audio):
        audio = audio.get_all_samples()
    if _is_samples(audio):
        return audio.data, audio.sample_rate
    if not isinstance(audio, Mapping):
        return audio, sampling_rate
    for name in ("array", "bytes", "path"):
        if (found := audio.get(name)) is not None:
            rate = audio.get("sampling_rate")
            found = memoryview(found) if name == "bytes" and isinstance(found, bytes) else found  # never a path
            return found, sampling_rate if rate is None else rate
    raise AudioError(f"the recording is a dict with {sorted(map(str, audio))}, none of which is a recording; give {_FORMS}.")


@contextlib.contextmanager
def opened(file: AudioFile, name: str, limits: AudioLimits) -> Iterator[BinaryIO]:
    """Opens a sound file for reading, as a regular file with a descriptor.

    Content that is in no regular file goes through a temporary one without a name, which is gone when it is closed: so all
    forms are decoded by the same code. An open file is read from where it stands, and left open.

    Args:
        file: path (text, bytes or object), content, or a file open for reading bytes. Bytes are content if they hold a zero
            byte or are longer than any path, which every sound file does; else they are a path.
        name: for messages.
        limits: content of more than four times `max_bytes` is not read.

    Raises:
        AudioError: there is no such file, it is not a regular one, it is open as text, at its end, or too large.
    """
    if is_content(file):
        with tempfile.TemporaryFile() as copy:
            copy.write(file)
            with _to_read(copy) as found:
                yield found
    elif hasattr(file, "read") and not isinstance(file, os.PathLike):
        with tempfile.TemporaryFile() as copy:
            _copy(file, copy, name, 4 * limits.max_bytes)
            with _to_read(copy) as found:
                yield found
    else:
        with open_regular(file, name) as found:
            yield found


@contextlib.contextmanager
def _to_read(copy: BinaryIO) -> Iterator[BinaryIO]:
    """Yields a written file as one that is only read. A file for both goes back, when it is closed, to where its reader was,
    which fails where a decoder has moved the descriptor meanwhile."""
    copy.flush()
    with os.fdopen(os.dup(copy.fileno()), "rb") as found:
        found.seek(0)
        yield found


def is_content(file: Any) -> bool:
    """Returns whether bytes are those of a file, not of its path."""
    if isinstance(file, bytearray | memoryview):
        return True
    return isinstance(file, bytes) and (b"\0" in file or len(file) > _LONGEST_PATH or not file)


def open_regular(path: str | bytes | os.PathLike, name: str) -> BinaryIO:
    """Opens the regular file at `path` for reading bytes. Raises AudioError if there is none; `name` starts the message."""
    try:
        # A pipe or a device, whatever its suffix, would block the reader for ever, so neither way of opening may wait.
        number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise AudioError(f"{name}: cannot be opened ({error.strerror}); give the path of a sound file.") from None
    except (ValueError, TypeError) as error:
        raise AudioError(f"{name}: no path of a file ({error}); give the path of a sound file.") from None
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        raise AudioError(f"{name}: not a regular file; give the path of a sound file such as WAV, FLAC or Ogg.")
    return os.fdopen(number, "rb")


def shown_path(file: Any) -> str:
    """Returns a file's name for messages: bytes that are not UTF-8, and lone surrogates, are escaped so that it can be
    printed."""
    if is_content(file):
        return f"the recording ({len(file)} bytes)"
    if hasattr(file, "read") and not isinstance(file, os.PathLike):
        file = getattr(file, "name", None)
        if not isinstance(file, str):  # a file without a name, or one that has only its descriptor
            return "the recording (an open file)"
    text = os.fsdecode(file) if isinstance(file, bytes | os.PathLike) else str(file)
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _copy(file: Any, copy: BinaryIO, name: str, most: float) -> None:
    size = 0
    try:
        while chunk := file.read(2**20):
            if not isinstance(chunk, bytes | bytearray | memoryview):
                raise AudioError(f"{name}: open as text; open it for reading bytes: open(path, 'rb').")
            size += copy.write(chunk)
            if size > most:
                raise AudioError(
                    f"{name}: more than {most:.0f} bytes; cut the recording, or raise max_bytes of AudioLimits."
                )
    except UnicodeDecodeError:
        raise AudioError(f"{name}: open as text; open it for reading bytes: open(path, 'rb').") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{name}: cannot be read ({error}).") from None
    if not size:
        raise AudioError(f"{name}: nothing left to read, it is empty or was read already; go back with file.seek(0).")


def _is_decoder(audio: Any) -> bool:
    return callable(getattr(audio, "get_all_samples", None))


def _is_samples(audio: Any) -> bool:
    return hasattr(audio, "data") and hasattr(audio, "sample_rate")


def _is_channel(value: Any) -> bool:
    return not is_file(value) and not isinstance(value, Mapping) and _axes(value) == 1


def _axes(value: Any) -> int | None:
    """Returns the number of axes of an array or of nested lists of numbers; None of what is neither."""
    if hasattr(value, "ndim"):
        return value.ndim
    if isinstance(value, list | tuple):
        inner = _axes(value[0]) if value else None
        return None if inner is None else 1 + inner
    return 0 if isinstance(value, numbers.Number) else None
