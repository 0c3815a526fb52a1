"""A set of every question type there is: written by our own question writer about scenes drawn without sound."""

import functools

import numpy as np

from spatial_llm.data.records import Record
from spatial_llm.data.simulate.questions import records_of
from spatial_llm.questions import QuestionConfig, QuestionWriter
from spatial_llm.questions.types import parse_value
from tests.questions.moving_scenes import EVERY_MOTION, draw_moving_scenes
from tests.questions.scenes import EVERY, LABELS, draw_scenes


@functools.cache
def our_records(scenes: int = 300, seed: int = 0) -> tuple[Record, ...]:
    """Questions of all types about so many scenes."""
    writer = QuestionWriter(QuestionConfig(ask=EVERY, limit=14), np.random.default_rng(seed), LABELS, "eval")
    return tuple(record for scene in draw_scenes(scenes, seed, split="eval") for record in records_of(scene, writer))


@functools.cache
def moving_records(scenes: int = 200, seed: int = 0) -> tuple[Record, ...]:
    """Questions about motion, and whatever else can be asked of scenes in which something moves."""
    config = QuestionConfig(ask=EVERY | EVERY_MOTION, limit=24)
    writer = QuestionWriter(config, np.random.default_rng(seed), LABELS, "train")
    return tuple(record for scene in draw_moving_scenes(scenes, seed) for record in records_of(scene, writer))


def own_records() -> list[Record]:
    """Questions of one's own about recordings of one's own, with free answers, one of which declines to answer."""
    texts = ["It is the kitchen.", "The hall: it rings", "-3 dB", "3 dB", "Nobody can tell; it is unclear."]
    return [
        Record(
            f"own-{index}", f"own-{index // 2}", "open", "OPEN", "Where was it?", text, parse_value("OPEN", text), "eval",
            32_000, audio=f"{index // 2}.wav",
        )
        for index, text in enumerate(texts)
    ]  # fmt: skip
