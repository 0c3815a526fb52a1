"""Rooms: what is drawn, and that all formats of a room hear the same reverberation, as long as was asked for."""

import dataclasses

import numpy as np
import pytest

from spatial_llm.audio.formats import parse_format
from spatial_llm.errors import SceneError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.scenes.responses import simulate_responses
from spatial_llm.scenes.room.acoustics import rt60_s
from spatial_llm.scenes.room.sampling import RoomConfig, RoomDraw, draw_room
from spatial_llm.scenes.scene import Listener, Room, direction_of, mirror_room

RATE = 32000
IMAGES = {"ray_tracing": False, "max_order": 12, "duration_s": 0.3}  # as the demonstration has it
BINAURAL, MONO, FIRST_ORDER = parse_format("binaural"), parse_format("mono"), parse_format("foa")


def test_draw_keeps_its_promises():
    config = RoomConfig(positions_per_room=8, axis_margin_deg=10.0)
    for index in range(10):
        draw = draw_room(config, "train", index, seed=3)
        assert np.all(draw.positions_m >= 0.25) and np.all(draw.positions_m <= np.array(draw.room.size_m) - 0.25)
        for position_m in draw.positions_m:
            azimuth_deg, elevation_deg, distance_m = direction_of(draw.listener, position_m)
            assert 0.4999 <= distance_m <= 4.0001 and abs(elevation_deg) <= 40.01
            heard = np.abs(direction_to_vector(azimuth_deg, elevation_deg, distance_m))
            assert heard.min() >= distance_m * np.sin(np.deg2rad(10)) - 1e-4
        np.testing.assert_array_equal(draw.positions_m.round(4), draw.positions_m)  # as written down


def test_banks_share_no_room_and_draws_repeat():
    config = RoomConfig(positions_per_room=2)
    train, again, other = (draw_room(config, name, 0, seed=0) for name in ("train", "train", "eval"))
    np.testing.assert_array_equal(train.positions_m, again.positions_m)
    assert train.room == again.room and not np.allclose(train.room.size_m, other.room.size_m)


@pytest.mark.parametrize("target_rt60_s", [0.2, 0.5, 0.8])
def test_reverberation_is_as_asked_for_in_every_format(target_rt60_s):
    """T20 within 20 %, at each single position, with the default settings."""
    formats, rng = [BINAURAL, FIRST_ORDER, MONO], np.random.default_rng(4)
    for size_m in ((5.0, 4.0, 3.0), (8.0, 6.0, 3.2), (4.2, 3.4, 2.5)):
        room = Room(f"room-{size_m[0]}", size_m, target_rt60_s=target_rt60_s)
        positions_m = rng.uniform(0.3, np.array(size_m) - 0.3, (4, 3))
        draw = RoomDraw(room, Listener((0.4 * size_m[0], 0.55 * size_m[1], 1.5), 30.0), positions_m)
        simulated = simulate_responses(draw, formats, RATE)
        assert simulated.rt60_s == pytest.approx(target_rt60_s, rel=0.1)
        for responses in simulated.responses.values():
            for response in responses:
                assert rt60_s(response, RATE) == pytest.approx(target_rt60_s, rel=0.2)


def test_drawn_rooms_have_the_reverberation_they_were_drawn_with():
    config = RoomConfig(positions_per_room=3, target_rt60_s=(0.2, 0.8))
    for index in range(6):
        draw = draw_room(config, "train", index, seed=1)
        assert draw.room.absorption is None and 0.2 <= draw.room.target_rt60_s <= 0.8
        simulated = simulate_responses(draw, [BINAURAL], RATE)
        decays_s = [rt60_s(response, RATE) for response in simulated.responses["binaural"]]
        np.testing.assert_allclose(decays_s, draw.room.target_rt60_s, rtol=0.2)


@pytest.mark.parametrize(("absorption", "missing"), [(0.57, 0.03), (0.4, 0.25)])
def test_images_alone_end_late_enough(absorption, missing):
    """The demonstration's rooms: order 12 has almost the reverberation time of order 30, less so in the most reverberant."""
    config = RoomConfig(positions_per_room=2, absorption=(absorption, absorption), **IMAGES)
    draw = draw_room(config, "train", 0, seed=0)
    decay_s, full_s = (
        simulate_responses(
            dataclasses.replace(draw, room=dataclasses.replace(draw.room, max_order=order, response_s=0.6)), [], RATE
        ).rt60_s
        for order in (12, 30)
    )
    assert 1 - missing < decay_s / full_s < 1.01
    length, width, height = draw.room.size_m
    surface = 2 * (length * width + length * height + width * height)
    eyring_s = -0.161 * length * width * height / (surface * np.log(1 - absorption))
    assert 0.9 * eyring_s < full_s < 1.6 * eyring_s  # a shoebox of equal walls decays a little slower than Eyring says


