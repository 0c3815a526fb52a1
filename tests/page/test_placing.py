"""A place in the picture becomes the scene that is heard: directions, levels, walls; what cannot be is refused."""

import math

import numpy as np
import pytest

from spatial_llm.audio.formats import BINAURAL
from spatial_llm.errors import SceneError
from spatial_llm.geometry import direction_to_vector
from spatial_llm.page.placing import (
    KEMAR,
    LEAST_M,
    OWN_LABEL,
    OWN_SOUND,
    ROOMS,
    WALL_M,
    Placed,
    farthest_m,
    read_placed,
    record,
    scene_of,
)  # fmt: skip
from spatial_llm.scenes.heads.hrtf import interaural_delay_s
from spatial_llm.scenes.room.acoustics import rt60_s

HEADS = {KEMAR: None}
GIVEN = {"sound": "alarm", "room": "living", "head": KEMAR, "azimuth_deg": 45, "elevation_deg": 0, "distance_m": 1.5}
RATE = 32_000


def heard(**changes: object) -> np.ndarray:
    """The recording (ears, samples) of a place."""
    return record(scene_of(read_placed(GIVEN | changes, HEADS), BINAURAL, 2.0, RATE))[1]


def level_db(sound: np.ndarray) -> float:
    return 10 * math.log10(np.mean(np.square(sound, dtype=np.float64)))


@pytest.mark.parametrize("room", ROOMS)
def test_the_truth_is_the_place_that_was_given(room):
    for azimuth_deg, elevation_deg in ((-150.0, 10.0), (90.0, 0.0), (12.0, -20.0)):
        placed = Placed("knock", room, KEMAR, azimuth_deg, elevation_deg, 1.3)
        scene, waveform = record(scene_of(placed, BINAURAL, 2.0, RATE))
        known = scene.truth.sources[0]
        assert (known.azimuth_deg, known.elevation_deg, known.distance_m) == pytest.approx(
            (azimuth_deg, elevation_deg, 1.3), abs=0.01
        )
        assert waveform.shape == (2, 2 * RATE) and waveform.dtype == np.float32
        if room != "open":
            assert 0.1 < scene.truth.rt60_s < 2


def test_the_left_ear_hears_more_and_earlier_of_what_is_on_the_left():
    left, right = heard(room="open", azimuth_deg=90)
    assert 6 < level_db(left) - level_db(right) < 30
    assert 0.5e-3 < interaural_delay_s(heard(room="open", azimuth_deg=90), RATE) < 0.9e-3
    # The open room is the same on both sides, and so is the head.
    np.testing.assert_allclose(heard(room="open", azimuth_deg=-35)[::-1], heard(room="open", azimuth_deg=35), atol=1e-6)


def test_twice_as_far_is_6_db_less_without_a_room_and_less_so_in_a_hall():
    near, far = (level_db(heard(room="open", distance_m=metres)) for metres in (1.0, 2.0))
    assert near - far == pytest.approx(20 * math.log10(2), abs=0.3)
    assert near == pytest.approx(-14, abs=3)  # the level of training, 1 m away
    near, far = (level_db(heard(room="bare", distance_m=metres)) for metres in (1.0, 2.0))
    assert near - far < 5


@pytest.mark.parametrize("room", ROOMS)
def test_walls_are_where_a_walk_along_the_way_meets_them(room):
    at, size = np.array(ROOMS[room].listener_m), np.array(ROOMS[room].room.size_m)
    for azimuth_deg, elevation_deg in ((0, 0), (90, 0), (180, 10), (-90, -10), (37, 33), (-140, -35)):
        most_m = farthest_m(Placed("alarm", room, KEMAR, azimuth_deg, elevation_deg, 1.0))
        way = direction_to_vector(azimuth_deg, elevation_deg)
        inside = [metres for metres in np.arange(0, 20, 0.005)
                  if (at + metres * way >= WALL_M).all() and (at + metres * way <= size - WALL_M).all()]  # fmt: skip
        assert most_m == pytest.approx(inside[-1], abs=0.006)
    edges = ROOMS[room].edges_m()
    assert edges["left"] == pytest.approx(farthest_m(Placed("alarm", room, KEMAR, 90, 0, 1.0)), abs=0.001)
    assert edges["ahead"] + edges["behind"] == pytest.approx(size[0] - 2 * WALL_M, abs=0.002)


def test_a_sound_of_ones_own_is_played_instead():
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(RATE).astype(np.float32)
    placed = read_placed(GIVEN | {"sound": OWN_SOUND}, HEADS)
    scene, waveform = record(scene_of(placed, BINAURAL, 2.0, RATE), noise)
    assert scene.sources[0].label == OWN_LABEL
    assert scene.truth.sources[0].offset_s == pytest.approx(1 + 1.5 / 343, abs=0.01)
    # Its level by itself does not matter: it is brought to that of training.
    np.testing.assert_allclose(record(scene_of(placed, BINAURAL, 2.0, RATE), 0.01 * noise)[1], waveform, atol=1e-5)


def test_rooms_differ_in_how_long_they_sound():
    seconds = {room: record(scene_of(read_placed(GIVEN | {"room": room}, HEADS), BINAURAL, 2.0, RATE))[0].truth.rt60_s
               for room in ("living", "bare", "hall")}  # fmt: skip
    assert seconds["living"] < 0.3 < seconds["bare"] < 0.9 < seconds["hall"]
    assert rt60_s is not None


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sound": "../../etc/passwd"}, "sound is '../../etc/passwd'; choose one of alarm"),
        ({"sound": ["alarm"]}, "choose one of alarm"),
        ({"room": "church"}, "choose one of living, bare, hall, open"),
        ({"head": "/etc/head.sofa"}, "choose one of MIT KEMAR"),
        ({"azimuth_deg": "45"}, "azimuth_deg is '45'; give a number from -360 to 360"),
        ({"azimuth_deg": None}, "azimuth_deg is None"),
        ({"elevation_deg": math.nan}, "elevation_deg is nan"),
        ({"distance_m": True}, "distance_m is True"),
        ({"distance_m": 0.1}, f"give a number from {LEAST_M:g} to 10"),
        ({"distance_m": 9.0}, r"9 m at azimuth 45 .* is outside the living room; there is room for 3\.81 m"),
        ({"elevation_deg": 80, "distance_m": 1.5}, r"there is room for 1\.21 m"),
    ],
)
def test_what_cannot_be_a_place_is_refused_with_a_sentence(changes, said):
    with pytest.raises(SceneError, match=said):
        read_placed(GIVEN | changes, HEADS)
    with pytest.raises(SceneError, match="no sound is placed yet"):
        read_placed(None, HEADS)
