"""A program of this package as its users start it: a process that says its address and runs until it is stopped."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[1]


class Program:
    """`spatial-llm <command>` on the CPU, until the context ends.

    Args:
        command: such as serve.
        before: what the program says in front of its address.
        options: as on the command line.
        environment: variables beside those of this process.

    Attributes:
        url: the address.
        said: lines of its standard error so far.
    """

    def __init__(self, command: str, before: str, *options: str, **environment: str) -> None:
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "spatial_llm", command, "--device", "cpu", *options], stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | {"PYTHONPATH": path} | environment,
        )  # fmt: skip
        self.said: list[str] = []
        self.reading = threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True)
        self.reading.start()
        line = self.process.stdout.readline()
        if before not in line:
            self.process.wait(30)
            self.reading.join(5)
            raise RuntimeError(f"status {self.process.returncode}: {line}{''.join(self.said)}")
        self.url = line.split(before)[1].split(";")[0]

    def stop(self, by: int = signal.SIGTERM) -> int:
        """Ends the program; its exit status."""
        self.process.send_signal(by)
        return self.process.wait(60)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.reading.join(10)
        self.process.stderr.close()
