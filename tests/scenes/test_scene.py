"""The scene as data: to JSON and back unchanged, and every way in which it cannot be refused by name."""

import copy
import dataclasses
import json

import numpy as np
import pytest

from spatial_llm.audio.formats import Array, parse_format
from spatial_llm.errors import AudioError, SceneError
from spatial_llm.geometry import vector_to_direction, wrap_azimuth_deg
from spatial_llm.scenes.scene import (
    Listener,
    Noise,
    Overlap,
    Room,
    Scene,
    SceneTruth,
    Source,
    SourceTruth,
    direction_of,
    mirror_room,
)
from spatial_llm.scenes.scene_checks import check_scene
from spatial_llm.scenes.scene_json import scene_from_dict, scene_to_dict

TRUTH = SceneTruth(
    (SourceTruth(60.0, 0.0, 1.0, 0.1, 1.5, 3.0), SourceTruth(-120.0, 0.0, 1.5, 0.5, 2.0)),
    0.4,
    60.0,
    (Overlap(0, 1, 0.5, 1.5),),
)
SCENE = Scene(
    id="s1",
    split="train",
    seed=7,
    duration_s=2.0,
    sampling_rate=32000,
    room=Room("r1", (5.0, 4.0, 3.0), target_rt60_s=0.4),
    listener=Listener((2.0, 1.0, 1.5), 30.0),
    sources=(
        Source("bell", "synth:bell/1", (2.0, 2.0, 1.5), -3.0, 0.1, 1.5),
        Source("rain", "rain/a.wav", (2.0, 1.0 - 0.75, 1.5 + 0.0), onset_s=0.5),
    ),
    format=Array(((0.05, 0.0, 0.0), (-0.05, 0.0, 0.0))),
    noise=Noise("white", 20.0),
    sounds="sounds",
)


def changed(path: str, value: object) -> dict:
    """The scene's JSON with one entry replaced (or, for None as value of a required field, taken out)."""
    line = copy.deepcopy(scene_to_dict(SCENE))
    *parents, last = [int(part) if part.isdigit() else part for part in path.split("/")]
    entry = line
    for part in parents:
        entry = entry[part]
    if value is KeyError:
        del entry[last]
    else:
        entry[last] = value
    return line


def test_to_json_and_back_is_the_same():
    assert scene_from_dict(json.loads(json.dumps(scene_to_dict(SCENE)))) == SCENE
    near = dataclasses.replace(SCENE.sources[0], position_m=(2.0, 2.0, 1.5))
    two = dataclasses.replace(SCENE.sources[1], position_m=(2.0, 1.0 - 0.75, 1.5))
    distance = SourceTruth(-120.0, 0.0, 0.75, 0.5, 2.0)
    whole = dataclasses.replace(
        SCENE, sources=(near, two), truth=dataclasses.replace(TRUTH, sources=(TRUTH.sources[0], distance))
    )
    assert scene_from_dict(json.loads(json.dumps(scene_to_dict(whole)))) == whole


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("duration_s", "2", "duration_s: .*number; given '2'"),
        ("duration_s", KeyError, "duration_s: field is missing"),
        ("loudness", 3, "loudness: unknown field"),
        ("room/size_m", [5.0, float("nan"), 3.0], r"room\.size_m\[1\]: .*finite"),
        ("room/size_m", [5.0, 4.0], r"room\.size_m"),
        ("room/absorption", 0.5, "exactly one of the two"),
        ("room/target_rt60_s", -1.0, "above 0"),
        ("room/size_m", [5.0, -4.0, 3.0], r"room\.size_m is"),
        ("room/size_m", None, r"room\.size_m is missing"),
        ("sources", [], "has 0 entries; give 1 to 4"),
        ("sources/0/position_m", [9.0, 1.0, 1.0], r"sources\[0\]\.position_m .* is outside the room"),
        ("sources/1/position_m", [2.0, 1.0, 1.5], r"sources\[1\]\.position_m .* the listener's own"),
        ("sources/0/onset_s", 2.0, r"sources\[0\]\.onset_s is 2.0"),
        ("sources/0/offset_s", 0.05, r"sources\[0\]\.offset_s is 0.05"),
        ("sources/0/response", 3, r"sources\[0\]\.response is 3 with bank None"),
        ("sources/0/label", "", r"sources\[0\] has an empty label"),
        ("listener/position_m", [2.0, 1.0, 3.5], r"listener\.position_m .* is outside"),
        ("split", "test", "split: .*'train' or 'eval'"),
        ("protocol", "mine", "protocol: .*'official_bat' or 'checkpoint_matched'"),
        ("mirror", True, "mirror is set without a bank"),
        ("seed", -1, "seed"),
        ("format/kind", "stereo", "format.*kind"),
        ("format/order", 1, "format.*expected"),
    ],
)
def test_what_cannot_be_is_refused_by_name(path, value, said):
    with pytest.raises(SceneError, match=f"scenes.jsonl:7: .*{said}"):
        scene_from_dict(changed(path, value), "scenes.jsonl:7")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"azimuth_deg": -60.0}, "position_m and listener give"),
        ({"distance_m": 1.1}, "position_m and listener give"),
        ({"azimuth_deg": 420.0}, "out of range"),
        ({"onset_s": 1.6}, "is heard from 1.6 to 1.5"),
        ({"offset_s": 2.5}, "is heard from"),
    ],
)
def test_truth_that_contradicts_the_scene_is_refused(entry, said):
    scene = dataclasses.replace(SCENE, sources=SCENE.sources[:1], sounds=None)
    right = dataclasses.replace(TRUTH, sources=TRUTH.sources[:1], overlaps=())
    check_scene(dataclasses.replace(scene, truth=right))
    wrong = dataclasses.replace(right, sources=(dataclasses.replace(right.sources[0], **entry),))
    with pytest.raises(SceneError, match=said):
        check_scene(dataclasses.replace(scene, truth=wrong))


