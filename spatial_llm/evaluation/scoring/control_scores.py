"""The controls beside a run: the same model's answers to altered recordings, and answers from the question alone.

Each control is a folder <predictions folder>/controls/<name> that predict writes; its questions may be some of the run's.
Every number of a control has the real run's number on the same items beside it, because a control on fewer items must not be
compared with the whole.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from spatial_llm.evaluation.metrics import (
    Metric,
    ScoredRun,
    Truth,
    interval_of,
    mirrored_truths,
    read_answers,
    reversed_truths,
)
from spatial_llm.evaluation.predicting.predictions import control_names, read_control
from spatial_llm.evaluation.scoring.baselines import question_only_answers
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap

SWAPPED, MIRRORED, QUESTION_ONLY = "ears_swapped", "ears_swapped_mirrored", "question_only"
REVERSED, OTHER_WAY = "time_reversed", "time_reversed_answers"
NOTES = {
    "no_audio": "the same model, every recording replaced by silence",
    "other_audio": "the same model, every recording replaced by that of another question",
    SWAPPED: "the same model, left and right ear exchanged; scored against the true answers",
    MIRRORED: "the answers of ears_swapped, scored against the answers that are true after the exchange",
    REVERSED: "the same model, every recording played backwards; scored against the true answers",
    OTHER_WAY: "the answers of time_reversed, scored against the answers that are true of the recording played backwards",
    "ears_equal": "the same model, both ears given the same signal",
    QUESTION_ONLY: "no model: the commonest answer to the wording of the question in other recordings; a little below "
    "chance where answers are even",
}


@dataclass(frozen=True, eq=False)
class Control:
    """One control: its answers to the items of the set at `rows`."""

    run: ScoredRun
    rows: np.ndarray
    source: Literal["model", "question"]
    note: str


def read_controls(predictions: str | Path, manifest_sha256: str, run: ScoredRun, seed: int) -> dict[str, Control]:
    """Returns the controls beside a predictions.jsonl, by name, sorted, and the question-only baseline, which is made here.

    Args:
        predictions, manifest_sha256: path of the real predictions, and the hash of their questions.
        run: the real predictions; its truths serve the controls.
        seed: of the baseline's draws.

    Raises:
        ManifestError: predictions of a control are damaged or not of these questions, or its run.json names another one.
    """
    controls = {}
    for name in control_names(predictions):
        rows, texts = read_control(predictions, name, run.items, manifest_sha256)
        answers = read_answers([run.items[row] for row in rows], texts, [run.truths[row] for row in rows], run.known)
        controls[name] = Control(answers, np.array(rows, dtype=np.intp), "model", NOTES.get(name, ""))
    if SWAPPED in controls:
        controls[MIRRORED] = _retold(controls[SWAPPED], mirrored_truths, MIRRORED)
    if REVERSED in controls:
        controls[OTHER_WAY] = _retold(controls[REVERSED], reversed_truths, OTHER_WAY)
    every = np.arange(len(run.items))
    guesses = read_answers(run.items, question_only_answers(run.items, seed), run.truths, run.known)
    controls[QUESTION_ONLY] = Control(guesses, every, "question", NOTES[QUESTION_ONLY])
    return dict(sorted(controls.items()))


def control_scores(
    control: Control,
    real: ScoredRun,
    metrics_of: Callable[[ScoredRun], dict[str, Metric]],
    resamples: int,
    seed: int,
    confidence: float,
    reading: str = "strict",
) -> dict[str, Any]:
    """Returns what scores.json holds of a control: its metrics, each with the real run on the same items."""
    same = _subset(real, control.rows)
    bootstrap = Bootstrap([item.recording_id for item in control.run.items], resamples, seed)
    of_control, of_real = metrics_of(control.run), metrics_of(same)
    metrics = {
        name: interval_of(metric.by(reading), metric.rows, bootstrap, confidence)
        | {
            "n": len(metric.rows),
            "unparsed": metric.unparsed_by(reading),
            "same_items": interval_of(of_real[name].by(reading), of_real[name].rows, bootstrap, confidence),
        }
        for name, metric in of_control.items()
        if name in of_real
    }
    return {"from": control.source, "metrics": metrics, "note": control.note, "recordings": bootstrap.recordings}


def _retold(altered: Control, truths_of: Callable[..., list[Truth | None]], name: str) -> Control:
    """Returns the same answers with the truths of the altered recordings, on the items whose truth is then known."""
    truths = truths_of(altered.run.items, altered.run.truths)
    known = np.array([row for row, truth in enumerate(truths) if truth is not None], dtype=np.intp)
    kept = _subset(altered.run, known)
    run = ScoredRun(kept.items, kept.texts, [truths[row] for row in known], kept.known, kept.readings, kept.refused)
    left_out = len(truths) - len(known)
    note = NOTES[name] + (f"; left out: {left_out} items whose answer is then not known" if left_out else "")
    return Control(run, altered.rows[known], "model", note)


def _subset(run: ScoredRun, rows: np.ndarray) -> ScoredRun:
    """Returns the same answers to some of the items."""

    def some(values: Any) -> list:
        return [values[row] for row in rows]

    readings = {reading: some(found) for reading, found in run.readings.items()}
    return ScoredRun(some(run.items), some(run.texts), some(run.truths), run.known, readings, run.refused[rows])
