"""A small data folder from configuration to scenes, and from scenes to rendered sound."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import sofar
import soundfile

from spatial_llm.audio.formats import parse_format
from spatial_llm.blocks import Shard
from spatial_llm.data.scene_files import read_scenes
from spatial_llm.data.simulate.scene_sampling import DrawConfig
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig, simulate
from spatial_llm.errors import SceneError, SpatialLLMError
from spatial_llm.files import sha256_of
from spatial_llm.scenes.bank import ResponseBank
from spatial_llm.scenes.heads.hrtf import kemar
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.room.sampling import RoomConfig
from spatial_llm.scenes.scene import direction_of

ROOM = RoomConfig(
    positions_per_room=4, max_order=2, ray_tracing=False, duration_s=0.12, absorption=(0.6, 0.8), axis_margin_deg=10.0,
    distance_m=(0.5, 2.0),
)  # fmt: skip
CONFIG = SimulationConfig(
    formats=["binaural", "foa"],
    room=ROOM,
    scenes=DrawConfig(duration_s=0.5),
    train=SplitConfig(rooms=6, clips_one_source=40, clips_two_sources=40),
    eval=SplitConfig(rooms=2, clips_one_source=8, clips_two_sources=8, clips_four_sources=2),
    sounds=SoundsConfig(synthesized_train=5, synthesized_eval=3),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("simulated") / "data"
    simulate(CONFIG, folder, progress=False)
    return folder


def assert_same_bytes(folder, other):
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    for name in files:
        assert sha256_of(folder / name) == sha256_of(other / name), name


def test_same_bytes_from_two_workers_and_from_shards(folder, tmp_path):
    simulate(CONFIG, tmp_path / "two", workers=2, progress=False)
    assert_same_bytes(folder, tmp_path / "two")
    with pytest.raises(SpatialLLMError, match="parts are missing"):
        simulate(CONFIG, tmp_path / "shards", progress=False, merge=True)
    for index in (2, 1):
        assert simulate(CONFIG, tmp_path / "shards", progress=False, shard=Shard(index, 2)) is None
        assert not (tmp_path / "shards").exists()
    simulate(CONFIG, tmp_path / "shards", progress=False, merge=True)
    assert_same_bytes(folder, tmp_path / "shards")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shards", "two"]  # no parts, no temporaries


def test_splits_share_no_room_and_no_recording(folder):
    train, unseen = (read_scenes(folder / f"{split}_scenes.jsonl") for split in ("train", "eval"))
    rooms = [{scene.room.id.removesuffix("-mirrored") for scene in scenes} for scenes in (train, unseen)]
    assert len(rooms[0]) == 6 and len(rooms[1]) == 2 and not rooms[0] & rooms[1]
    recordings = [{source.recording for scene in scenes for source in scene.sources} for scenes in (train, unseen)]
    assert not recordings[0] & recordings[1]
    assert sorted(len(scene.sources) for scene in unseen) == [1] * 8 + [2] * 8 + [4] * 2
    assert {scene.split for scene in train} == {"train"} and len(train) == 80


def test_scenes_tell_the_truth_about_their_sources(folder):
    bank = ResponseBank.load(folder / "train_bank")
    mirrored = set()
    for scene in read_scenes(folder / "train_scenes.jsonl"):
        for source, truth in zip(scene.sources, scene.truth.sources, strict=True):
            row = bank.geometry(source.response)
            azimuth_deg, elevation_deg, distance_m = direction_of(row.listener, row.position_m)
            assert truth.azimuth_deg == pytest.approx((-1 if scene.mirror else 1) * azimuth_deg, abs=1e-3)
            assert (truth.elevation_deg, truth.distance_m) == pytest.approx((elevation_deg, distance_m), abs=1e-3)
            assert truth.drr_db == row.drr_db and scene.truth.rt60_s == row.rt60_s
            assert distance_m / 343 - 0.002 <= truth.onset_s <= truth.offset_s <= 0.5
        length, width, height = scene.room.size_m
        assert scene.truth.volume_m3 == pytest.approx(length * width * height, abs=0.01)
        mirrored.add(scene.mirror)
    assert mirrored == {True, False}


def test_directions_and_classes_take_turns(folder):
    scenes = [scene for scene in read_scenes(folder / "train_scenes.jsonl") if len(scene.sources) == 1]
    labels = [scene.sources[0].label for scene in scenes]
    assert max(labels.count(x) for x in set(labels)) - min(labels.count(x) for x in set(labels)) <= 1
    assert sum(scene.truth.sources[0].azimuth_deg > 0 for scene in scenes) == len(scenes) / 2


def test_rendered_left_is_left_in_every_format(folder):
    checked = 0
    for scene in [each for each in read_scenes(folder / "train_scenes.jsonl") if len(each.sources) == 1]:
        (truth,) = scene.truth.sources
        if 45 < abs(truth.azimuth_deg) < 135 and truth.distance_m < 1.5 and abs(truth.elevation_deg) < 30:
            waveform, foa = render_scene(scene, folder), render_scene(scene, folder, parse_format("foa"))
            assert waveform.shape == (2, 16000) and foa.shape == (4, 16000) and waveform.dtype == np.float32
            assert (np.sum(waveform[0] ** 2) > np.sum(waveform[1] ** 2)) == (truth.azimuth_deg > 0)
            assert (np.sum(foa[0] * foa[1]) > 0) == (truth.azimuth_deg > 0)
            checked += 1
    assert checked > 5


def test_onsets_gains_noise_and_twins_are_drawn(tmp_path):
    drawn = DrawConfig(
        duration_s=1.0, same_class_share=1.0, onset_s=(0.0, 0.5), sound_s=(0.2, 0.4), gain_db=(-6.0, 0.0),
        noise_snr_db=(10.0, 20.0), protocol="checkpoint_matched",
    )  # fmt: skip
    simulate(dataclasses.replace(CONFIG, scenes=drawn), tmp_path / "data", progress=False)
    scenes = read_scenes(tmp_path / "data" / "train_scenes.jsonl")
    for scene in scenes:
        assert 10 <= scene.noise.snr_db <= 20 and scene.protocol == "checkpoint_matched"
        for source in scene.sources:
            assert 0 <= source.onset_s <= 0.5 and -6 <= source.gain_db <= 0
            assert 0.199 <= source.offset_s - source.onset_s <= 0.401
        if len(scene.sources) == 2:
            first, second = scene.sources
            assert first.label == second.label and first.recording != second.recording
    assert len({source.onset_s for scene in scenes for source in scene.sources}) > 50


def test_dry_sounds_are_copied_with_their_index(tmp_path):
    dry = tmp_path / "dry"
    lines = ["file,label,split,source_recording,licence"]
    for label in ("Bark", "Rain"):
        for split in ("train", "test"):
            dry.mkdir(exist_ok=True)
            dry_file = dry / f"{label}-{split}.wav"
            sound = np.random.default_rng(len(lines)).standard_normal(9000)  # four recordings, not one in both splits
            soundfile.write(dry_file, 0.1 * sound, 22050)
            lines.append(f"{dry_file.name},{label},{split},{label}-{split},CC0")
    (dry / "index.csv").write_text("\n".join(lines))
    config = dataclasses.replace(
        CONFIG,
        sounds=SoundsConfig(index=str(dry / "index.csv")),
        eval=SplitConfig(rooms=2, clips_one_source=4, clips_two_sources=4),
    )
    simulate(config, tmp_path / "out", progress=False)
    scene = read_scenes(tmp_path / "out" / "eval_scenes.jsonl")[0]
    assert scene.sounds == "sounds" and scene.sources[0].recording.endswith("-test.wav")
    assert render_scene(scene, tmp_path / "out").any()
    assert (tmp_path / "out" / "sounds" / "index.csv").is_file()
    assert str(tmp_path) not in (tmp_path / "out" / "simulation.json").read_text()


@pytest.fixture(scope="module")
def sofa(tmp_path_factory):
    """KEMAR as a SOFA file, written with the library that reads it."""
    head = kemar(32000)
    written = sofar.Sofa("SimpleFreeFieldHRIR")
    written.Data_IR = head.responses.astype(float)
    written.Data_SamplingRate = 32000
    written.Data_Delay = np.zeros((1, 2))
    written.SourcePosition = np.column_stack(
        [head.azimuth_deg % 360, head.elevation_deg, np.full(len(head.azimuth_deg), 1.4)]
    )
    written.ReceiverPosition = np.array([[0.0, 0.09, 0.0], [0.0, -0.09, 0.0]])
    path = tmp_path_factory.mktemp("hrtf") / "my head.sofa"
    sofar.write_sofa(path, written)
    return path


def test_a_sofa_head_travels_with_the_data(sofa, tmp_path):
    config = dataclasses.replace(
        CONFIG, formats=[f"binaural:{sofa}", "binaural"], scenes=DrawConfig(duration_s=0.5, mirror=False)
    )
    simulate(config, tmp_path / "data", progress=False)
    shutil.move(tmp_path / "data", tmp_path / "moved")
    scene = read_scenes(tmp_path / "moved" / "train_scenes.jsonl")[0]
    assert scene.format.sofa == "hrtf/my head.sofa" and (tmp_path / "moved" / "hrtf" / "my head.sofa").is_file()
    mine, shipped = (
        render_scene(scene, tmp_path / "moved"),
        render_scene(scene, tmp_path / "moved", parse_format("binaural")),
    )
    np.testing.assert_allclose(mine, shipped, atol=2e-3 * np.abs(shipped).max())  # the same head by another way
    for text in (tmp_path / "moved").rglob("*.json*"):
        assert str(sofa.parent) not in text.read_text()
    with pytest.raises(SceneError, match="exact mirror image"):
        simulate(dataclasses.replace(config, scenes=DrawConfig(duration_s=0.5)), tmp_path / "never", progress=False)


def test_measured_responses_take_the_place_of_rooms(tmp_path):
    """A SoundSpaces tree for each split: scenes stand at its positions, rooms apart, never mirrored."""
    rng, splits = np.random.default_rng(0), {}
    for split in ("train", "eval"):
        data = []
        for number in range(6):
            name = f"{split}Hall/{number}.npy"
            (tmp_path / "mp3d" / "binaural" / f"{split}Hall").mkdir(parents=True, exist_ok=True)
            decay = np.exp(-np.arange(3200) / 400.0)
            np.save(tmp_path / "mp3d" / "binaural" / name, (rng.normal(size=(2, 3200)) * decay).astype(np.float32))
            at = rng.uniform(0.5, 2.0, 3) * rng.choice([-1, 1], 3)
            data.append(
                {"fname": name, "sensor_position": "0.0,1.5,0.0", "source_position": f"{at[0]},{1.5 + at[1]},{at[2]}"}
            )
        (tmp_path / "mp3d" / f"{split}_reverberation.json").write_text(json.dumps({"data": data}))
        splits[split] = SplitConfig(
            clips_one_source=5, clips_two_sources=5, responses=str(tmp_path / "mp3d" / f"{split}_reverberation.json")
        )
    config = dataclasses.replace(CONFIG, formats=["binaural"], scenes=DrawConfig(duration_s=0.5, mirror=False), **splits)
    simulate(config, tmp_path / "data", progress=False)
    scenes = read_scenes(tmp_path / "data" / "eval_scenes.jsonl")
    assert len(scenes) == 10 and all("eval" in scene.room.id and scene.truth.volume_m3 is None for scene in scenes)
    assert render_scene(scenes[0], tmp_path / "data").any()
    assert str(tmp_path) not in (tmp_path / "data" / "simulation.json").read_text()
    with pytest.raises(SceneError, match="measured responses: not all"):
        simulate(dataclasses.replace(config, scenes=DrawConfig(duration_s=0.5)), tmp_path / "never", progress=False)


def test_summary_and_config_errors(folder, tmp_path):
    summary = json.loads((folder / "simulation.json").read_text())
    assert summary["splits"]["train"]["scenes"] == 80 and summary["config"]["scenes"]["duration_s"] == 0.5
    assert summary["splits"]["eval"]["by_number_of_sources"] == {"1": 8, "2": 8, "4": 2}
    with pytest.raises(SceneError, match="one of them"):
        SoundsConfig(index="a.csv", folder="b").list()
    for wrong in ({"duration_s": 0}, {"onset_s": (0.0, 5.0)}, {"gain_db": (1.0, 0.0)}, {"same_class_share": 2.0}):
        with pytest.raises(SceneError, match=next(iter(wrong))):
            DrawConfig(**wrong)
    with pytest.raises(SceneError, match="as many positions in a room; there are 1"):
        room = dataclasses.replace(ROOM, positions_per_room=1)
        simulate(dataclasses.replace(CONFIG, room=room), tmp_path / "never", progress=False)
    assert not (tmp_path / "never").exists()
    with pytest.raises(SpatialLLMError, match="another configuration"):
        simulate(dataclasses.replace(CONFIG, seed=1), tmp_path / "never", progress=False)


def test_scenes_take_the_formats_in_turn(tmp_path):
    scenes = DrawConfig(duration_s=0.5, mirror=False)
    config = dataclasses.replace(CONFIG, formats_in_turn=True, scenes=scenes)
    simulate(config, tmp_path / "data", progress=False)
    drawn = read_scenes(tmp_path / "data" / "train_scenes.jsonl")
    assert [scene.format.name for scene in drawn[:4]] == ["binaural", "ambisonics1", "binaural", "ambisonics1"]
    assert [len(render_scene(scene, tmp_path / "data")) for scene in drawn[:2]] == [2, 4]
    measured = dataclasses.replace(config.train, responses="responses.csv")
    with pytest.raises(SceneError, match="formats_in_turn with measured"):
        simulate(dataclasses.replace(config, train=measured), tmp_path / "other", progress=False)
