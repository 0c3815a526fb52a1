"""A chain of commands, each with one output folder, in which a finished stage is not done again.

A stage is finished when its folder holds `stage.json` with the fingerprint of what the stage rests on: its command, the
bytes of its config files, and the fingerprints of the stages before it. Change a number in a YAML and that stage and the
later ones run anew; delete a folder and it comes back. A stage that was stopped on its way goes on from its checkpoints.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatial_llm.door import STOPPED
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import sha256_of, write_json, write_text


@dataclass(frozen=True)
class Stage:
    """One command of the chain.

    Attributes:
        title: said when it starts.
        command: a door and its arguments; run with this Python.
        folder: what it makes.
        configs: files that it reads and a user may edit.
        needs: stages whose folders it reads.
        launch: run through `accelerate launch`.
        marker: file in the folder that says the stage is finished; another name where two stages share a folder.
    """

    title: str
    command: Sequence[str]
    folder: Path
    configs: Sequence[Path] = ()
    needs: Sequence["Stage"] = ()
    launch: bool = False
    marker: str = "stage.json"

    def fingerprint(self) -> str:
        made_from = {
            "command": list(self.command),
            "configs": [sha256_of(config) for config in self.configs],
            "needs": [stage.fingerprint() for stage in self.needs],
        }
        return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()

    def finished(self) -> bool:
        """Whether the folder holds what this stage, as it is configured now, makes."""
        return read_marker(self.folder / self.marker).get("fingerprint") == self.fingerprint()


def read_marker(path: Path) -> dict[str, Any]:
    """What the marker of a finished stage says; nothing where there is none, or a damaged one: the stage is then not
    finished."""
    try:
        marker = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return marker if isinstance(marker, dict) else {}


def run_stages(stages: Sequence[Stage]) -> None:
    """Runs those stages that are not finished, in order, saying what happens and where the files are.

    Raises:
        SpatialLLMError: a command failed; its own message stands above.
    """
    renewed: list[Stage] = []
    for number, stage in enumerate(stages, start=1):
        heading = f"[{number}/{len(stages)}] {stage.title}"
        if stage.finished() and not any(needed in renewed for needed in stage.needs):
            print(f"{heading}: already in {stage.folder}, reused", flush=True)
            continue
        print(f"\n{heading} -> {stage.folder}", flush=True)
        started = time.monotonic()
        (stage.folder / stage.marker).unlink(missing_ok=True)
        begun = stage.folder / f"{stage.marker}.begun"
        fresh = not begun.is_file() or begun.read_text() != stage.fingerprint()
        if fresh or any(needed in renewed for needed in stage.needs):
            for old in (stage.folder / "checkpoints", *stage.folder.glob("*/checkpoints")):  # of another configuration
                shutil.rmtree(old, ignore_errors=True)
        write_text(begun, stage.fingerprint())
        renewed.append(stage)
        run_command(stage.command, launch=stage.launch)
        write_json(stage.folder / stage.marker, {"fingerprint": stage.fingerprint()})
        begun.unlink(missing_ok=True)  # gone where the stage replaced its folder whole
        print(f"    {time.monotonic() - started:.0f} s", flush=True)


def sounds_stage(door: str, config: Path, folder: Path, index: str, evaluate: str, options: Sequence[str] = ()) -> Stage:
    """Dry sounds in `folder`, see `data.sound_folder`.

    Args:
        door: the script that prepares sounds.
        config: its YAML.
        index: CSV of recorded clips.
        evaluate: what the split `eval` holds, "held_out" or "test".
        options: of that door.
    """
    given = ["--output", str(folder), "--sounds.index", index, "--sounds.evaluate", evaluate, *options]
    command = [door, "--config", str(config), *given]
    return Stage(f"dry sounds; {evaluate} apart", command, folder, configs=[config])


def data_stages(
    doors: tuple[str, str],
    scenes: Path,
    questions: Path,
    folder: Path,
    options: Sequence[str] = (),
    needs: Sequence[Stage] = (),
    title: str = "write questions about the scenes, with answers that are true",
) -> tuple[Stage, Stage]:
    """Rooms and scenes, then questions about them, in `folder`.

    Args:
        doors: the script that simulates scenes, and the one that writes questions.
        scenes: YAML of the first.
        questions: YAML of the second.
        options: of the first.
        needs: stages that make what the scenes are made of.
        title: of the second.
    """
    simulate = [doors[0], "--config", str(scenes), "--output", str(folder), *options]
    write = [doors[1], "--config", str(questions), "--data", str(folder)]
    apart = "simulate rooms and scenes; train and eval share neither rooms nor recordings"
    heard = Stage(apart, simulate, folder, configs=[scenes], needs=needs)
    return heard, Stage(title, write, folder, configs=[questions], needs=[heard], marker="questions.stage.json")


def scoring_stages(
    doors: tuple[str, str, str],
    task: Path,
    model: str,
    manifest: str,
    folder: Path,
    needs: Sequence[Stage],
    options: Sequence[str] = (),
) -> tuple[Stage, Stage, Stage]:
    """A model answers, is scored and reported on: in `answers`, `scores` and `scores/report` below `folder`.

    Args:
        doors: the scripts that predict, score and report.
        task: YAML of the first two.
        model: its folder.
        manifest: the questions.
        needs: stages that make the two.
        options: of the first.
    """
    answers, scores = folder / "answers", folder / "scores"
    given, read = ["--task", str(task), "--data", manifest], [task, *sorted(task.parent.glob("common/*.yaml"))]
    predict = [doors[0], *given, "--model", model, "--out", str(answers), "--batch_size", "64", *options]
    score = [doors[1], *given, "--predictions", str(answers / "predictions.jsonl"), "--out", str(scores)]
    draw = [doors[2], "--scores", str(scores), "--data", manifest, "--out", str(scores / "report")]
    asked = "answer all questions about the unseen recordings; then some without sound, with another one, with ears swapped"
    answered = Stage(asked, predict, answers, configs=read, needs=needs)
    scored = Stage("score the answers", score, scores, configs=read, needs=[answered])
    page = "a page with plots and the worst answers, to be opened in a browser"
    return answered, scored, Stage(page, draw, scores, needs=[scored], marker="report.stage.json")


def run_command(command: Sequence[str], launch: bool = False) -> None:
    """Runs a door in its own process, with this Python, from the current folder.

    Raises:
        SpatialLLMError: it ended with an error.
        SystemExit: it was told to stop and saved its state (status 75): so does this process.
    """
    launcher = (
        [
            "-m",
            "accelerate.commands.launch",
            "--num_processes",
            "1",
            "--num_machines",
            "1",
            "--mixed_precision",
            "no",
            "--dynamo_backend",
            "no",
            "--quiet",  # the command has had its say: no traceback of the launcher's below it
        ]
        if launch
        else []
    )
    # A Ctrl-C of the terminal reaches the command as well, which knows what to do with it: wait for its end.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        status = subprocess.run([sys.executable, *launcher, *command], env=os.environ, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    if status == STOPPED:
        raise SystemExit(STOPPED)
    if status:
        raise SpatialLLMError(f"{' '.join(command)} ended with status {status}; see its message above.")
