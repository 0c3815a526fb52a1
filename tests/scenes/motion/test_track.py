"""Truth about motion: against geometry worked out by hand."""

import dataclasses

import numpy as np
import pytest

from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.motion.track import places_of, track_of
from spatial_llm.scenes.render import dry_sound
from spatial_llm.scenes.scene import Listener, Scene, Source, direction_of, place_at
from spatial_llm.scenes.scene_checks import check_scene
from spatial_llm.scenes.truth import derive_truth
from tests.scenes.small import LISTENER, RATE, ROOM, position, scene, source


def with_truth(sources, listener=LISTENER, duration_s=4.0) -> Scene:
    made = Scene("s", "train", 1, duration_s, RATE, ROOM, listener, tuple(sources))
    dry = [dry_sound(each, made, None) for each in sources]
    made = dataclasses.replace(made, truth=derive_truth(made, dry, 0.3, [None] * len(dry), True))
    check_scene(made)
    return made


def passing(*waypoints: tuple[float, tuple[float, float, float]]) -> Source:
    """A source at (time, offset from the listener in the room's axes)."""
    path = tuple((time_s, tuple(float(v) for v in np.add((3.0, 2.5, 1.5), offset))) for time_s, offset in waypoints)
    return Source("rain", "synth:rain/1", path[0][1], path=path)


def test_a_source_that_passes_in_front_from_left_to_right():
    facing = Listener((3.0, 2.5, 1.5), 0.0)
    made = with_truth([passing((0.0, (1.0, 2.0, 0.0)), (4.0, (1.0, -2.0, 0.0)))], facing)
    track = track_of(made, 0)
    heard = made.truth.sources[0]
    # Its sound is on from 0, and arrives sqrt(5) m later; the truth of the scene is its place then.
    assert heard.onset_s == pytest.approx(np.sqrt(5) / SPEED_OF_SOUND_M_S, abs=0.002)
    assert heard.azimuth_deg == pytest.approx(np.rad2deg(np.arctan2(2 - heard.onset_s, 1)), abs=1e-3)
    assert np.allclose(track.times_s, np.arange(1, len(track.times_s) + 1) / 10)
    y = 2 - track.times_s
    assert np.allclose(track.azimuth_deg, np.rad2deg(np.arctan2(y, 1.0)))
    assert np.allclose(track.distance_m, np.hypot(y, 1.0)) and np.allclose(track.elevation_deg, 0)
    assert (track.nearest_s, track.nearest_m) == pytest.approx((2.0, 1.0))
    at_nearest = np.argmin(np.abs(track.times_s - 2.0))
    assert track.turning_deg_s[at_nearest] == pytest.approx(-np.rad2deg(1.0), rel=0.01)  # 1 m/s at 1 m, clockwise
    assert track.leaving_m_s[at_nearest] == pytest.approx(0.0, abs=1e-9)
    assert track.leaving_m_s[0] < -0.8 and track.moves


def test_an_azimuth_behind_the_listener_is_unwrapped():
    made = with_truth([passing((0.0, (-1.0, 1.0, 0.0)), (4.0, (-1.0, -1.0, 0.0)))], Listener((3.0, 2.5, 1.5), 0.0))
    azimuth_deg = track_of(made, 0).azimuth_deg
    assert np.all(np.diff(azimuth_deg) > 0) and azimuth_deg[-1] > 180


def test_a_listener_who_turns_hears_a_still_source_go_the_other_way():
    turning = dataclasses.replace(LISTENER, headings=((1.0, 40.0), (3.0, 220.0)))
    made = with_truth([source(60)], turning)
    track = track_of(made, 0)
    assert not track.moves
    assert np.allclose(track.azimuth_deg, 60 - np.interp(track.times_s, [1.0, 3.0], [0.0, 180.0]), atol=0.01)
    assert np.allclose(track.distance_m, 1.5, atol=1e-3) and np.allclose(track.leaving_m_s, 0, atol=1e-9)
    assert (track.nearest_s, track.nearest_m) == pytest.approx((made.truth.sources[0].onset_s, 1.5), abs=1e-3)


def test_places_are_those_of_the_scene_at_each_time():
    mover = passing((0.5, (1.0, 2.0, 0.3)), (1.0, (1.5, 0.5, 0.0)), (3.0, (0.5, -1.0, -0.5)))
    turning = dataclasses.replace(LISTENER, headings=((0.0, 40.0), (2.0, -80.0)))
    times_s = np.linspace(0, 4, 33)
    azimuth_deg, elevation_deg, distance_m = places_of(turning, mover, times_s)
    each = [place_at(turning, mover, time_s) for time_s in times_s]
    assert np.allclose(np.stack([azimuth_deg, elevation_deg, distance_m], axis=1), each)
    assert each[0] == pytest.approx(direction_of(turning, mover.position_m))


def test_a_still_source_in_a_still_scene_has_the_truth_it_always_had():
    made = with_truth([source(60)], duration_s=1.0)
    track = track_of(made, 0)
    assert np.allclose(track.azimuth_deg, made.truth.sources[0].azimuth_deg, atol=1e-3) and not track.moves
    assert track.times_s[0] >= made.truth.sources[0].onset_s and track.times_s[-1] <= made.truth.sources[0].offset_s
    same = scene(dataclasses.replace(source(60), path=((0.3, position(60)),)))
    assert not same.moves
