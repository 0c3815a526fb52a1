"""Recordings are decoded in processes of their own, which live as long as the server and are replaced when they die.

A server decodes what strangers send. `read_audio` checks headers and framing first, but then libsndfile and libFLAC run, in
C: where one of them crashed, hung or took all memory, every other request would be lost with the process. So none of them
runs in the process of the server. A process takes half a second to start, and many on a busy machine, so each decodes many
recordings, one by one. To start is no fault of the first of them: the time for decoding begins once the process is ready.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatial_llm.errors import AudioError
from spatial_llm.serving import reader_process
from spatial_llm.serving.reader_process import READY, ReaderSettings
from spatial_llm.serving.refusals import Refusal

START_SECONDS = 120.0  # longest time for a process to be ready; hundreds of times what it takes on an idle machine


@dataclass(frozen=True)
class Window:
    """What the model hears of a recording.

    Attributes:
        waveform: (channels, window_samples) float32, at the encoder's rate.
        warnings: about the recording, as sentences.
    """

    waveform: NDArray[np.float32]
    warnings: tuple[str, ...]


class ReaderProcess:
    """One process, used by one thread at a time; started when it is first needed, and again after it died.

    Args:
        settings: how recordings are read.
        seconds: longest time for one recording, in s.
        start_seconds: longest time until a process that was started is ready, in s.
    """

    def __init__(self, settings: ReaderSettings, seconds: float, start_seconds: float = START_SECONDS) -> None:
        self.settings, self.seconds, self.start_seconds = settings, seconds, start_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False

    def start(self) -> None:
        """Starts the process, if none is running, and does not wait until it is ready."""
        if self._process is None or self._process.poll() is not None:
            # One thread: each of a pool reserves addresses, of which the process may use so many.
            environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            command = [sys.executable, "-P", "-m", reader_process.__name__, self.settings.to_json()]
            self._ready = False
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def read(self, content: bytes) -> Window:
        """Returns the window of a file.

        Raises:
            AudioError: see `prepare_waveform`; or the process does not decode it in time, or dies.
            Refusal: no process can be started, which says nothing about the file.
        """
        self.start()
        self._wait_until_ready()
        process = self._process
        with self._ended_after(self.seconds) as late:
            try:
                process.stdin.write(json.dumps({"size": len(content)}).encode() + b"\n" + content)
                process.stdin.flush()
                reply: dict[str, Any] = json.loads(process.stdout.readline())
                if "error" in reply:
                    raise AudioError(reply["error"])
                shape = reply["shape"]
                body = process.stdout.read(4 * shape[0] * shape[1])
                waveform = np.frombuffer(body, np.float32).reshape(shape)
            except (OSError, json.JSONDecodeError, ValueError) as error:
                if isinstance(error, AudioError):
                    raise
                self.close()
                why = f"did not end within {self.seconds:g} s" if late.is_set() else _ended(process)
                raise AudioError(
                    f"the recording ({len(content)} bytes) cannot be decoded: the decoder {why}; make the file anew."
                ) from None
        return Window(waveform, tuple(reply["warnings"]))

    def _wait_until_ready(self) -> None:
        if self._ready:
            return
        process = self._process
        with self._ended_after(self.start_seconds) as late:
            self._ready = process.stdout.readline() == READY
        if not self._ready:
            self.close()
            why = f"was not ready within {self.start_seconds:g} s" if late.is_set() else _ended(process)
            raise Refusal(
                f"no recording can be read now: the process that decodes them {why} while it was started; try again later, "
                "and see the log of the program if it stays so.",
                503,
                code="no_reader",
                retry_after_s=5,
            )

    @contextlib.contextmanager
    def _ended_after(self, seconds: float) -> Iterator[threading.Event]:
        """Ends the process unless the context ends before; yields what tells whether it did."""
        process, late = self._process, threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(seconds, end)
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _ended(process: "subprocess.Popen[bytes]") -> str:
    return f"ended with status {process.returncode}"


class Readers:
    """Several reader processes, each with a thread that waits for it.

    Args:
        settings: how recordings are read.
        count: of the processes.
        seconds: longest time for one recording, in s.
    """

    def __init__(self, settings: ReaderSettings, count: int, seconds: float) -> None:
        self._all = [ReaderProcess(settings, seconds) for _ in range(count)]
        self._free: SimpleQueue[ReaderProcess] = SimpleQueue()
        for reader in self._all:
            self._free.put(reader)
        self.threads = ThreadPoolExecutor(count, thread_name_prefix="reader")

    def start(self) -> None:
        """Starts all processes, which takes a moment that the first requests need not wait for."""
        for reader in self._all:
            reader.start()

    def read(self, content: bytes) -> Window:
        """Returns the window of a file; called in `threads`, of which there are as many as processes. See
        `ReaderProcess.read`."""
        reader = self._free.get()
        try:
            return reader.read(content)
        finally:
            self._free.put(reader)

    def close(self) -> None:
        """Ends all processes."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        for reader in self._all:
            reader.close()
