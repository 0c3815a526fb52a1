"""Answers whose distance is drawn around the true one, so that greedy answers are more often within the tolerance.

A greedy answer is the single likeliest one. If a source is at 2 m (30 %), 3 m (25 %), 3.5 m (25 %) or 4 m (20 %), the greedy
answer is 2 m, and 70 % of the time it is wrong by more than 0.5 m; 3.5 m would be wrong in 30 %. A score with a tolerance
rewards the distance with most probability near it. If the distances of the training answers are drawn from a Gaussian around
the truth, the model learns its distribution convolved with that Gaussian, whose maximum is that distance. This is ours;
`training.encoder.run.joint_loss` does the same for the head of the encoder.
"""

import math
from functools import partial

import torch

from spatial_llm.data.records import Record
from spatial_llm.geometry import DISTANCE_STEP_M
from spatial_llm.questions.types import format_value

STEPPED = ("DOA", "MIXUP_SINGLE_DOA", "ROTATED")  # question types whose answer holds a distance in steps of 0.5 m
NEAREST_M = DISTANCE_STEP_M  # no answer states 0 m


def smoothed_answer(record: Record, width_m: float) -> str:
    """Returns the answer of a record, for `STEPPED` types with a drawn distance.

    The distance is drawn with torch's random numbers from a Gaussian of standard deviation `width_m` (metres) around the
    true one, in steps of 0.5 m from 0.5 m upwards.
    """
    if record.question_type not in STEPPED or not record.truth:
        return record.answer
    true_m = record.truth["distance_m"]
    reach = math.ceil(3 * width_m / DISTANCE_STEP_M)
    candidates = [true_m + step * DISTANCE_STEP_M for step in range(-reach, reach + 1)]
    candidates = [distance_m for distance_m in candidates if distance_m >= NEAREST_M] or [true_m]
    weights = torch.tensor([math.exp(-0.5 * ((distance_m - true_m) / width_m) ** 2) for distance_m in candidates])
    drawn_m = candidates[int(torch.multinomial(weights, 1))]
    return format_value(record.question_type, {**record.truth, "distance_m": drawn_m})


def answers_smoothed_by(width_m: float) -> partial[str] | None:
    """Returns `answer_of` for `SpatialQADataset`; None for a width of 0, which keeps the answers of the records."""
    return partial(smoothed_answer, width_m=width_m) if width_m else None
