"""What a scene states can be heard in it, or is refused by name: microphones, ways, heads, silence."""

import dataclasses
import warnings

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.formats import Array, parse_format
from spatial_llm.errors import AudioError, SceneError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.heads.hrtf import kemar, read_sofa
from spatial_llm.scenes.noise import diffuse_noise
from spatial_llm.scenes.render import render, render_scene
from spatial_llm.scenes.responses import simulate_responses
from spatial_llm.scenes.room.sampling import RoomConfig, draw_room
from spatial_llm.scenes.scene import Listener, Room, Scene, Source
from tests.scenes.small import ANECHOIC, RATE, ROOM, bank, position, scene, source
from tests.scenes.sofa_files import write_kemar

HEAD = kemar(RATE)
BINAURAL = parse_format("binaural")
HALL = Room("hall", (8.0, 8.0, 6.0), absorption=1.0, max_order=0, ray_tracing=False, response_s=0.1)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_microphones_stand_somewhere(value):
    with pytest.raises(AudioError, match=r"microphone 1 of the array is at \(0.0, (nan|-?inf), 0.0\)"):
        parse_format(f"array:[[0,0,0],[0,{value},0]]")
    with pytest.raises(AudioError, match="microphone 0"):
        Array(((0.0, float("nan"), 0.0),))
    for wrong in (1, ("a", 0.0, 0.0), (None, 0.0, 0.0), (0.0, 0.0)):
        with pytest.raises(AudioError, match="microphone 0"):
            Array((wrong,))


@pytest.mark.parametrize(
    "wrong",
    [{"duration_s": float("nan")}, {"duration_s": float("inf")}, {"wall_margin_m": float("nan")}, {"wall_margin_m": -0.1},
     {"elevation_deg": (-120.0, 0.0)}],
)  # fmt: skip
def test_rooms_are_drawn_from_what_can_be(wrong):
    with pytest.raises(SceneError, match=next(iter(wrong))):
        RoomConfig(**wrong)


def test_formats_that_are_none():
    with pytest.raises(AudioError, match="names no SOFA file"):
        parse_format("binaural:")  # not KEMAR
    with pytest.raises(AudioError, match="expected array"):
        parse_format("array:" + "[" * 5000)


@pytest.mark.parametrize(
    ("listener_m", "positions", "microphone"),
    [((0.1, 2.5, 1.5), "[[0.5,0,0],[-0.5,0,0]]", 1), ((3.0, 2.5, 1.5), "[[0,0,5],[0,0,0]]", 0),
     ((3.0, 2.5, 1.5), "[[0,0,0],[0,0,-1.5]]", 1)],
)  # fmt: skip
def test_microphones_stand_inside_the_room(tmp_path, listener_m, positions, microphone):
    placed = Scene("s", "train", 0, 0.5, RATE, ROOM, Listener(listener_m, 0.0), (source(),))
    with pytest.raises(SceneError, match=f"room small: microphone {microphone} of array2-.* outside the room of"):
        render_scene(placed, tmp_path, parse_format(f"array:{positions}"))
    if listener_m == (0.1, 2.5, 1.5):  # it is the heading that brings a microphone behind the wall
        turned = dataclasses.replace(placed, listener=Listener(listener_m, 90.0))
        assert render_scene(turned, tmp_path, parse_format(f"array:{positions}")).any(axis=1).all()


def test_a_bank_says_which_microphone_is_outside():
    draw = draw_room(RoomConfig(max_order=1, ray_tracing=False, positions_per_room=1), "b", 0, 0)
    with pytest.raises(SceneError, match=r"room b-00000: microphone 0 .* \(wall_margin_m\)"):
        simulate_responses(draw, [parse_format("array:[[9,0,0]]")], RATE)


