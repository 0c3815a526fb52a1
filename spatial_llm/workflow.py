"""Work that is done once: stages whose output folder holds a marker, and chains of commands made of them.

A stage is finished when its marker, a small JSON file, holds the fingerprint of what the stage rests on: its settings, the
bytes of the files it reads, and the fingerprints of the stages before it. If one of these changes, that stage and the later
ones run again; a folder that was deleted comes back. The stages inside a training (`training.encoder.stages`,
`training.finetune.run`) use the same marker.

A chain (`run_stages`) runs commands one after the other. A command that was stopped goes on from its checkpoints.
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

from spatial_llm.door import INTERRUPTED, STOPPED
from spatial_llm.errors import SpatialLLMError
from spatial_llm.files import BEGUN, sha256_of, write_json, write_text
from spatial_llm.settings import read_yaml

MARKER = "stage.json"


def fingerprint_of(made_from: Any, sort_keys: bool = False) -> str:
    """Returns the SHA-256 of JSON values; with `sort_keys` the order of the keys of mappings does not count."""
    return hashlib.sha256(json.dumps(made_from, sort_keys=sort_keys).encode()).hexdigest()


def read_finished(marker: Path, fingerprint: str) -> dict[str, Any] | None:
    """Returns what a stage wrote into `marker` when it finished; None if it did not, or was made from something else."""
    try:
        record = json.loads(marker.read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a damaged marker is none
        return None
    if not isinstance(record, dict):
        return None
    # Encoder stages of version 0.1 called the fingerprint "made_by".
    return record if record.get("fingerprint", record.get("made_by")) == fingerprint else None


def write_finished(marker: Path, fingerprint: str, **record: Any) -> None:
    """Writes the marker of a stage that has finished, with `record` for `read_finished`."""
    write_json(marker, {"fingerprint": fingerprint, **record})


@dataclass(frozen=True)
class Stage:
    """One command of a chain.

    Attributes:
        title: printed when the stage starts.
        command: a script and its arguments; run with this Python.
        folder: the folder that the command writes.
        configs: files that the command reads and a user may edit; files that a YAML file includes belong to it.
        needs: stages whose folders the command reads.
        launch: runs the command through `accelerate launch`.
        marker: name of the marker in the folder; stages that share a folder have markers of different names.
    """

    title: str
    command: Sequence[str]
    folder: Path
    configs: Sequence[Path] = ()
    needs: Sequence["Stage"] = ()
    launch: bool = False
    marker: str = MARKER

    def fingerprint(self) -> str:
        """Returns the fingerprint of command, config files and earlier stages."""
        made_from = {
            "command": list(self.command),
            "configs": [sha256_of(file) for file in with_included(self.configs)],
            "needs": [stage.fingerprint() for stage in self.needs],
        }
        return fingerprint_of(made_from)

    def finished(self) -> bool:
        """Returns whether the folder holds what this stage makes as it is configured now."""
        return read_finished(self.folder / self.marker, self.fingerprint()) is not None


def with_included(files: Sequence[Path]) -> list[Path]:
    """Returns `files`, followed by the files that the YAML files among them include and that are not listed."""
    listed = {file.resolve() for file in files}
    included = [one for file in files if file.suffix == ".yaml" for one in read_yaml(file).files]
    return [*files, *dict.fromkeys(one for one in included if one.resolve() not in listed)]


def run_stages(stages: Sequence[Stage]) -> None:
    """Runs those stages that are not finished, in order, and prints what happens and where the files are.

    Raises:
        SpatialLLMError: a command failed; it has printed its own message.
    """
    renewed: list[Stage] = []
    for number, stage in enumerate(stages, start=1):
        heading = f"[{number}/{len(stages)}] {stage.title}"
        # What was written after the stages before it were renewed here, another process made of them.
        since = [needed.folder / needed.marker for needed in stage.needs if needed in renewed]
        if stage.finished() and not _older(stage.folder / stage.marker, since):
            print(f"{heading}: already in {stage.folder}, reused", flush=True)
            continue
        print(f"\n{heading} -> {stage.folder}", flush=True)
        started = time.monotonic()
        (stage.folder / stage.marker).unlink(missing_ok=True)
        begun = stage.folder / f"{stage.marker}{BEGUN}"
        fresh = not begun.is_file() or begun.read_text() != stage.fingerprint()
        if fresh or _older(begun, since):
            for old in (stage.folder / "checkpoints", *stage.folder.glob("*/checkpoints")):  # of another configuration
                shutil.rmtree(old, ignore_errors=True)
        write_text(begun, stage.fingerprint())
        renewed.append(stage)
        run_command(stage.command, launch=stage.launch)
        write_finished(stage.folder / stage.marker, stage.fingerprint())
        begun.unlink(missing_ok=True)  # gone where the stage replaced its folder whole
        print(f"    {time.monotonic() - started:.0f} s", flush=True)


def _older(file: Path, others: Sequence[Path]) -> bool:
    return any(file.stat().st_mtime_ns < other.stat().st_mtime_ns for other in others)


def sounds_stage(door: str, config: Path, folder: Path, index: str, evaluate: str, options: Sequence[str] = ()) -> Stage:
    """Returns the stage that writes a folder of dry sounds, see `data.simulate.sound_folder`.

    Args:
        door: the script that prepares sounds.
        config: its YAML file.
        folder: where the sounds are written.
        index: CSV of recorded clips.
        evaluate: what the split `eval` holds, "held_out" or "test".
        options: further arguments of the script.
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
    """Returns two stages that fill one folder: rooms and scenes, then questions about them.

    Args:
        doors: the script that simulates scenes, and the one that writes questions.
        scenes: YAML file of the first script.
        questions: YAML file of the second script.
        folder: the data folder.
        options: further arguments of the first script.
        needs: stages that make the sounds of the scenes.
        title: title of the second stage.
    """
    simulate = [doors[0], "--config", str(scenes), "--output", str(folder), *options]
    write = [doors[1], "--config", str(questions), "--data", str(folder)]
    apart = "simulate rooms and scenes; train and eval share neither rooms nor recordings"
    simulated = Stage(apart, simulate, folder, configs=[scenes], needs=needs)
    return simulated, Stage(title, write, folder, configs=[questions], needs=[simulated], marker="questions.stage.json")


