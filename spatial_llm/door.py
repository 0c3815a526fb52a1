"""What every door does with an error: one sentence on standard error and an exit status, no traceback.

    if __name__ == "__main__":
        with door("score"):
            main(parse_arguments(ScoreArguments))

Errors of ours, those of files and folders (disk full, no right, nothing there) and the death of a worker process are the
user's to mend; anything else is a bug and keeps its traceback. With the environment variable SPATIAL_LLM_TRACEBACK set to
anything but 0, all keep it, for developers.
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator

from spatial_llm.errors import SpatialLLMError

TRACEBACK = "SPATIAL_LLM_TRACEBACK"
# Exit status of a run that was told to stop and saved its state: EX_TEMPFAIL of sysexits.h, "try again later".
STOPPED = 75
# A DataLoader raises what happened in its worker anew, with the worker's traceback for a message.
_OF_WORKER = re.compile(r"Caught (\w+) in DataLoader worker process .*\nOriginal Traceback")


@contextlib.contextmanager
def door(name: str = "error") -> Iterator[None]:
    """Inside, an error that the user can mend ends the program with `name: sentence` and status 1."""
    try:
        yield
        sys.stdout.flush()  # a full disk below standard output is noticed here, and not when nobody listens any more
    except BrokenPipeError:
        # Whoever read the output has gone (`| head`): nothing is wrong, and nothing more can be said there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None
    except (SpatialLLMError, OSError) as error:
        if os.environ.get(TRACEBACK, "0") not in ("", "0"):
            raise
        raise SystemExit(f"{name}: {sentence(error)}") from None


def sentence(error: BaseException) -> str:
    """What an error says to a user: the message that it was raised with, in whatever process; of an OSError which file it
    is and what to do."""
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
