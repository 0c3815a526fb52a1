"""Questions about a data folder: the same from workers, shards and after kills; true of the scenes they stand with."""

import json

import numpy as np
import pytest

from spatial_llm.blocks import Shard
from spatial_llm.data.records import read_manifest
from spatial_llm.data.rendering import render_record
from spatial_llm.data.scene_files import read_scenes
from spatial_llm.data.simulate import questions
from spatial_llm.data.simulate.questions import WritingConfig, write_questions
from spatial_llm.data.simulate.scene_sampling import DrawConfig
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig, simulate
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.files import sha256_of
from spatial_llm.questions import QuestionConfig
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.room.sampling import RoomConfig
from tests.questions.scenes import EVERY

CONFIG = SimulationConfig(
    room=RoomConfig(positions_per_room=4, max_order=1, ray_tracing=False, duration_s=0.1, absorption=(0.7, 0.9)),
    scenes=DrawConfig(duration_s=0.5),
    train=SplitConfig(rooms=4, clips_one_source=20, clips_two_sources=20),
    eval=SplitConfig(rooms=2, clips_one_source=4, clips_two_sources=4, clips_three_sources=4),
    sounds=SoundsConfig(synthesized_train=4, synthesized_eval=3),
)


def writing(seed: int = 0) -> WritingConfig:
    return WritingConfig(seed, QuestionConfig(ask=EVERY))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(questions, "SCENES_PER_BLOCK", 7)  # several blocks of a small set
    simulate(CONFIG, tmp_path / "data", progress=False)
    return tmp_path / "data"


def test_same_bytes_from_workers_and_shards(folder):
    write_questions(folder, writing(3), progress=False)
    once = {name: sha256_of(folder / name) for name in ("train.jsonl", "eval.jsonl", "questions.json")}
    write_questions(folder, writing(3), workers=2, progress=False)
    assert once == {name: sha256_of(folder / name) for name in once}
    for name in once:
        (folder / name).unlink()
    for index in (3, 1):
        assert write_questions(folder, writing(3), progress=False, shard=Shard(index, 3)) is None
    with pytest.raises(SpatialLLMError, match="parts are missing"):
        write_questions(folder, writing(3), progress=False, merge=True)
    assert not (folder / "train.jsonl").exists()
    write_questions(folder, writing(3), progress=False, shard=Shard(2, 3))
    write_questions(folder, writing(3), progress=False, merge=True)
    assert once == {name: sha256_of(folder / name) for name in once}
    assert not list(folder.glob("*.parts"))


def test_records_stand_with_their_scene(folder):
    summary = write_questions(folder, writing(), progress=False)
    scenes = {scene.id: scene for scene in read_scenes(folder / "eval_scenes.jsonl")}
    records = read_manifest(folder / "eval.jsonl")
    assert {record.recording_id for record in records} == set(scenes)
    for record in records:
        assert record.scene == scenes[record.recording_id]
        if record.type == "B":
            (truth,) = record.scene.truth.sources
            assert (record.truth["left_right"] == "left") == (truth.azimuth_deg > 0)
        if record.type == "A":
            assert record.truth["labels"] == [record.scene.sources[0].label]
    np.testing.assert_array_equal(render_record(records[0], folder), render_scene(records[0].scene, folder))
    assert summary["splits"]["eval"]["scenes"] == 12
    assert json.loads((folder / "questions.json").read_text())["config"]["seed"] == 0


def test_a_folder_without_scenes_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="simulate scenes first"):
        write_questions(tmp_path, writing(), progress=False)
