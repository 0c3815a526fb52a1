"""One `train` function for all runs: transformers' Trainer, set up from our schedule, that can be stopped and resumed.

The Trainer gets what it lacks: checkpoints that are complete or absent (`checkpointing`), batches that are the same after a
stop (`batches`), signals (`interrupts`), and a rule for losses that are not finite (`nonfinite`).
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list
from safetensors.torch import save_file
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import Dataset, Sampler
from transformers import Trainer, TrainerCallback, TrainingArguments, set_seed

from spatial_llm.errors import CheckpointError, SpatialLLMError
from spatial_llm.model.padding import TOKEN_WEIGHTS
from spatial_llm.training.engine.batches import SAMPLE_INDICES, EpochOrder, SeededBatches, as_it_is
from spatial_llm.training.engine.checkpoint_parts import (
    check_state,
    load_optimizer_and_scheduler,
    load_weights,
    part_read,
)
from spatial_llm.training.engine.checkpointing import PARTS, being_written, finish, keep_last
from spatial_llm.training.engine.interrupts import SaveAndStop, StopSignals
from spatial_llm.training.engine.launching import backend, processes, use_cpu
from spatial_llm.training.engine.nonfinite import NonFiniteSteps
from spatial_llm.training.engine.run_folder import MetricsCallback, RunFolder
from spatial_llm.training.engine.schedule import Schedule
from spatial_llm.training.engine.trainable import (
    frozen_hashes,
    kept_use_cache,
    measures,
    offloaded,
    other_weights,
    probe,
    trained_tensors,
)

WEIGHTS = "model.safetensors"
DECAYS = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}  # ours to the Trainer's


def train(
    model: nn.Module,
    dataset: Dataset,
    collate: Callable[[list[Any]], dict[str, torch.Tensor]],
    schedule: Schedule,
    run: RunFolder,
    seed: int,
    loss: Callable[[nn.Module, dict[str, torch.Tensor]], torch.Tensor] | None = None,
    order: Callable[[int], Sequence[int]] | None = None,
    optimizers: tuple[Optimizer, LRScheduler] | None = None,
    offload: Sequence[str] = (),
    some_unused: bool = False,
    callbacks: Sequence[TrainerCallback] = (),
) -> float:
    """Trains the parameters of `model` that require gradients; returns the mean loss of the run.

    It resumes from `run.checkpoint`, to the same weights as a run that never stopped; from the checkpoint of the last step,
    it only loads the weights. A SIGTERM or Ctrl-C ends the process with status 75 (`SystemExit`) after the current step and
    a checkpoint.

    Args:
        model: its forward takes the collated batch and returns an output with `loss`.
        dataset: samples, which may draw random numbers; errors name them by `sample_id(index)` if it has that.
        collate: list of samples -> batch of tensors.
        schedule: steps, rates, sizes, checkpoints.
        run: the run folder for metrics and checkpoints.
        seed: seed of the order of samples and of what they draw.
        loss: `(model, batch) -> loss` in place of the model's own.
        order: `order(epoch)` -> indices of the samples of that epoch, equally many in each; None shuffles all of them.
        optimizers: optimiser and learning-rate scheduler, in place of those of `schedule`.
        offload: children of `model` that its forward does not need for these batches; they stay on the CPU.
        some_unused: whether some losses leave out parameters that train; several processes must know it.
        callbacks: are told of each step, and of each line of metrics before it is written, to which they may add.

    Raises:
        SpatialLLMError: no samples, nothing to train, a loss or gradient that is not finite, or the disk is full.
        CheckpointError: the checkpoint does not fit the model, or was made on another frozen part.
    """
    if len(dataset) == 0:
        raise SpatialLLMError("0 training samples, expected at least one: look at the manifest's split and types.")
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise SpatialLLMError("nothing to train: all parameters are frozen.")
    if schedule.activation_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    with StopSignals() as signals, offloaded(model, offload) as offloaded_hashes, kept_use_cache(model):
        trainer = SafeTrainer(
            model=model,
            args=training_arguments(schedule, run, seed, len(dataset), some_unused),
            train_dataset=SeededBatches(dataset, collate, seed),
            data_collator=as_it_is,
            callbacks=[*callbacks, MetricsCallback(run)],
            optimizers=optimizers or (None, None),
        )
        trainer.set_up(run, schedule, signals, EpochOrder(len(dataset), seed, order), loss, offloaded_hashes)
        mean_loss = trainer.run_or_resume()
    trainer.check_frozen()
    model.eval()
    return mean_loss


class SafeTrainer(Trainer):
    """The Trainer with our checkpoints, our order of samples, and a loss of the whole batch.

    The Trainer's own `compute_loss_func` gets only one tensor of labels.
    """

    def set_up(
        self,
        run: RunFolder,
        schedule: Schedule,
        signals: StopSignals,
        order: EpochOrder,
        loss: Callable[[nn.Module, dict[str, torch.Tensor]], torch.Tensor] | None,
        offloaded_hashes: dict[str, str],
    ) -> None:
        """Sets what the Trainer's constructor has no argument for; see `train`."""
        self.run, self.order, self.loss = run, order, loss
        self.keep_checkpoints = schedule.keep_checkpoints
        self.sharded = self.is_deepspeed_enabled or self.is_fsdp_enabled
        # No process has the whole of parts that are sharded, so they are not checked.
        self.frozen = {} if self.sharded else frozen_hashes(self.model) | offloaded_hashes
        self.began = {} if self.sharded else probe(trained_tensors(self.model))
        self.epoch_iterator: Any = (nothing for nothing in ())
        self.nonfinite = NonFiniteSteps(self, schedule)
        self.add_callback(SaveAndStop(self, schedule.save_every, signals))

    def run_or_resume(self) -> float:
        """Trains from the start, or from the checkpoint of the run; returns the mean loss of all steps."""
        checkpoint = self.run.checkpoint
        found = [str(checkpoint.path), checkpoint.record, checkpoint.fresh] if checkpoint else [None, None, ()]
        path, record, self.fresh = broadcast_object_list(found)  # the first process decides for all
        self.resumed_from = path and Path(path)
        if path and (changed := self._changed(record["frozen"])):
            raise CheckpointError(
                f"{path} was made on another frozen {changed} than this run has: give the same one, or start anew with "
                "schedule.resume=never."
            )
        if path and (other := other_weights(record["began"], self.began)):
            raise CheckpointError(
                f"{path} began with other weights than this run ({', '.join(other[:4])}): was a stage before it trained "
                "anew? Start anew with schedule.resume=never, or give another run_folder."
            )
        if path:
            check_state(self.resumed_from, int(self.resumed_from.name.removeprefix("step-")))
        if checkpoint:
            print(f"going on from {path}, step {checkpoint.step} of {self.args.max_steps}", flush=True)
        return self.train(resume_from_checkpoint=path).training_loss

    def check_frozen(self) -> None:
        """Raises SpatialLLMError if training has changed a frozen part."""
        if not self.sharded and (changed := self._changed(frozen_hashes(self.model))):
            raise SpatialLLMError(f"the frozen {changed} changed during training, which is a bug; no model was saved.")

    def _changed(self, hashes: dict[str, str]) -> str:
        return ", ".join(sorted(part for part in {**hashes, **self.frozen} if hashes.get(part) != self.frozen.get(part)))

    # The order of samples

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler:
        return self.order

    def _run_epoch(self, *args: Any, epoch: int, **kwargs: Any) -> None:
        if self.state.global_step >= self.args.max_steps:  # resumed after the last step
            self.control.should_training_stop = True
            return
        self.order.epoch = epoch
        try:
            super()._run_epoch(*args, epoch=epoch, **kwargs)
        finally:
            # End the loader workers now; the garbage collector would wait five seconds for each of them.
            self.epoch_iterator.close()

    def get_batch_samples(self, epoch_iterator: Any, *args: Any, **kwargs: Any) -> tuple[list, Any]:
        self.epoch_iterator = epoch_iterator
        batches, items = super().get_batch_samples(epoch_iterator, *args, **kwargs)
        self.nonfinite.begin_step()
        self.waiting = [batch.pop(SAMPLE_INDICES) for batch in batches]
        return batches, items

    # The loss, and what is not finite

    def _get_num_items_in_batch(self, batch_samples: list, device: torch.device) -> Any:
        """Returns what the sum of the loss is divided by: the labels of all batches and processes of a step or, where a
        batch weighs its labels, the sum of their weights."""
        items = super()._get_num_items_in_batch(batch_samples, device)
        if items is None or TOKEN_WEIGHTS not in batch_samples[0]:
            return items
        weight = sum(batch[TOKEN_WEIGHTS].sum() for batch in batch_samples).to(device)
        together = self.args.average_tokens_across_devices and self.args.world_size > 1
        return self.accelerator.gather(weight).sum() if together else weight

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if self.loss is None:
            return super().compute_loss(model, inputs, *args, **kwargs)
        return self.loss(model, inputs)

    def training_step(self, model: nn.Module, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        self.nonfinite.begin_batch(inputs, self.waiting.pop(0))
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.nonfinite.look_at_loss(loss)
        return loss

    def _get_grad_norm(self, model: nn.Module, grad_norm: Any = None) -> Any:
        return self.nonfinite.look_at_gradient(super()._get_grad_norm(model, grad_norm))

    def log(self, logs: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        logs = self.nonfinite.corrected(logs)
        super().log(logs | measures(self.model) if "loss" in logs else logs, *args, **kwargs)

    def repeated_loss(self, model: nn.Module, batch: dict[str, Any]) -> torch.Tensor:
        """Returns the loss of a batch as a training step computes it."""
        with self.compute_loss_context_manager():
            return self.compute_loss(model, batch)

    # Checkpoints

    @property
    def _progress_name(self) -> str:
        return f"progress-{self.args.process_index}.json"

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        step, folder = self.state.global_step, self.run.checkpoints
        self.store_flos()
        if self.args.world_size == 1:
            with being_written(folder, step) as temporary:
                self._write_parts(temporary)
                self._finish(temporary, step)
            return
        # Every process writes its part; the first process makes the folder and finishes it.
        writing = being_written(folder, step)
        if self.run.is_main:
            writing.__enter__()
        self.accelerator.wait_for_everyone()
        self._write_parts(folder / f".step-{step:08d}.new")
        self.accelerator.wait_for_everyone()
        if self.run.is_main:
            self._finish(folder / f".step-{step:08d}.new", step)
            writing.__exit__(None, None, None)
        self.accelerator.wait_for_everyone()

    def _write_parts(self, folder: Path) -> None:
        if self.args.should_save and not self.sharded:  # sharded weights go with the optimiser
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in trained_tensors(self.model).items()}
            save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        if self.args.should_save:
            self.state.save_to_json(str(folder / "trainer_state.json"))
        # The Trainer does not save the losses since the last line of metrics.
        since, before = self._tr_loss.item(), self._total_loss_scalar
        progress = {"since": since, "before": before, "logged": self._globalstep_last_logged,
                    "nonfinite": self.nonfinite.state()}  # fmt: skip
        (folder / self._progress_name).write_text(json.dumps(progress))

    def _finish(self, temporary: Path, step: int) -> None:
        record = {"made_from": self.run.made_from, "frozen": self.frozen, "began": self.began,
                  "metrics_bytes": self.run.metrics_bytes}  # fmt: skip
        finish(temporary, step, record)
        keep_last(self.run.checkpoints, self.keep_checkpoints, step)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        if self.sharded:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
            return
        load_weights(Path(resume_from_checkpoint) / WEIGHTS, trained_tensors(self.model))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or self.sharded:
            super()._load_optimizer_and_scheduler(checkpoint)
            return
        where = self.args.device if self.args.world_size > 1 and self.args.device.type != "cpu" else torch.device("cpu")
        load_optimizer_and_scheduler(
            self.optimizer, self.lr_scheduler, Path(checkpoint), self.fresh, self.state.global_step, where
        )

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if "rng" in self.fresh:
            set_seed(self.args.seed + self.state.global_step + self.args.process_index)
            return
        own = f"_{self.args.process_index}" if self.args.world_size > 1 else ""
        with part_read(Path(checkpoint or "") / PARTS["rng"].replace("*", own)):
            super()._load_rng_state(checkpoint)


def training_arguments(
    schedule: Schedule, run: RunFolder, seed: int, samples: int, some_unused: bool = False
) -> TrainingArguments:
    """Returns the Trainer's arguments for `schedule` and a number of samples; saving is off, since checkpoints are ours."""
    steps = schedule.optimizer_steps(samples, processes())
    return TrainingArguments(
        output_dir=str(run.path),
        max_steps=steps,
        per_device_train_batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        warmup_steps=max(1, round(schedule.warmup_fraction * steps)),
        lr_scheduler_type=DECAYS[schedule.decay],
        weight_decay=schedule.weight_decay,
        max_grad_norm=schedule.max_grad_norm,
        gradient_accumulation_steps=schedule.gradient_accumulation,
        bf16=schedule.precision == "bf16",
        dataloader_num_workers=schedule.loader_workers,
        dataloader_pin_memory=torch.cuda.is_available(),
        use_cpu=use_cpu(),
        ddp_backend=backend(),
        # Explicit, because by default the Trainer looks for unused ones unless activations are checkpointed, and then fails.
        ddp_find_unused_parameters=some_unused,
        seed=seed,
        logging_steps=schedule.log_every,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=schedule.report_to or "none",
        remove_unused_columns=False,
    )
