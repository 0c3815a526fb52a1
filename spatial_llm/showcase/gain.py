"""What a training has changed, in a few lines: the share of right answers before and after, by kind of question.

The measure is the main one of each question type (see `metrics.type_metrics`): the whole value right, and within 20 degrees
or 0.5 m where it is a number. Note: both runs answered the same questions about the same recordings, so the interval of the
difference draws recordings for both at once. For all metrics of two runs see `scoring.compare`.
"""

from pathlib import Path

import numpy as np

from spatial_llm.evaluation.metrics import read_answers, right_of
from spatial_llm.evaluation.predicting.evaluation_set import EvaluationSet
from spatial_llm.evaluation.predicting.predictions import read_predictions
from spatial_llm.evaluation.scoring.baselines import question_only_answers
from spatial_llm.evaluation.statistics.bootstrap import Bootstrap, mean_of
from spatial_llm.evaluation.text_tables import format_grid
from spatial_llm.questions.types import QUESTION_TYPES

RESAMPLES = 2000


def gain(before: str | Path, after: str | Path, evaluation_set: EvaluationSet) -> list[dict[str, float | int | str]]:
    """Returns a row for each question type: type, n, recordings; in percent: guess (from the question alone), before, after
    and gain, the last three each with its interval: before_low, before_high and so on.

    Args:
        before, after: predictions.jsonl of two runs on `evaluation_set`.

    Raises:
        ManifestError: one of them was made for other questions, or is damaged (see `read_predictions`).
    """
    items, sha256 = evaluation_set.items, evaluation_set.sha256
    bootstrap = Bootstrap([item.recording_id for item in items], RESAMPLES)
    texts = [read_predictions(path, items, sha256) for path in (before, after)]
    first, second, guess = (100 * right_of(read_answers(items, each)) for each in (*texts, question_only_answers(items)))
    types = np.array([QUESTION_TYPES[item.question_type] for item in items])
    rows = []
    for name in dict.fromkeys(types.tolist()):
        chosen = np.flatnonzero((types == name) & ~np.isnan(first))
        row: dict[str, float | int | str] = {"type": name, "n": len(chosen), "recordings": bootstrap.recordings_of(chosen)}
        row["guess"] = float(guess[chosen].mean())
        for key, right in (("before", first), ("after", second), ("gain", second - first)):
            low, high = bootstrap.interval(mean_of(right[chosen]), chosen)
            row |= {key: float(right[chosen].mean()), f"{key}_low": low, f"{key}_high": high}
        rows.append(row)
    return rows


def format_gain(rows: list[dict[str, float | int | str]], trained: str) -> str:
    """Formats the rows of `gain` as a table, with the family that was trained first."""
    rows = sorted(rows, key=lambda row: row["type"] != trained)
    header = ["right answers, %", "guessing", "before", "after", "gain", "n", "recordings"]

    def cells(row: dict[str, float | int | str]) -> list[str]:
        shown = [f"{row[key]:.1f} ({row[f'{key}_low']:.1f} to {row[f'{key}_high']:.1f})" for key in ("before", "after")]
        change = f"{row['gain']:+.1f} ({row['gain_low']:+.1f} to {row['gain_high']:+.1f})"
        name = f"{row['type']} (trained now)" if row["type"] == trained else f"{row['type']} (known before)"
        return [name, f"{row['guess']:.1f}", *shown, change, str(row["n"]), str(row["recordings"])]

    return format_grid(header, [cells(row) for row in rows])
