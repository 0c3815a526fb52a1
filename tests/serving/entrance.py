"""The table of hostile and odd sound files (`entrance.csv`) through `read_audio`, `ask`, `predict`, the page and a server.

`main FOLDER` runs as a process of its own (`tests.audio.apart`) and prints one line of JSON: each file with its outcome at
each door and the words there, the slowest, and the peak of memory of this process, the server and its readers.
"""

import csv
import dataclasses
import html
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

from tests.audio.apart import ROOT, peak_mb
from tests.audio.doors import outcome
from tests.audio.hostile import Case, cases
from tests.serving.running import WHAT, Running, body

TABLE = Path(__file__).with_name("entrance.csv")
DOORS = ("read_audio", "ask", "predict", "page", "server")
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


def at_predict(path: Path, folder: Path) -> None:
    """Answers a manifest of one question about the file, as `spatial-llm predict` does."""
    from spatial_llm.data.records import Record, write_manifest
    from spatial_llm.evaluation.predicting.evaluation_set import read_evaluation_set
    from spatial_llm.evaluation.predicting.predict import predict
    from spatial_llm.evaluation.predicting.tasks import read_task

    task = dataclasses.replace(read_task(ROOT / "eval" / "tasks" / "ours.yaml"), controls=())
    record = Record(
        id="q", recording_id="r", type="A", question_type="CLASSIFICATION", question=WHAT, answer="bell",
        truth={"labels": ["bell"]}, split="eval", sampling_rate=32_000, audio=Path(path).name,
    )  # fmt: skip
    write_manifest(folder / "manifest.jsonl", [record])
    evaluation_set = read_evaluation_set(folder / "manifest.jsonl")
    evaluation_set.check_files()
    predict("tiny", evaluation_set, folder / "out", task, device="cpu")


def at_page(handlers: Any, path: Path) -> tuple[str, str]:
    """Outcome of the page, which takes the file as an upload and removes it; and its words."""
    from spatial_llm.errors import SpatialLLMError
    from spatial_llm.page.handlers import Visit

    try:
        shown = handlers.given(Visit(), {"path": os.fspath(path), "name": "upload"})
    except SpatialLLMError as error:
        return "refused", str(error)
    return "read", html.unescape(shown.notes)


def through(
    case: Case, kind: str, folder: Path, model: Any, handlers: Any, running: Running
) -> tuple[dict[str, tuple[str, str]], float]:
    """Outcome and words at each door, and the longest time at one, in s."""
    from spatial_llm.audio.io import read_audio

    path = case.write(folder)
    found, slowest = {}, 0.0
    doors = (
        lambda: outcome(lambda: read_audio(path)),
        lambda: outcome(lambda: model.ask(path, WHAT, max_new_tokens=20, as_asked=True)),
        lambda: outcome(lambda: at_predict(path, folder)),
        lambda: at_page(handlers, path),
        lambda: at_server(running, path, kind),
    )
    in_order = sorted(zip(DOORS, doors, strict=True), key=lambda each: each[0] == "page")  # which removes the file
    for name, door in in_order:
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
    from spatial_llm.page.arguments import AppArguments
    from spatial_llm.page.server import make_handlers

    by_name, found, slowest = {case.name: case for case in cases()}, {}, 0.0
    folder = Path(sys.argv[1])
    handlers = make_handlers(AppArguments(device="cpu"), folder)
    handlers.uploads.start()
    model = handlers.ears.model
    SpatialLLM.from_pretrained = lambda *given, **how: model  # `predict` loads one for each file
    with warnings.catch_warnings(), Running("--as_asked", "true", "--remembered", "0") as running:
        warnings.simplefilter("ignore")
        before = {"here": peak_mb(), "server": running.peak_mb()}
        for row in rows():
            found[row["file"]], took = through(by_name[row["file"]], row["sent_as"], folder, model, handlers, running)
            slowest = max(slowest, took)
        children = [
            child
            for process in (running.process.pid, os.getpid())
            for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()
            if int(child) != running.process.pid
        ]
        peaks = [Path(f"/proc/{child}/status").read_text().split("VmHWM:")[1].split()[0] for child in children]
        grown = {"here": peak_mb() - before["here"], "server": running.peak_mb() - before["server"]}
        memory = {"before": before, "grown": grown, "readers": [int(peak) // 1024 for peak in peaks]}
    handlers.uploads.close()
    print(json.dumps({"found": found, "slowest_s": slowest, "memory_mb": memory}))


if __name__ == "__main__":
    main()
