"""Manifests of drawn scenes, half of them heard by two ears and half by microphones on a plane."""

import dataclasses
from pathlib import Path

import numpy as np

from spatial_llm.audio.formats import parse_format
from spatial_llm.data.records import Record, write_manifest
from spatial_llm.data.simulate.questions import records_of
from spatial_llm.questions import QuestionConfig, QuestionWriter
from tests.questions.scenes import LABELS, SEVERAL, draw_scenes

SQUARE = parse_format("array:[[0.05,0.05,0],[0.05,-0.05,0],[-0.05,0.05,0],[-0.05,-0.05,0]]")


def written(path: Path, scenes: int, seed: int = 3, ask: dict[str, int] = SEVERAL) -> list[Record]:
    """Writes a manifest of questions of some families about so many scenes; returns its records."""
    writer = QuestionWriter(QuestionConfig(ask=ask, limit=12), np.random.default_rng(seed), LABELS, "train")
    drawn = draw_scenes(scenes, seed)
    drawn = [dataclasses.replace(scene, format=SQUARE) if index % 2 else scene for index, scene in enumerate(drawn)]
    records = [record for scene in drawn for record in records_of(scene, writer)]
    write_manifest(path, records)
    return records
