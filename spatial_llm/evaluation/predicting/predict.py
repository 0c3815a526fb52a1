"""Answers all questions of an evaluation set with a model -> predictions.jsonl, and those of the controls beside it.

Note: a recording is encoded once, however many questions are asked about it. Questions are gathered around batches of
recordings, sorted by length and padded on the left. Which questions share a batch depends on the questions and the batch
size alone, not on where an interrupted run stopped; and no answer depends on the batch (see `answering`). So a resumed run
writes the same bytes as an uninterrupted one.

    <out>/predictions.jsonl, run.json                       the answers, and what they were made with
    <out>/controls/<control>/predictions.jsonl, run.json    the same questions, recordings changed (see `controls`)
"""

import contextlib
import hashlib
import shutil
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from spatial_llm.audio.formats import needs_ears
from spatial_llm.encoders.seal import SEAL
from spatial_llm.errors import ManifestError
from spatial_llm.evaluation.predicting.answering import Answerer
from spatial_llm.evaluation.predicting.controls import Load, check_controls, control_items, control_loader
from spatial_llm.evaluation.predicting.evaluation_set import EvaluationSet, Item
from spatial_llm.evaluation.predicting.predictions import CONTROL_FOLDER, PREDICTIONS, PredictionWriter
from spatial_llm.evaluation.predicting.tasks import Task
from spatial_llm.files import check_place, sha256_of
from spatial_llm.locks import one_writer
from spatial_llm.model.pipeline import SpatialLLM
from spatial_llm.provenance import provenance
from spatial_llm.shipped import find_model

# Recordings encoded before their questions are sorted: enough for sorting, few enough for memory.
RECORDING_BATCHES = 8


def model_sha256(folder: str | Path) -> str:
    """Returns one hash for a saved (or shipped) model: of the names and contents of all files in its folder but its seal."""
    folder = Path(find_model(folder))
    files = sorted((path.relative_to(folder).as_posix(), path) for path in folder.rglob("*") if path.is_file())
    # Sealing a folder does not change the model.
    files = [(name, path) for name, path in files if name != SEAL]
    return hashlib.sha256("\n".join(f"{name} {sha256_of(path)}" for name, path in files).encode()).hexdigest()


def predict(
    model_folder: str | Path,
    evaluation_set: EvaluationSet,
    out: str | Path,
    task: Task,
    batch_size: int = 16,
    resume: bool = False,
    device: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    merge_lora: bool = False,
) -> Path:
    """Answers every question and runs the task's controls; returns the path of predictions.jsonl.

    Args:
        model_folder: a saved SpatialLLM, or the name of one that comes with the package.
        evaluation_set: questions and recordings.
        out: folder of the results; what it holds is replaced when a run is complete, controls of an earlier one removed.
        task: prompt, decoding, room responses, controls and seed. Its questions are those of `evaluation_set`.
        batch_size: number of questions in a batch.
        resume: continue an interrupted run of the same model, questions and settings instead of starting anew.
        device: name of a torch device; None for a GPU if there is one.
        overrides: values in place of the task's, by dotted key; recorded.
        merge_lora: answer with LoRA added to the weights (see `adapters.lora_merged`); recorded. It is faster, but rounding
            differs: if two tokens are nearly equally likely the answer may change. So it is not the default.

    Raises:
        ManifestError: a recording cannot be made (names the record), a control makes no sense for it, or there is nothing
            of the same settings to resume.
        SpatialLLMError: an override that the task cannot have, or another process writes into the folder.
    """
    if batch_size < 1:
        raise ManifestError(f"batch_size is {batch_size}; give 1 or more.")
    check_place(out, folder=True)
    base, task = task, task.override(overrides or {})
    if task.responses != "as_recorded":
        evaluation_set = evaluation_set.with_responses(task.responses)
    model = SpatialLLM.from_pretrained(model_folder)
    taken = model.processor.feature_extractor.format
    check_controls(task.controls, evaluation_set, taken)
    model.model.to(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    settings = _settings(base, task, overrides or {}, evaluation_set, model_folder, model) | {"batch_size": batch_size}
    if (
        merge_lora and model.model.config.lora is not None
    ):  # written only where it is set, so that runs of earlier versions can be resumed
        settings["lora_merged"] = True
    derived = {item.id for item in evaluation_set.items if needs_ears(item.format, taken)}
    if derived:
        head = getattr(evaluation_set, "head", None)
        settings["derived"] = {"questions": len(derived), "head_sha256": None if head is None else sha256_of(head)}
        model.rendering(next(item.format for item in evaluation_set.items if item.id in derived), head)  # says what is lost
    answerer, out = Answerer(model, task, batch_size), Path(out)
    merged = model.lora_merged() if merge_lora else contextlib.nullcontext()
    with one_writer(out / PREDICTIONS, "predictions are being written"), merged:
        path = _run(answerer, evaluation_set.items, evaluation_set.load, out, settings, resume, "predict", derived)
        if not resume:  # the controls of the run that has just been replaced
            shutil.rmtree(out / CONTROL_FOLDER, ignore_errors=True)
        chosen = control_items(evaluation_set.items, task.control_recordings, task.seed)
        recordings = len({item.recording_id for item in chosen})
        for name in task.controls:
            load = control_loader(name, evaluation_set, task.seed, taken)
            of_control = settings | {"control": {"name": name, "recordings": recordings}}
            with warnings.catch_warnings():
                # Warnings about recordings that a control silences, and about long ones, which the run has given already.
                warnings.simplefilter("ignore")
                _run(answerer, chosen, load, out / CONTROL_FOLDER / name, of_control, resume, name, derived)
    return path


def _settings(
    base: Task,
    task: Task,
    overrides: Mapping[str, Any],
    evaluation_set: EvaluationSet,
    folder: str | Path,
    model: SpatialLLM,
) -> dict[str, Any]:
    """Returns everything the answers depend on, for run.json; each control adds its own settings."""
    return provenance(task.seed) | {
        "task": base.identity(),
        "overrides": {key: value for key, value in sorted(overrides.items()) if not key.startswith("control")},
        "prompt": task.prompt,
        "decoding": asdict(task.decoding),
        "responses": task.responses,
        "manifest_sha256": evaluation_set.sha256,
        "model_sha256": model_sha256(folder),
        "device": model.model.device.type,
        "dtype": str(model.model.dtype).removeprefix("torch."),
        "control": None,
    }


def _run(
    answerer: Answerer,
    items: Sequence[Item],
    load: Load,
    out: Path,
    settings: dict[str, Any],
    resume: bool,
    title: str,
    derived: Collection[str],
) -> Path:
    writer = PredictionWriter(out, settings, resume=resume)
    with tqdm(total=len(items), initial=len(writer.done), unit="question", desc=title) as bar:
        for chunk in _chunks(items, RECORDING_BATCHES * settings["batch_size"]):
            for answers in answerer.answer(chunk, load, writer.done):
                bar.update(len(answers.keys() - writer.done.keys()))
                writer.add(answers)
    return writer.finish(items, derived)


def _chunks(items: Sequence[Item], recordings: int) -> Iterator[dict[str, list[Item]]]:
    """Yields questions by recording_id, up to `recordings` recordings at a time, in the order in which they first occur."""
    by_recording: dict[str, list[Item]] = {}
    for item in items:
        by_recording.setdefault(item.recording_id, []).append(item)
    ids = list(by_recording)
    for start in range(0, len(ids), recordings):
        yield {id: by_recording[id] for id in ids[start : start + recordings]}
