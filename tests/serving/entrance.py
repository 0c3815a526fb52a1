"""The table of hostile and odd sound files (`entrance.csv`) through `read_audio`, `ask` and a server.

`main FOLDER` runs as a process of its own (`tests.audio.apart`) and prints one line of JSON: each file with its outcome at
each door and the words there, the slowest, and the peak of memory of this process, the server and its readers.
"""

import csv
import json
import os
import resource
import sys
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any

from tests.audio.apart import peak_mb
from tests.audio.doors import outcome
from tests.audio.hostile import Case, cases
from tests.serving.running import WHAT, Running, body

TABLE = Path(__file__).with_name("entrance.csv")
DOORS = ("read_audio", "ask", "server")
MOST_BYTES = 12 * 2**30  # of addresses, which are more than the memory that is used


def rows() -> list[dict[str, str]]:
    """The lines of the table."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def at_server(running: Running, path: Path, kind: str) -> tuple[str, str]:
    """Status of the server and its words; "-" for what has no bytes that could be sent."""
    if kind == "-":
        return "-", ""
    sent = json.dumps(body(WHAT, path, kind=kind, max_tokens=20)).encode()
    asked = urllib.request.Request(f"{running.url}/chat/completions", sent, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(asked, timeout=60) as response:
            return str(response.status), " ".join(json.load(response)["spatial_llm"]["warnings"])
    except urllib.error.HTTPError as error:
        return str(error.code), json.load(error)["error"]["message"]


def through(case: Case, kind: str, folder: Path, model: Any, running: Running) -> tuple[dict[str, tuple[str, str]], float]:
    """Outcome and words at each door, and the longest time at one, in s."""
    from spatial_llm.audio.io import read_audio

    path = case.write(folder)
    found, slowest = {}, 0.0
    doors = (
        lambda: outcome(lambda: read_audio(path)),
        lambda: outcome(lambda: model.ask(path, WHAT, max_new_tokens=20, as_asked=True)),
        lambda: at_server(running, path, kind),
    )
    for name, door in zip(DOORS, doors, strict=True):
        begun = time.perf_counter()
        found[name] = door()
        slowest = max(slowest, time.perf_counter() - begun)
    if isinstance(path, Path) and (path.is_symlink() or path.is_file()):
        os.remove(path)
    return found, slowest


def main() -> None:
    """Runs as a process of its own."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    from spatial_llm import SpatialLLM

    by_name, found, slowest = {case.name: case for case in cases()}, {}, 0.0
    model = SpatialLLM.from_pretrained("tiny")
    with warnings.catch_warnings(), Running("--as_asked", "true", "--remembered", "0") as running:
        warnings.simplefilter("ignore")
        before = {"here": peak_mb(), "server": running.peak_mb()}
        for row in rows():
            found[row["file"]], took = through(by_name[row["file"]], row["sent_as"], Path(sys.argv[1]), model, running)
            slowest = max(slowest, took)
        children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text().split()
        peaks = [Path(f"/proc/{child}/status").read_text().split("VmHWM:")[1].split()[0] for child in children]
        grown = {"here": peak_mb() - before["here"], "server": running.peak_mb() - before["server"]}
        memory = {"before": before, "grown": grown, "readers": [int(peak) // 1024 for peak in peaks]}
    print(json.dumps({"found": found, "slowest_s": slowest, "memory_mb": memory}))


if __name__ == "__main__":
    main()
