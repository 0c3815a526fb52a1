"""Paths and headings: positions between waypoints, and what is refused."""

import dataclasses

import numpy as np
import pytest

from spatial_llm.errors import SceneError
from spatial_llm.scenes.motion.paths import heading_at, position_at
from spatial_llm.scenes.motion.travel import Way
from spatial_llm.scenes.scene_checks import check_scene
from spatial_llm.scenes.scene_json import scene_from_dict, scene_to_dict
from tests.scenes.small import LISTENER, RATE, position, scene, source

PATH = ((0.2, position(60)), (0.6, position(0)), (0.8, position(-60, 10.0, 1.2)))


def moving(path=PATH, headings=(), duration_s=1.0):
    mover = dataclasses.replace(source(60), path=path, position_m=path[0][1])
    made = scene(source(60), duration_s=duration_s)
    return dataclasses.replace(made, sources=(mover,), listener=dataclasses.replace(LISTENER, headings=headings))


def test_a_path_is_linear_between_waypoints_and_rests_outside():
    assert position_at(PATH, 0.0) == PATH[0][1] and position_at(PATH, 1.0) == PATH[2][1]
    assert position_at(PATH, 0.6) == pytest.approx(PATH[1][1])
    assert position_at(PATH, 0.3) == pytest.approx(0.75 * np.array(PATH[0][1]) + 0.25 * np.array(PATH[1][1]))
    times_s = np.linspace(0, 1, 41)
    assert np.allclose(Way.of(PATH).at(times_s), [position_at(PATH, time_s) for time_s in times_s])
    assert heading_at(((0.0, 350.0), (1.0, 370.0)), 0.5) == 360.0


def test_moving_scenes_are_json_and_back():
    there = moving(headings=((0.0, 40.0), (0.5, 400.0)))
    check_scene(there)
    assert there.moves and there.listener.turns and there.sources[0].moves
    line = scene_to_dict(there)
    assert line["sources"][0]["path"][0] == [0.2, list(position(60))]
    assert line["listener"]["headings"] == [[0.0, 40.0], [0.5, 400.0]]
    assert scene_from_dict(line) == there
    still = scene(source(60))
    assert "path" not in scene_to_dict(still)["sources"][0] and "headings" not in scene_to_dict(still)["listener"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        (((0.2, position(60)), (0.6, (7.0, 2.0, 1.5))), r"sources\[0\].path\[1\] is \(7.0, 2.0, 1.5\), outside the room"),
        (((0.6, position(60)), (0.2, position(0))), r"path\[1\] is at 0.2 s, after 0.6 s; times must increase"),
        (((0.2, position(60)), (0.2, position(0))), "times must increase"),
        (((0.2, position(60)), (1.2, position(0))), r"path\[1\] is at 1.2 s; expected times from 0 to duration_s 1.0"),
        (((0.2, position(60)), (0.21, position(-120))), "m/s to the next; expected 50 at most"),
        (((0.2, position(60)), (0.8, position(-120))), "passes the listener at 0.000 m on the way to the next"),
        (((0.2, position(60)), (float("nan"), position(0))), "not a finite number"),
        (tuple((i / 20_000, position(60)) for i in range(10_001)), "has 10001 entries; expected 10000 at most"),
    ],
)
def test_a_path_that_cannot_be_is_refused(path, sentence):
    with pytest.raises(SceneError, match=sentence):
        check_scene(moving(path))


@pytest.mark.parametrize(
    ("headings", "sentence"),
    [
        (((0.0, 50.0), (0.5, 60.0)), "begin at 50.0, but heading_deg is 40.0; give the first heading in both"),
        (((0.0, 40.0), (0.1, 300.0)), "turns with 2600 degrees a second to the next; expected 720"),
        (((0.5, 40.0), (0.1, 50.0)), "times must increase"),
        (((0.0, 40.0), (0.1, float("inf"))), "not a finite number"),
    ],
)
def test_headings_that_cannot_be_are_refused(headings, sentence):
    with pytest.raises(SceneError, match=sentence):
        check_scene(moving(headings=headings))


def test_a_path_begins_where_its_source_stands_and_needs_no_bank():
    there = moving()
    elsewhere = dataclasses.replace(there.sources[0], position_m=position(61))
    with pytest.raises(SceneError, match=r"sources\[0\].path begins at .* give the source's first position in both"):
        check_scene(dataclasses.replace(there, sources=(elsewhere,)))
    with pytest.raises(SceneError, match="bank holds responses of what stands still"):
        banked = tuple(dataclasses.replace(each, response=0) for each in there.sources)
        check_scene(dataclasses.replace(there, bank="bank", sources=banked))
    with pytest.raises(SceneError, match=r"sources\[0\].path\[0\]\[1\]\[2\]: field is missing"):
        scene_from_dict(scene_to_dict(there) | {"sources": [{**scene_to_dict(there)["sources"][0], "path": [[0, [1, 2]]]}]})
    assert there.sampling_rate == RATE