@pytest.mark.parametrize("format", ["binaural", "foa", "mono", "array:[[0.1,0,0],[0,0.1,0]]"])
def test_a_response_reaches_to_the_direct_sound(tmp_path, format):
    short = dataclasses.replace(ANECHOIC, response_s=0.004)
    with pytest.raises(
        SceneError, match=r"scene 's': sources\[1\] \('rain'\): its direct sound arrives after 0.0044 s, 1.50 m"
    ):
        render_scene(scene(dataclasses.replace(source(), position_m=position(10.0, 0.0, 0.9)), source(), room=short),
                     tmp_path, parse_format(format))  # fmt: skip
    config = RoomConfig(max_order=1, ray_tracing=False, duration_s=0.002, distance_m=(2.0, 3.0))
    draw = draw_room(config, "b", 0, 0)
    with pytest.raises(SceneError, match="room b-00000, position 0: its direct sound arrives"):
        simulate_responses(draw, [parse_format(format)], RATE)


PARTS = {
    "frontal half": (np.abs(HEAD.azimuth_deg) <= 90, (180.0, 0.0), (90.0, 0.0)),
    "left half": (HEAD.azimuth_deg >= 0, (-90.0, 0.0), (0.0, 0.0)),
    "horizon": (HEAD.elevation_deg == 0, (0.0, 80.0), (30.0, 0.0)),
    "horizon, from below": (HEAD.elevation_deg == 0, (0.0, -60.0), (30.0, 0.0)),
    "one direction": ((HEAD.elevation_deg == 0) & (np.round(HEAD.azimuth_deg) == 90), (-90.0, 0.0), (90.0, 0.0)),
}


def in_the_hall(azimuth_deg, elevation_deg):
    """Rain, 2 m away, without reflections."""
    place = np.array([4.0, 4.0, 3.0]) + direction_to_vector(azimuth_deg, elevation_deg, 2.0)
    rain = Source("rain", "synth:rain/1", tuple(round(float(x), 4) for x in place))
    return Scene("s", "train", 0, 0.3, RATE, HALL, Listener((4.0, 4.0, 3.0)), (rain,))


