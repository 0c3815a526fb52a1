"""SIGTERM and Ctrl-C: the step is finished, a checkpoint saved, and the process exits with status 75 (reliability row C3).

75 is EX_TEMPFAIL of sysexits.h, "try again later": the same command goes on where this one stopped. A second signal ends the
process at once, as if nobody had listened. Loader workers, which a Ctrl-C of the terminal reaches too, go on working until
the training process lets them go.
"""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Listens while it is used as a context.

    Attributes:
        requested: a signal came; the training loop looks at it after each step.
    """

    def __init__(self) -> None:
        self.requested = False
        self._process = os.getpid()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():  # Python delivers signals to no other
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return
        if self.requested:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.requested = True
        name = signal.Signals(number).name
        # os.write: print is not to be entered a second time from inside itself.
        os.write(sys.__stderr__.fileno(), f"\n{name}: finishing this step and saving; once more ends it now.\n".encode())
