"""A set of every question type there is: written by our own question writer about scenes drawn without sound."""

import functools

import numpy as np

from spatial_llm.data.records import Record
from spatial_llm.data.simulate.questions import records_of
from spatial_llm.questions import QuestionConfig, QuestionWriter
from tests.questions.scenes import EVERY, LABELS, draw_scenes


@functools.cache
def our_records(scenes: int = 300, seed: int = 0) -> tuple[Record, ...]:
    """Questions of all types about so many scenes."""
    writer = QuestionWriter(QuestionConfig(ask=EVERY, limit=14), np.random.default_rng(seed), LABELS, "eval")
    return tuple(record for scene in draw_scenes(scenes, seed, split="eval") for record in records_of(scene, writer))
