"""What microphones cannot tell: by their delays, computed from the positions, and by the levels of a stereo pair."""

import numpy as np
import pytest

from spatial_llm.audio.formats import parse_format
from spatial_llm.geometry import direction_to_vector, great_circle_deg
from spatial_llm.questions.about import About
from spatial_llm.questions.facts import HeardSource
from spatial_llm.questions.knowable import answers_alike, directions_alike, value_at

SQUARE = "array:[[0.05,0.05,0],[0.05,-0.05,0],[-0.05,0.05,0],[-0.05,-0.05,0]]"
TILTED = "array:[[0.05,0,0.05],[0,0.05,0],[-0.05,0,-0.05]]"
LINE = "array:[[0.06,0,0],[0.02,0,0],[-0.06,0,0]]"
TETRAHEDRON = "array:[[0.03,0.03,0.03],[0.03,-0.03,-0.03],[-0.03,0.03,-0.03],[-0.03,-0.03,0.03]]"


@pytest.mark.parametrize(("text", "count"), [(SQUARE, 1), (TILTED, 1), (LINE, 3)])
def test_directions_that_sound_alike_have_the_same_delays(text, count):
    format = parse_format(text)
    positions = np.array(format.positions_m)
    for azimuth_deg, elevation_deg in ((30.0, 20.0), (-100.0, -35.0), (170.0, 60.0)):
        way = direction_to_vector(azimuth_deg, elevation_deg)
        alike = directions_alike(format, azimuth_deg, elevation_deg)
        assert len(alike) == count
        for other in alike:
            assert great_circle_deg(azimuth_deg, elevation_deg, *other) > 5
            delays, others = positions @ way, positions @ direction_to_vector(*other)
            np.testing.assert_allclose(delays - delays[0], others - others[0], atol=1e-12)


@pytest.mark.parametrize("text", ["binaural", "foa", "ambisonics3", TETRAHEDRON])
def test_what_tells_every_direction_has_none_alike(text):
    assert directions_alike(parse_format(text), 40.0, 10.0) == []


def test_a_ring_on_a_sphere_is_a_plane_and_one_off_its_equator_is_not():
    ring = '{"positions_m": [[0.042,0,0],[0,0.042,0],[-0.042,0,0],[0,-0.042,0]], "sphere_radius_m": 0.042}'
    assert directions_alike(parse_format(f"array:{ring}"), 40.0, 10.0) == [pytest.approx((40.0, -10.0))]
    z, r = 0.021, (0.042**2 - 0.021**2) ** 0.5
    higher = f'{{"positions_m": [[{r},0,{z}],[0,{r},{z}],[-{r},0,{z}],[0,-{r},{z}]], "sphere_radius_m": 0.042}}'
    assert directions_alike(parse_format(f"array:{higher}"), 40.0, 10.0) == []


def test_stereo_tells_the_side_alone_and_one_microphone_nothing():
    for other in directions_alike(parse_format("stereo_ms"), 30.0, 20.0):
        assert direction_to_vector(*other)[1] == pytest.approx(direction_to_vector(30.0, 20.0)[1])
    assert len(directions_alike(parse_format("mono"), 30.0, 20.0)) == 6
    assert len(directions_alike(parse_format("array:[[0.1, 0, 0]]"), 30.0, 20.0)) == 6


def alike(question_type, truth, azimuth_deg, elevation_deg, text, **about):
    source = HeardSource("bell", azimuth_deg, elevation_deg, 2.0)
    return answers_alike(question_type, About((0,), **about), truth, source, parse_format(text))


def test_answers_that_nobody_can_know():
    assert alike("ELEVATION_DEG", {"elevation_deg": 30.0}, 50, 30, SQUARE) == [{"elevation_deg": -30.0}]
    assert alike("ELEVATION_DEG", {"elevation_deg": 8.0}, 50, 8, SQUARE) == []  # within 20 degrees of its mirror image
    assert alike("ELEVATION_DEG", {"elevation_deg": 30.0}, 50, 30, "binaural") == []
    assert alike("AZIMUTH_DEG", {"azimuth_deg": 50.0}, 50, 30, SQUARE) == []
    assert {"azimuth_deg": -50.0} in alike("AZIMUTH_DEG", {"azimuth_deg": 50.0}, 50, 0, LINE)
    above = {"axis": "above_below", "side": "above"}
    assert alike("WRONG_PLACE", {"yes": True}, 50, 30, SQUARE, **above) == [{"yes": False}]
    left = {"axis": "left_right", "side": "left"}
    assert alike("WRONG_PLACE", {"yes": True}, 50, 30, SQUARE, **left) == []
    # A place in words is known in part, and distances are no direction.
    place = {"left_right": "left", "front_behind": "front", "above_below": "above", "distance_m": 2.0}
    assert alike("DOA", place, 50, 30, SQUARE) == []
    assert alike("DISTANCE", {"distance_m": 2.0}, 50, 30, "mono") == []


def test_after_a_turn_the_microphones_stay_as_they_are():
    """A line of microphones along x hears +-azimuth alike; after a turn of 90 degrees to the left both are 90 less."""
    found = answers_alike(
        "ROTATED_AZIMUTH", About((0,), turn_deg=90.0), {"azimuth_deg": -40.0}, HeardSource("bell", -40.0, 0.0, 2.0),
        parse_format(LINE),
    )  # fmt: skip
    assert {"azimuth_deg": -140.0} in found  # heard at 50 before the turn; alike is -50, which is -140 after it


def test_places_are_those_of_the_source_in_the_steps_of_answers():
    source = HeardSource("bell", -100.4, -20.4, 2.26)
    words = value_at({"left_right": "left", "front_behind": "front", "above_below": "above", "distance_m": 9.0}, source)
    assert words == {"left_right": "right", "front_behind": "behind", "above_below": "below", "distance_m": 2.5}
    assert value_at({"distance_m": 9.0}, source) == {"distance_m": 2.3}
    assert value_at({"azimuth_deg": 0.0}, source) == {"azimuth_deg": -100.0}
    assert value_at({"clock_hour": 12}, source) == {"clock_hour": 3}
    assert value_at({"yes": True}, source) == {"yes": True}
