"""Error handling of every script and command: one sentence on standard error and an exit status, no traceback.

    if __name__ == "__main__":
        with door("seeds"):
            main(parse_arguments(SeedsArguments))

Errors of this library, errors of files and folders (disk full, no permission, not found) and the death of a worker process
can be fixed by the user, and Ctrl-C is no error at all. Any other error is a bug and keeps its traceback. With the
environment variable SPATIAL_LLM_TRACEBACK set to anything but 0, all errors keep it, for developers.
"""

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Iterator

from spatial_llm.errors import SpatialLLMError

TRACEBACK = "SPATIAL_LLM_TRACEBACK"
# Exit status of a run that was stopped by a signal and saved its state: EX_TEMPFAIL of sysexits.h, "try again later".
STOPPED = 75
# Exit status after Ctrl-C: that of shells, 128 + SIGINT.
INTERRUPTED = 130
_PACKAGE = os.path.dirname(__file__)
# A DataLoader raises the error of its worker again, with the worker's traceback as the message.
_OF_WORKER = re.compile(r"Caught (\w+) in DataLoader worker process .*\nOriginal Traceback")


@contextlib.contextmanager
def door(name: str = "error") -> Iterator[None]:
    """Ends the program with `name: sentence` and status 1 at an error inside the context that the user can fix, with `name:
    stopped` and status 130 at Ctrl-C. Every warning is one line; one of this library is one sentence."""
    as_python_shows = warnings.formatwarning

    said_by = "" if name == "error" else f"{name}: "  # a warning is no error

    def shown(message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None) -> str:
        if issubclass(category, UserWarning) and filename.startswith(_PACKAGE):
            return f"{said_by}warning: {message}\n"
        return as_python_shows(" ".join(str(message).split()), category, filename, lineno, "")  # without the line of code

    warnings.formatwarning = shown
    try:
        yield
        sys.stdout.flush()  # a full disk behind standard output raises here, where it is still handled
    except BrokenPipeError:
        # The reader of the output has ended (`| head`): that is no error, and nothing more can be printed.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        if _tracebacks():
            raise
        _flush()
        print("stopped." if name == "error" else f"{name}: stopped.", file=sys.stderr)
        raise SystemExit(INTERRUPTED) from None
    except (SpatialLLMError, OSError) as error:
        if _tracebacks():
            raise
        _flush()
        raise SystemExit(f"{name}: {sentence(error)}") from None
    finally:
        warnings.formatwarning = as_python_shows


def _flush() -> None:
    """Writes what was printed before the sentence about the end, which would else come first where both go to one file."""
    with contextlib.suppress(OSError):
        sys.stdout.flush()


def _tracebacks() -> bool:
    return os.environ.get(TRACEBACK, "0") not in ("", "0")


def sentence(error: BaseException) -> str:
    """Returns the message of an error for users, in whatever process it was raised; an OSError names the file and the
    remedy."""
    text = str(error)
    if found := _OF_WORKER.match(text):
        starts = list(re.finditer(rf"^(\w+\.)*{found[1]}: ", text, re.MULTILINE))
        text = text[starts[-1].end() :].strip() if starts else text
    if isinstance(error, SpatialLLMError):
        return text
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        named = f"{os.fspath(error.filename)}: {error.strerror}"
        return f"{named}; give a file or folder that is there and may be used, or room to write it."
    return f"{text.rstrip('.')}: a file cannot be read or written; is there room, and the right to use it?"
