"""Doors in processes of their own, which may not write: a process that has imported everything forks each of them, so that
one takes a second and not ten.

    python tests/doors/failing.py        answers one line of JSON for each line of JSON

`Hall` is the tests' side of it.
"""

import ctypes
import json
import os
import resource
import runpy
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CAPABILITY_VERSION = 0x20080522


@dataclass(frozen=True)
class Ended:
    """How a door ended: its exit status and all that it wrote to standard output and standard error."""

    status: int
    said: str

    @property
    def sentence(self) -> str:
        """The last line."""
        return (self.said.strip().splitlines() or [""])[-1]


class Hall:
    """Opens doors."""

    def __init__(self) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
            cwd=REPOSITORY,
        )  # fmt: skip

    def open(self, *argv: object, file_limit: int | None = None, bound: bool = False) -> Ended:
        """Runs a door.

        Args:
            argv: the script, relative to the repository, or "spatial-llm"; and its arguments.
            file_limit: bytes that a file may have: the disk is full.
            bound: bound by the rights of files also where this is root.
        """
        asked = {"argv": list(map(str, argv)), "file_limit": file_limit, "bound": bound}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)


def _enter(argv: list[str], file_limit: int | None, bound: bool) -> None:
    if bound:
        # Root without its capabilities is a user like another one, who owns its files.
        ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)())
    if file_limit is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, hard))
    if argv[0] == "spatial-llm":
        from spatial_llm.cli import main

        raise SystemExit(main(argv[1:]))
    sys.argv = argv
    sys.path.insert(0, str(REPOSITORY / Path(argv[0]).parent))
    runpy.run_path(str(REPOSITORY / argv[0]), run_name="__main__")


def _fork(asked: dict) -> dict:
    read, write = os.pipe()  # a pipe has no limit of size
    process = os.fork()
    if process == 0:
        os.close(read)
        os.dup2(write, 1)
        os.dup2(write, 2)
        try:
            _enter(**asked)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
        except BaseException:
            import traceback

            traceback.print_exc()
            status = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read().decode(errors="replace")
    return {"status": os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), "said": said}


def _serve() -> None:
    import matplotlib.figure

    import spatial_llm.data.simulate.simulation
    import spatial_llm.evaluation.predicting.predict
    import spatial_llm.training.tiny.pretrain_language_model  # noqa: F401

    matplotlib.figure.Figure().savefig(os.devnull, format="png")  # fonts are looked for once
    for line in sys.stdin:
        print(json.dumps(_fork(json.loads(line))), flush=True)
    os._exit(0)  # there is nothing to take down


if __name__ == "__main__":
    _serve()
