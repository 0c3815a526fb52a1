"""Sampled motion: balanced, inside the room, heard as asked for, and the same for the same seed."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from spatial_llm.data.scene_files import read_scenes
from spatial_llm.data.simulate.motion_sampling import MotionConfig, MotionDrawer
from spatial_llm.data.simulate.scene_sampling import DrawConfig
from spatial_llm.data.simulate.simulation import SimulationConfig, SoundsConfig, SplitConfig, simulate
from spatial_llm.errors import SceneError
from spatial_llm.geometry import vector_to_direction
from spatial_llm.scenes.motion.track import track_of
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.room.sampling import RoomConfig, draw_room
from spatial_llm.scenes.scene import Scene, Source

ROOMS = RoomConfig(
    positions_per_room=4,
    length_m=(8.0, 9.0),
    width_m=(8.0, 9.0),
    height_m=(3.4, 3.6),
    distance_m=(1.6, 2.2),
    elevation_deg=(-10.0, 10.0),
    wall_margin_m=1.2,
    max_order=1,
    ray_tracing=False,
    duration_s=0.1,
)


def banked(index: int, duration_s: float = 4.0) -> Scene:
    room = draw_room(ROOMS, "train", index, 5)
    sources = tuple(
        Source("rain", "synth:rain/1", tuple(place.tolist()), response=row) for row, place in enumerate(room.positions_m[:2])
    )
    return Scene(f"s{index}", "train", 1, duration_s, 32000, room.room, room.listener, sources, bank="train_bank")


def moved(config: MotionConfig, count: int = 60) -> list[Scene]:
    drawer = MotionDrawer(config, np.random.default_rng(3))
    return [drawer.moved(banked(index)) for index in range(count)]


def offsets(scene: Scene, source: Source) -> np.ndarray:
    return np.array([place_m for _, place_m in source.path]) - scene.listener.position_m


def test_arcs_keep_their_distance_and_go_both_ways_equally_often():
    config = MotionConfig(moving_share=1.0, kinds=["arc"], rest_share=0.0)
    ways = []
    for scene in moved(config):
        for source in scene.sources:
            azimuth_deg, elevation_deg, distance_m = vector_to_direction(offsets(scene, source))
            assert np.ptp(distance_m) < 0.002 and np.ptp(elevation_deg) < 0.05
            turned_deg = np.ptp(np.unwrap(azimuth_deg, period=360))
            assert turned_deg + 0.01 >= 40 and turned_deg <= 180.01
            times_s = np.array([time_s for time_s, _ in source.path])
            speed = np.linalg.norm(np.diff(offsets(scene, source), axis=0), axis=1) / np.diff(times_s)
            assert speed.min() > 0.45 and speed.max() < 2.1 and np.ptp(speed) < 0.05
            ways.append(np.sign(np.diff(np.unwrap(azimuth_deg, period=360))[0]))
    assert abs(np.mean(ways)) < 0.2


def test_radial_and_vertical_motion_changes_one_thing_only():
    for scene in moved(MotionConfig(moving_share=1.0, kinds=["radial"])):
        for source in scene.sources:
            azimuth_deg, elevation_deg, distance_m = vector_to_direction(offsets(scene, source))
            assert np.ptp(azimuth_deg) < 0.05 and np.ptp(elevation_deg) < 0.05 and np.ptp(distance_m) >= 0.79
    for scene in moved(MotionConfig(moving_share=1.0, kinds=["vertical"], line_m=(0.4, 0.8)), 20):
        for source in scene.sources:
            assert np.ptp(offsets(scene, source)[:, :2], axis=0).max() == 0 and np.ptp(offsets(scene, source)[:, 2]) >= 0.39


def test_motion_stays_away_from_walls_and_from_the_listener():
    for scene in moved(MotionConfig(moving_share=1.0)):
        for source in scene.sources:
            places_m = np.array([place_m for _, place_m in source.path])
            assert places_m.min() > 0.249 and np.all(places_m < np.array(scene.room.size_m) - 0.249)
            dense = np.linspace(places_m[:-1], places_m[1:], 50).reshape(-1, 3)
            assert np.linalg.norm(dense - scene.listener.position_m, axis=1).min() > 0.49
            assert source.path[-1][0] <= 4.0 and source.path[0][1] == source.position_m


def test_a_turning_listener_has_still_sources_and_turns_both_ways():
    scenes = moved(MotionConfig(turning_share=1.0))
    turns = []
    for scene in scenes:
        assert scene.listener.turns and not any(source.path for source in scene.sources) and scene.bank is None
        (begin_s, begin_deg), (end_s, end_deg) = scene.listener.headings
        assert begin_deg == scene.listener.heading_deg
        assert 45 <= abs(end_deg - begin_deg) <= 180.001
        assert 29.9 <= abs(end_deg - begin_deg) / (end_s - begin_s) <= 121
        turns.append(np.sign(end_deg - begin_deg))
    assert abs(np.mean(turns)) <= 1 / 30


def test_shares_decide_what_moves_and_the_rest_keeps_its_bank():
    scenes = moved(MotionConfig(moving_share=0.5), 200)
    count = Counter(sum(source.moves for source in scene.sources) for scene in scenes)
    assert count[0] == pytest.approx(50, abs=20) and count[1] == pytest.approx(100, abs=25)
    for scene in scenes:
        assert (scene.bank is None) == scene.moves
        assert all((source.response is None) == scene.moves for source in scene.sources)


def test_scenes_are_simulated_with_motion_and_the_same_again(tmp_path):
    motion = MotionConfig(turning_share=0.3, moving_share=0.7)
    config = SimulationConfig(
        seed=4,
        scenes=DrawConfig(duration_s=2.0, motion=motion),
        room=ROOMS,
        train=SplitConfig(rooms=2, clips_one_source=6, clips_two_sources=6),
        eval=SplitConfig(rooms=1, clips_one_source=2, clips_two_sources=0),
        sounds=SoundsConfig(synthesized_train=2, synthesized_eval=1, synthesized_classes=["rain", "siren", "engine"]),
    )
    simulate(config, tmp_path / "one", progress=False)
    simulate(config, tmp_path / "two", progress=False)
    files = [(tmp_path / name / "train_scenes.jsonl").read_bytes() for name in ("one", "two")]
    assert files[0] == files[1]
    scenes = read_scenes(tmp_path / "one" / "train_scenes.jsonl")
    assert sum(scene.moves for scene in scenes) >= 6 and any(scene.listener.turns for scene in scenes)
    moving = next(scene for scene in scenes if any(source.moves for source in scene.sources))
    assert track_of(moving, 0) is not None and moving.truth.rt60_s is not None
    recording = render_scene(moving, tmp_path / "one")
    assert recording.shape == (2, 64000) and np.abs(recording).max() > 1e-3
    # Without motion nothing else changes: the draws of the scenes themselves are the same.
    simulate(dataclasses.replace(config, scenes=DrawConfig(duration_s=2.0)), tmp_path / "still", progress=False)
    still = read_scenes(tmp_path / "still" / "train_scenes.jsonl")
    assert [scene.seed for scene in still] == [scene.seed for scene in scenes]
    assert [s.recording for scene in still for s in scene.sources] == [
        s.recording for scene in scenes for s in scene.sources
    ]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"speed_m_s": (0.0, 1.0)}, "motion.speed_m_s is .* above 0"),
        ({"speed_m_s": (1.0, 80.0)}, "give at most 50 m/s"),
        ({"moving_share": 1.2}, "motion.moving_share is 1.2; give a share from 0 to 1"),
        ({"kinds": []}, "motion.kinds is empty"),
        ({"least_distance_m": 0.1}, "give 0.25 m or more"),
        ({"arc_deg": (180.0, 40.0)}, "give a range"),
    ],
)
def test_what_cannot_be_configured_is_refused(given, sentence):
    with pytest.raises(SceneError, match=sentence):
        MotionConfig(**given)


def test_a_room_without_space_is_named():
    drawer = MotionDrawer(
        MotionConfig(moving_share=1.0, line_m=(30.0, 40.0), arc_deg=(350.0, 360.0)), np.random.default_rng(0)
    )
    with pytest.raises(SceneError, match=r"scene 's0': no motion of kinds .* fits around"):
        drawer.moved(banked(0))
    unknown = dataclasses.replace(banked(0).room, size_m=None, absorption=None)
    with pytest.raises(SceneError, match="motion needs simulated rooms"):
        drawer.moved(dataclasses.replace(banked(0), room=unknown))
