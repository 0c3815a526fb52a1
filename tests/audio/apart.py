"""Runs the `main` of a module of these tests in a process of its own, which can be ended and whose memory is bounded."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Other distributions install a package called tests, which would be found first.
_START = """
import importlib, sys, types
tests = sys.modules["tests"] = types.ModuleType("tests")
tests.__path__ = ["tests"]
importlib.import_module(sys.argv.pop(1)).main()
"""


def run_apart(module: str, *arguments: object, timeout: float) -> subprocess.CompletedProcess:
    """`module` as in "tests.audio.mutations"; its standard output and error as text."""
    command = [sys.executable, "-c", _START, module, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)


def peak_mb() -> int:
    """The peak of this program's memory. VmHWM and not ru_maxrss, which begins with that of the process that started it."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024
