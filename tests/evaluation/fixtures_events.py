"""A manifest of scenes whose truth is written by hand, without a simulation: what sounds, from when to when, and where."""

import dataclasses
import json
from pathlib import Path

from spatial_llm.data.record import Record
from spatial_llm.questions.types import parse_value
from spatial_llm.scenes.scene import SceneTruth, SourceTruth, direction_of
from tests.scenes import small

SCENES = {  # recording -> azimuth, class, onset, offset
    "one": ((30.0, "bell", 0.112, 0.52), (-100.0, "rain", 0.4, 1.0)),
    "two": ((170.0, "rain", 0.0, 0.913),),
    "three": ((10.0, "bell", 0.25, 0.75), (60.0, "bell", 0.3, 0.3)),  # the second is never heard
}


def records() -> list[Record]:
    """Two questions about each scene."""
    found = []
    for name, sounds in SCENES.items():
        sources = [small.source(azimuth_deg, f"synth:{label}/1") for azimuth_deg, label, _, _ in sounds]
        truth = SceneTruth(
            tuple(
                SourceTruth(*(round(float(value), 4) for value in direction_of(small.LISTENER, source.position_m)), *times)
                for source, (_, _, *times) in zip(sources, sounds, strict=True)
            )
        )
        scene = dataclasses.replace(small.scene(*sources), id=name, split="eval", truth=truth)
        for number in range(2):
            answer = str(len(sounds))
            found.append(
                Record(f"{name}-{number}", name, "count", "COUNT_SOURCES", "How many sounds are there?", answer,
                       parse_value("COUNT_SOURCES", answer), "eval", scene.sampling_rate, scene=scene)
            )  # fmt: skip
    return found


def write_events_manifest(path: Path) -> Path:
    """Writes the manifest and returns its path."""
    path.write_text("".join(json.dumps(record.to_dict()) + "\n" for record in records()), encoding="utf-8")
    return path
