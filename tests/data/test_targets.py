"""What an encoder is taught, from every form of record that says it."""

import dataclasses

import pytest

from spatial_llm.data.record import Pair, Record
from spatial_llm.data.targets import Target, targets_of
from spatial_llm.errors import ManifestError
from spatial_llm.scenes.scene import Listener, Room, Scene, SceneTruth, Source, SourceTruth

COMMON = {
    "id": "q", "recording_id": "r", "type": "A", "question_type": "CLASSIFICATION", "question": "?", "answer": "bell",
    "truth": {"labels": ["bell"]}, "split": "eval", "sampling_rate": 32000,
}  # fmt: skip


def test_a_scene_a_pair_and_a_file():
    truth = SceneTruth((SourceTruth(90.0, 0.0, 1.0, 0.0, 1.0),))
    room, source = Room("r", (4.0, 4.0, 3.0), 0.5), Source("bell", "synth:bell/1", (2.0, 3.0, 1.0))
    scene = Scene("s", "eval", 0, 1.0, 32000, room, Listener((2.0, 2.0, 1.0)), (source,), truth=truth)
    assert targets_of(Record(**COMMON, scene=scene)) == [Target(("bell",), 90.0, 0.0, 1.0)]
    moving = dataclasses.replace(source, path=((0.0, (2.0, 3.0, 1.0)), (1.0, (3.0, 3.0, 1.0))))
    with pytest.raises(ManifestError, match="record 'q': something moves in its scene"):
        targets_of(Record(**COMMON, scene=dataclasses.replace(scene, sources=(moving,))))
    pair = Pair("a.wav", "r.npy", ("Bell", "Ding"), -90.0, 10.0, 2.5)
    record = Record(**COMMON, pairs=(pair,), protocol="official_bat")
    assert targets_of(record) == [Target(("Bell", "Ding"), -90.0, 10.0, 2.5)]
    for silent in (
        Record(**COMMON, audio="a.wav"),
        Record(**COMMON, pairs=(Pair("a.wav", "r.npy"),), protocol="official_bat"),
    ):
        with pytest.raises(ManifestError, match="'q' does not say what sounds where"):
            targets_of(silent)