@pytest.mark.parametrize("part", PARTS)
def test_a_direct_sound_comes_from_where_the_head_was_measured(tmp_path, part):
    chosen, outside, inside = PARTS[part]
    format = parse_format(f"binaural:{write_kemar(tmp_path / 'part.sofa', chosen)}")
    heard = {where: in_the_hall(*where) for where in (outside, inside)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert render_scene(heard[inside], tmp_path, format).any()
    azimuth = int(outside[0])
    with pytest.raises(
        SceneError,
        match=rf"sources\[0\] \('rain'\): direct sound from azimuth -?{abs(azimuth)}, .*part.sofa .* no nearer than",
    ):
        render_scene(heard[outside], tmp_path, format)


def test_the_hole_below_is_warned_of_and_small_gaps_are_not(tmp_path):
    """KEMAR ends at -40 degrees: a source at -75 takes the lowest direction, as it always did, in words."""
    with pytest.warns(UserWarning, match="MIT KEMAR: direct sounds come from 30 degrees or more beyond"):
        low = render_scene(in_the_hall(50.0, -75.0), tmp_path)
    assert low.any()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for elevation_deg in (-50.0, -40.0, 0.0, 55.0, 90.0):
            render_scene(in_the_hall(50.0, elevation_deg), tmp_path)


def test_reflections_from_elsewhere_are_warned_of_once(tmp_path):
    room = dataclasses.replace(ROOM, absorption=0.3, max_order=2)
    inside = scene(source(30.0), room=room)
    format = parse_format(f"binaural:{write_kemar(tmp_path / 'horizon.sofa', HEAD.elevation_deg == 0)}")
    with pytest.warns(UserWarning, match=r"horizon.sofa: measured over a part of the sphere; reflections"):
        render_scene(inside, tmp_path, format)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        render_scene(inside, tmp_path, BINAURAL)  # KEMAR's hole below the floor is no news
    with pytest.warns(UserWarning, match="horizon.sofa: measured over a part of the sphere; noise from elsewhere"):
        diffuse_noise("white", format, 400, RATE, 0)
    assert kemar(RATE).covers_all and not read_sofa(format.sofa, RATE).covers_all


def test_no_scene_plays_silence(tmp_path):
    rain = source()
    for wrong in (
        dataclasses.replace(rain, gain_db=-150.0),
        dataclasses.replace(rain, onset_s=0.9975),  # the way through the air takes 4.4 ms
    ):
        with pytest.raises(SceneError, match=r"scene 's': sources\[1\] \('rain', 'synth:rain/1'\): cannot be heard"):
            render_scene(scene(source(-30.0), wrong, room=ANECHOIC), tmp_path)
    (tmp_path / "sounds").mkdir()
    noise = np.random.default_rng(0).standard_normal(RATE) * 0.1
    noise[: RATE // 2] = 0
    soundfile.write(tmp_path / "sounds" / "late.wav", noise, RATE)
    late = dataclasses.replace(rain, recording="late.wav", offset_s=0.4)
    with pytest.raises(SceneError, match=r"'late.wav'.*: cannot be heard, it plays silence .*offset_s 0.4"):
        render_scene(scene(late, sounds="sounds"), tmp_path)
    assert render_scene(scene(dataclasses.replace(late, offset_s=0.8), sounds="sounds"), tmp_path).any()
    soundfile.write(tmp_path / "sounds" / "zeros.wav", np.zeros((100, 2)), RATE)
    with pytest.raises(AudioError, match=r"zeros.wav: is silent"):
        render_scene(scene(dataclasses.replace(rain, recording="zeros.wav"), sounds="sounds"), tmp_path)


def test_silent_and_broken_responses_of_a_bank(tmp_path):
    good = np.ones((2, 100), dtype=np.float32)
    bank(tmp_path / "bank", [60.0, -60.0, 0.0], {BINAURAL: [good, 0 * good, good * np.nan]})
    for row, azimuth_deg in ((1, -60.0), (2, 0.0)):
        banked = scene(source(60.0, response=0), source(azimuth_deg, response=row), bank="bank")
        with pytest.raises(SceneError, match=r"sources\[1\] .*: its response is silent or not finite"):
            render_scene(banked, tmp_path)
    # what a protocol leaves of a response counts
    late = np.zeros((2, 70_000), dtype=np.float32)
    late[:, -1] = 1
    bank(tmp_path / "late", [60.0], {BINAURAL: [late]})
    banked = scene(source(60.0, response=0), duration_s=3.0, bank="late")
    assert render_scene(banked, tmp_path).any()
    with pytest.raises(SceneError, match="its response is silent"):
        render_scene(dataclasses.replace(banked, protocol="checkpoint_matched"), tmp_path)


@pytest.mark.parametrize(
    "change",
    [lambda s: dataclasses.replace(s, listener=Listener((np.nan, 1.0, 1.0))),
     lambda s: dataclasses.replace(s, listener=Listener((3.0, 2.5, 1.5), np.inf)),
     lambda s: dataclasses.replace(s, sources=(dataclasses.replace(source(), gain_db=-np.inf),)),
     lambda s: dataclasses.replace(s, sources=(dataclasses.replace(source(), position_m=(1.0, np.nan, 1.0)),)),
     lambda s: dataclasses.replace(s, sources=(dataclasses.replace(source(), onset_s=np.nan),))],
)  # fmt: skip
def test_scenes_made_in_python_hold_finite_numbers(tmp_path, change):
    with pytest.raises(SceneError, match=r"scene 's': scene holds a .* not a finite number"):
        render_scene(change(scene(source())), tmp_path)


@pytest.mark.parametrize("listener_m", [(0.0, 2.5, 1.5), (3.0, 5.0, 1.5), (3.0, 2.5, 3.1), (-1.0, 2.5, 1.5)])
def test_listeners_and_sources_stand_inside(tmp_path, listener_m):
    placed = scene(source())
    with pytest.raises(SceneError, match=r"listener.position_m .* is outside the room"):
        render_scene(dataclasses.replace(placed, listener=Listener(listener_m)), tmp_path)
    wrong = dataclasses.replace(source(), position_m=listener_m)
    with pytest.raises(SceneError, match=r"sources\[0\].position_m .* is outside the room"):
        render_scene(dataclasses.replace(placed, sources=(wrong,)), tmp_path)


def test_arrays_of_sound_and_response_stay_as_they_are():
    assert not render([np.zeros(10, dtype=np.float32)], [np.ones((2, 3), dtype=np.float32)], 20).any()