def test_mirrored_room_is_the_response_with_ears_swapped():
    draw = draw_room(RoomConfig(positions_per_room=3, absorption=(0.5, 0.5), **IMAGES), "train", 1, seed=0)
    room, listener, positions_m = mirror_room(draw.room, draw.listener, draw.positions_m.tolist())
    straight = simulate_responses(draw, [BINAURAL], RATE).responses["binaural"]
    swapped = simulate_responses(RoomDraw(room, listener, np.array(positions_m)), [BINAURAL], RATE).responses["binaural"]
    assert np.sum((swapped[:, ::-1] - straight) ** 2) < 1e-5 * np.sum(straight**2)


def test_direct_to_reverberant_ratio_falls_with_distance_and_with_reverberation():
    listener, positions_m = Listener((2.0, 3.0, 1.5)), np.array([[2.5, 3.0, 1.5], [3.0, 3.0, 1.5], [4.0, 3.0, 1.5]])
    drr_db = [
        simulate_responses(RoomDraw(Room("r", (7.0, 6.0, 3.0), target_rt60_s=t), listener, positions_m), [], RATE).drr_db
        for t in (0.3, 0.7)
    ]
    for values in drr_db:
        np.testing.assert_allclose(np.diff(values), -6, atol=2)  # the reverberant level hardly changes
    # diffuse field: 10 lg(distance^2 / critical distance^2), and critical distance^2 = 0.057^2 V / RT
    expected_db = 10 * np.log10(0.057**2 * 126 / 0.7 / np.array([0.25, 1, 4]))
    np.testing.assert_allclose(drr_db[1], expected_db, atol=2)
    assert np.all(drr_db[0] > drr_db[1] + 2)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"absorption": (0.0, 0.5)}, "absorption"),
        ({"target_rt60_s": (0.0, 0.5)}, "target_rt60_s"),
        ({"target_rt60_s": (0.5, 0.2)}, "target_rt60_s"),
        ({"scattering": 1.5}, "scattering"),
        ({"distance_m": (4.0, 0.5)}, "distance_m"),
        ({"distance_m": (0.1, 1.0)}, "0.25"),
        ({"axis_margin_deg": 40.0}, "axis_margin_deg"),
        ({"positions_per_room": 0}, "positive"),
        ({"elevation_deg": (float("nan"), 1.0)}, "elevation_deg"),
    ],
)
def test_config_errors_name_the_field(bad, said):
    with pytest.raises(SceneError, match=said):
        RoomConfig(**bad)


def test_impossible_rooms_are_refused():
    config = RoomConfig(length_m=(3, 3), width_m=(3, 3), distance_m=(8.0, 9.0), positions_per_room=1)
    with pytest.raises(SceneError, match="no source fits"):
        draw_room(config, "train", 0, seed=0)
    for room, said in (
        (Room("hall", (5.0, 4.0, 3.0), target_rt60_s=30.0), "room hall: no absorption .* 30.0 s"),
        (Room("hall", (30.0, 30.0, 20.0), target_rt60_s=0.02), "no absorption .* 0.02 s"),
        (Room("hall", (5.0, 4.0, 3.0), target_rt60_s=0.8, response_s=0.2), "hall .* after 0.2 s"),
        (Room("measured"), "measured: its size is not known"),
        (Room("hall", (5.0, 1.9, 3.0), absorption=0.5), r"position \[2\.\s+2\.\s+1\.5\s*\] m is outside"),
    ):
        with pytest.raises(SceneError, match=said):
            simulate_responses(RoomDraw(room, Listener((1.0, 1.0, 1.0)), np.array([[2.0, 2.0, 1.5]])), [], RATE)


def test_rt60_of_a_known_decay_and_of_none():
    seconds = np.arange(RATE) / RATE
    noise = np.random.default_rng(0).standard_normal((2, RATE))
    assert rt60_s(noise * 10 ** (-3 * seconds / 0.5), RATE) == pytest.approx(0.5, rel=0.03)
    assert np.isnan(rt60_s(np.zeros((2, 100)), RATE)) and np.isnan(rt60_s(noise, RATE))
    cut_short = (noise * 10 ** (-3 * seconds / 0.5))[:, : round(0.15 * RATE)]
    assert np.isnan(rt60_s(cut_short, RATE))
