"""The run folder: all files of one training run.

config.yaml      the arguments that were in force, with all included files; the recipe reads it back with --config
provenance.json  seed, versions, git hash, hash of the training manifest
metrics.jsonl    one line every `log_every` steps, then the scores; the same bytes however often the run was stopped
timing.jsonl     one line for each start of the run that reached the end: from which step, how fast
checkpoints/     see `spatial_llm.training.engine.checkpointing`
model/           the trained model, complete or absent (written under another name, then renamed)
lock.json        the process that uses the folder

Only the first of several processes writes.
"""

import contextlib
import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import TrainerCallback

from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.files import atomic_path, write_json, write_text
from spatial_llm.locks import lock_folder
from spatial_llm.provenance import provenance
from spatial_llm.settings import flat_fields, to_yaml
from spatial_llm.training.engine.checkpoint_parts import check_record
from spatial_llm.training.engine.checkpointing import Checkpoint, find_latest_valid, remove_all, remove_leftovers
from spatial_llm.training.engine.schedule import RESUMABLE

# Values that the Trainer logs at the end and that differ in every run, because they depend on the clock.
CLOCK = ("train_runtime", "train_samples_per_second", "train_steps_per_second", "total_flos")


class RunFolder:
    """Locks the folder for this process, finds the checkpoint to resume from, and writes config and provenance.

    Args:
        arguments: settings with `run_folder`, `seed` and `schedule`.
        manifest: the training manifest, whose hash goes into the provenance; None if there is none.

    Attributes:
        path: the folder.
        checkpoints: the folder of the checkpoints.
        checkpoint: the checkpoint to resume from, or None.
        made_from: values by field that must not differ between a checkpoint and the run that resumes from it.

    Raises:
        SpatialLLMError: the folder cannot be written, or another process uses it.
        CheckpointError: all checkpoints are damaged, or they were made with other arguments or another manifest.
    """

    def __init__(self, arguments: Any, manifest: str | Path | None = None) -> None:
        self.path = Path(arguments.run_folder)
        self.checkpoints = self.path / "checkpoints"
        self.checkpoint: Checkpoint | None = None
        self._metrics = self.path / "metrics.jsonl"
        self.is_main = int(os.environ.get("RANK", "0")) == 0
        if not self.is_main:
            return
        made_with = provenance(seed=arguments.seed, manifest=manifest)
        fields = {name: value for name, value in flat_fields(arguments).items() if name not in RESUMABLE}
        other = {
            "content of the manifest": made_with["manifest_sha256"],
            "number of processes": int(os.environ.get("WORLD_SIZE", "1")),
        }
        self.made_from = fields | other
        earlier = arguments.earlier_fields(fields) if hasattr(arguments, "earlier_fields") else []
        self._earlier = [one | other for one in earlier]
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = lock_folder(self.path)
            remove_leftovers(self.checkpoints)
            if arguments.schedule.resume == "never":
                remove_all(self.checkpoints)
            self.checkpoint = find_latest_valid(self.checkpoints, arguments.schedule.resume_without)
            if self.checkpoint is not None:
                check_record(self.checkpoint.path, self.checkpoint.record)
                self._refuse_changes(self.checkpoint)
            write_text(self.path / "config.yaml", to_yaml(arguments))
            write_json(self.path / "provenance.json", made_with)
            self._rewind_metrics()
            if self.checkpoint is not None and self.checkpoint.fresh:
                self.log({"step": self.checkpoint.step, "resumed_without": list(self.checkpoint.fresh)})
        except OSError as error:
            raise SpatialLLMError(
                f"the run folder {self.path} cannot be written ({error.strerror or error}); give another run_folder, or "
                "room and access to this one."
            ) from error

    @property
    def model(self) -> Path:
        """Returns the folder of the trained model."""
        return self.path / "model"

    @property
    def metrics_bytes(self) -> int:
        """Returns the size of metrics.jsonl in bytes, after a sync to the disk."""
        with self._metrics.open("rb") as file:
            os.fsync(file.fileno())
            return os.fstat(file.fileno()).st_size

    def log(self, row: dict[str, Any]) -> None:
        """Appends one line to metrics.jsonl."""
        self._append(self._metrics, row)

    def log_timing(self, row: dict[str, Any]) -> None:
        """Appends one line to timing.jsonl."""
        self._append(self.path / "timing.jsonl", row)

    def save(self, *save: Callable[[Path], Any]) -> Path:
        """Calls each `save(folder)` with a temporary folder, renames that to `model`, and returns it.

        Raises:
            SpatialLLMError: the model cannot be written; no part of it stays, but the checkpoints do.
        """
        if not self.is_main:
            return self.model
        try:
            with atomic_path(self.model) as temporary:
                temporary.mkdir()
                for write in save:
                    write(temporary)
        except (OSError, SafetensorError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SpatialLLMError(
                f"the model could not be written to {self.model} ({reason}); the last checkpoint is whole: make room or "
                "grant access, and give the same command again."
            ) from error
        return self.model

    def _append(self, path: Path, row: dict[str, Any]) -> None:
        if not self.is_main:
            return
        try:
            before = path.stat().st_size if path.is_file() else 0
            try:
                with path.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(row) + "\n")
            except OSError:
                with contextlib.suppress(OSError):  # half a line
                    os.truncate(path, before)
                raise
        except OSError as error:
            raise SpatialLLMError(
                f"{path} cannot be written ({error.strerror or error}); make room or grant access, and give the same "
                "command again: it goes on from the last checkpoint."
            ) from error

    def _refuse_changes(self, checkpoint: Checkpoint) -> None:
        before, now = checkpoint.record["made_from"], self.made_from
        changed = [
            f"{name} (was {before.get(name, 'not there')}, is {now.get(name, 'not there')})"
            for name in sorted({**before, **now})
            if name not in before or name not in now or before[name] != now[name]
        ]
        if changed and before not in self._earlier:
            raise CheckpointError(
                f"{checkpoint.path} was made with other arguments: {'; '.join(changed)}. Put them back, give another "
                "run_folder, or start anew with schedule.resume=never."
            )

    def _rewind_metrics(self) -> None:
        # Steps after the checkpoint will be logged again, and the last line may be incomplete.
        if self.checkpoint is None:
            write_text(self._metrics, "")
            return
        size = self.checkpoint.record["metrics_bytes"]
        if not self._metrics.is_file() or self._metrics.stat().st_size < size:
            warnings.warn(f"{self._metrics} is shorter than at {self.checkpoint.path.name}: lines are lost.", stacklevel=3)
            self._metrics.touch()
            return
        os.truncate(self._metrics, size)


class MetricsCallback(TrainerCallback):
    """Writes what the Trainer logs into the run folder, in the first process only."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        if state.is_world_process_zero and logs:
            row = {"step": state.global_step, **logs}
            self.run.log({name: value for name, value in row.items() if name not in CLOCK})
            if CLOCK[0] in logs:
                from_step = self.run.checkpoint.step if self.run.checkpoint else 0
                clock = {name: row[name] for name in ("step", *CLOCK) if name in row}
                self.run.log_timing({"from_step": from_step, **clock})
