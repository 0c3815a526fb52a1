"""Runs of `toy_run` in processes of their own, for tests to kill. A process that has imported everything forks each of
them, so that one takes half a second and not ten.

    python tests/training/engine/kill_harness.py FOLDER '{"steps": 20, ...}'      one run; also by torchrun

As a module: `RunStarter`, which the tests use.
"""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()


class RunStarter:
    """A helper process that starts runs and tells their process ids and how they ended."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parents[3])}
        self._process = subprocess.Popen(
            [sys.executable, str(HERE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def start(self, folder: Path, **options: Any) -> int:
        """Starts a run; its output goes to `folder`.log. Returns its process id."""
        return int(self._ask({"folder": str(folder), "options": options}))

    def wait(self, process: int) -> int:
        """Waits for the end of a run; returns its exit status, or minus the signal that ended it."""
        return int(self._ask({"wait": process}))

    def run(self, folder: Path, **options: Any) -> str:
        """A run to its end; returns the hash of its weights."""
        status = self.wait(self.start(folder, **options))
        log = folder.with_suffix(".log").read_text()
        assert status == 0, log
        return log.splitlines()[-1]

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def _ask(self, question: dict[str, Any]) -> str:
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()


def started_at(folder: Path) -> list[int]:
    """From which checkpoint each start of the run in `folder` went on; 0 = from the beginning."""
    starts = []
    for line in folder.with_suffix(".log").read_text().splitlines():
        if line.startswith("run begins"):
            starts.append(0)
        elif line.startswith("going on from"):
            starts[-1] = int(line.split(" step ")[1].split(" of ")[0])
    return starts


def _one(folder: str, options: dict[str, Any]) -> None:
    from toy_run import toy_run

    print("run begins", flush=True)
    print(toy_run(Path(folder), **options)[0], flush=True)


def _fork_run(folder: str, options: dict[str, Any]) -> None:
    log = os.open(Path(folder).with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    # Where files may not grow, the log may not either, until the run is over.
    output = os.open(os.devnull, os.O_WRONLY) if "file_limit" in options else log
    os.dup2(output, 1)
    os.dup2(output, 2)
    status, said = 1, ""
    try:
        _one(folder, options)
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException as error:
        said = f"{type(error).__name__}: {error}\n"
    sys.stdout.flush()
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    os.write(log, said.encode())
    os._exit(status)


def _serve() -> None:
    import toy_run  # noqa: F401  everything that takes long, once

    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            status = os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1])
            print(status, flush=True)
            continue
        process = os.fork()
        if process == 0:
            _fork_run(asked["folder"], asked["options"])
        print(process, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        _one(sys.argv[1], json.loads(sys.argv[2]))
    else:
        _serve()
