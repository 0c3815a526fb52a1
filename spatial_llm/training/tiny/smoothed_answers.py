"""Answers whose distance is taught with a little noise, so that a model that answers greedily errs less.

A greedy answer is the likeliest one. If a sound may be 2 m away (30 %), 3 m (25 %), 3.5 m (25 %) or 4 m (20 %), that is
2 m, and 70 % of the time it is off by more than 0.5 m; 3.5 m would be so in 30 %. Whoever is scored by a tolerance wants the
distance that most likely lies near. Distances drawn from a bump around the truth teach exactly that: the model learns its
belief smoothed by the bump, and the top of the smoothed belief is its answer. Our own; `training.encoder.joint_loss` does
the same for the encoder's head.
"""

import math
from functools import partial

import torch

from spatial_llm.data.records import Record
from spatial_llm.geometry import DISTANCE_STEP_M
from spatial_llm.questions.types import format_value

STEPPED = ("DOA", "MIXUP_SINGLE_DOA", "ROTATED")  # question types whose answer holds a distance in steps of 0.5 m
NEAREST_M = DISTANCE_STEP_M  # no source is said to be at 0 m


def smoothed_answer(record: Record, width_m: float) -> str:
    """The answer of a record; of `STEPPED` types with a distance drawn, by torch's random numbers, from a Gaussian of
    standard deviation `width_m` around the true one, in steps of 0.5 m from 0.5 m on."""
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
    """`answer_of` for `SpatialQADataset`: smoothed answers, or for a width of 0 None, the records' own."""
    return partial(smoothed_answer, width_m=width_m) if width_m else None
