"""SIGTERM and Ctrl-C: the run finishes its step, saves a checkpoint, and exits with status 75.

75 is EX_TEMPFAIL of sysexits.h, "try again later": the same command resumes from the checkpoint. A second signal ends the
process at once, as without a handler. Loader workers, which a Ctrl-C in the terminal reaches too, ignore it; they work until
the training process ends them.
"""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

import torch
from transformers import TrainerCallback

from spatial_llm.door import STOPPED
from spatial_llm.training.engine.checkpoint_parts import read_progress

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Handles the signals inside its context.

    Attributes:
        requested: whether a signal has come; the training loop looks at it after each step.
    """

    def __init__(self) -> None:
        self.requested = False
        self._process = os.getpid()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():  # Python delivers signals to no other
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return
        if self.requested:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self.requested = True
        name = signal.Signals(number).name
        # os.write, because the signal may interrupt a print, which must not be entered a second time.
        os.write(sys.__stderr__.fileno(), f"\n{name}: finishing this step and saving; once more ends it now.\n".encode())


class SaveAndStop(TrainerCallback):
    """Decides when the Trainer saves and stops, and restores the losses that a stopped run had not logged yet.

    Args:
        trainer: the `SafeTrainer`.
        save_every: steps between two checkpoints; 0 saves after the last step only.
        signals: the signals of this run.
    """

    def __init__(self, trainer: Any, save_every: int, signals: StopSignals) -> None:
        self.trainer, self.every, self.signals = trainer, save_every, signals
        self.stopping = False

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.trainer.resumed_from is not None:
            progress = read_progress(self.trainer.resumed_from / self.trainer._progress_name)
            self.trainer._tr_loss += progress["since"]
            self.trainer._total_loss_scalar = progress["before"]
            self.trainer._globalstep_last_logged = progress["logged"]
            self.trainer.nonfinite.resume(progress["nonfinite"], progress["logged"])

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.stopping = self._asked_to_stop()
        regular = self.every and state.global_step % self.every == 0
        if regular or self.stopping or state.global_step >= args.max_steps:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.stopping:
            print(f"stopped at step {state.global_step} with a checkpoint; the same command goes on from it.", flush=True)
            raise SystemExit(STOPPED)

    def _asked_to_stop(self) -> bool:
        if self.trainer.args.world_size == 1:
            return self.signals.requested
        asked = torch.tensor(float(self.signals.requested), device=self.trainer.args.device)
        return bool(self.trainer.accelerator.reduce(asked, "sum") > 0)