def test_direction_of_is_geometrys_in_the_listeners_frame():
    rng = np.random.default_rng(0)
    for _ in range(200):
        listener = Listener(tuple(rng.uniform(-5, 5, 3).tolist()), float(rng.uniform(-400, 400)))
        position = tuple(rng.uniform(-5, 5, 3).tolist())
        azimuth_deg, elevation_deg, distance_m = vector_to_direction(np.subtract(position, listener.position_m))
        expected = (wrap_azimuth_deg(azimuth_deg - listener.heading_deg), elevation_deg, distance_m)
        np.testing.assert_allclose(direction_of(listener, position), expected, atol=1e-9)
    assert direction_of(Listener((1.0, 1.0, 1.0), 90.0), (0.0, 1.0, 1.0))[0] == pytest.approx(90.0)  # left of +y is -x
    assert direction_of(Listener(), (-1.0, -0.0, 0.0))[0] == 180.0  # never -180


def test_the_mirror_turns_left_into_right_and_nothing_else():
    room, listener, (position,) = mirror_room(SCENE.room, SCENE.listener, [(4.0, 3.0, 0.5)])
    before, after = direction_of(SCENE.listener, (4.0, 3.0, 0.5)), direction_of(listener, position)
    np.testing.assert_allclose(after, (-before[0], before[1], before[2]), atol=1e-9)
    assert room.size_m == SCENE.room.size_m and room.id != SCENE.room.id
    again = mirror_room(room, listener, [position])
    np.testing.assert_allclose(again[2], [(4.0, 3.0, 0.5)], atol=1e-12)
    assert again[1].heading_deg == SCENE.listener.heading_deg


@pytest.mark.parametrize(
    ("text", "channels", "name"),
    [
        ("binaural", 2, "binaural"),
        ("binaural:heads/my head.sofa", 2, "binaural-my_head"),
        ("foa", 4, "ambisonics1"),
        ("ambisonics2", 9, "ambisonics2"),
        ("ambisonics3", 16, "ambisonics3"),
        ("mono", 1, "mono"),
        ("array:[[0, 0, 0], [0.1, 0, 0], [0, 0.1, 0]]", 3, "array3-"),
    ],
)
def test_formats_by_name(text, channels, name):
    kind = parse_format(text)
    assert kind.channels == channels and kind.name.startswith(name)
    assert parse_format("binaural:a/h.sofa").name == parse_format("binaural:b/h.sofa").name
    assert parse_format("array:[[0, 0, 0]]").name != parse_format("array:[[0, 0, 1]]").name


@pytest.mark.parametrize("text", ["stereo", "ambisonics4", "array:[[0, 0]]", "array:x", "array:[]", "", "foa:2"])
def test_other_formats_are_refused(text):
    with pytest.raises(AudioError):
        parse_format(text)


def test_a_head_may_have_the_name_of_a_kind():
    for sofa in ("binaural", "mono", "hrtf/a.sofa"):
        headed = dataclasses.replace(SCENE, format=parse_format(f"binaural:{sofa}"))
        assert scene_to_dict(headed)["format"] == {"sofa": sofa}
        assert dict(scene_to_dict(SCENE)["format"])["kind"] == "array"