def comparison_stages(
    doors: tuple[str, str, str], runs: Path, configs: Path, sounds: Path, clips: str | None
) -> tuple[Stage, ...]:
    """Returns the stages that a comparison of models at tiny size begins with: dry sounds, scenes, questions, and the parts
    of the shipped model, in `sounds`, `data` and `parts`.

    Args:
        doors: the scripts that prepare sounds, simulate scenes and write questions.
        runs: the folder that these folders are in.
        configs: folder of scenes.yaml and questions.yaml.
        sounds: YAML file of the first script.
        clips: index CSV of recorded clips, whose test recordings are scored on; None for the simulator's own sounds alone.
    """
    dry, index = (), []
    if clips is not None:
        recorded = ["--sounds.synthesized_eval=0"]  # scoring uses recorded sounds only
        dry = (sounds_stage(doors[0], sounds, runs / "sounds", clips, "test", recorded),)
        index = [f"--simulation.sounds.index={runs / 'sounds' / 'index.csv'}"]
    asked = data_stages(doors[1:], configs / "scenes.yaml", configs / "questions.yaml", runs / "data", index, dry)
    unpack = ["-m", "spatial_llm", "parts", "tiny", str(runs / "parts")]
    return (*dry, *asked, Stage("encoder and language model of the shipped model", unpack, runs / "parts"))


def scoring_stages(
    doors: tuple[str, str, str],
    task: Path,
    model: str,
    manifest: str,
    folder: Path,
    needs: Sequence[Stage],
    options: Sequence[str] = (),
) -> tuple[Stage, Stage, Stage]:
    """Returns three stages: predict answers, score them, and draw a report, in `answers`, `scores` and `scores/report`.

    Args:
        doors: the scripts that predict, score and report.
        task: YAML file of the task, for the first two scripts.
        model: folder of the model.
        manifest: file with the questions.
        folder: the folder that the three folders are in.
        needs: stages that make model and manifest.
        options: further arguments of the first script.
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
    """Runs a script in its own process, with this Python, in the current folder.

    Args:
        command: the script and its arguments.
        launch: runs it through `accelerate launch` with one process.

    Raises:
        SpatialLLMError: the command ended with an error.
        SystemExit: the command was stopped by a signal, and saved its state (status 75) or said that it stopped (status
            130, Ctrl-C); this process then ends likewise.
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
            "--quiet",  # the command has printed its error; the launcher must not add a traceback
        ]
        if launch
        else []
    )
    # A Ctrl-C in the terminal reaches the command as well, which saves a checkpoint: wait until it has ended.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        status = subprocess.run([sys.executable, *launcher, *command], env=os.environ, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
    if status == -signal.SIGINT:  # it was still importing
        status = INTERRUPTED
    if status in (STOPPED, INTERRUPTED):
        raise SystemExit(status)
    if status:
        raise SpatialLLMError(f"{' '.join(command)} ended with status {status}; see its message above.")
