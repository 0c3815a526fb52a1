"""Axes, angles and classes: every frame says the same of the six axes and of random directions."""

import itertools
import math

import numpy as np
import pyroomacoustics
import pytest

from spatial_llm import geometry
from spatial_llm.errors import SpatialLLMError

# One row a direction, one column a frame: internal xyz, azimuth, elevation; SoundSpaces xyz; SOFA, pyroomacoustics and
# DCASE angles; hour of the clock; the word that this axis decides; BAT's classes of azimuth and elevation.
AXES = {
    "front": ((1, 0, 0), 0, 0, (0, 0, -1), (0, 0), (0, 90), (0, 0), 12, "front", 90, 90),
    "left": ((0, 1, 0), 90, 0, (-1, 0, 0), (90, 0), (90, 90), (90, 0), 9, "left", 180, 90),
    "behind": ((-1, 0, 0), 180, 0, (0, 0, 1), (180, 0), (180, 90), (-180, 0), 6, "behind", 270, 90),
    "right": ((0, -1, 0), -90, 0, (1, 0, 0), (270, 0), (270, 90), (-90, 0), 3, "right", 0, 90),
    "above": ((0, 0, 1), 0, 90, (0, 1, 0), (0, 90), (0, 0), (0, 90), 12, "above", 90, 0),
    "below": ((0, 0, -1), 0, -90, (0, -1, 0), (0, -90), (0, 180), (0, -90), 12, "below", 90, 0),
}
ANGLES = ("sofa", "pyroomacoustics", "dcase")


@pytest.mark.parametrize("axis", AXES)
def test_six_axes_agree_in_every_frame(axis):
    xyz, azimuth, elevation, soundspaces, sofa, pyroom, dcase, hour, word, azimuth_class, elevation_class = AXES[axis]
    assert [float(v) for v in geometry.vector_to_direction(xyz)] == pytest.approx([azimuth, elevation, 1.0])
    np.testing.assert_allclose(geometry.direction_to_vector(azimuth, elevation), xyz, atol=1e-12)
    np.testing.assert_allclose(geometry.internal_to_soundspaces(xyz), soundspaces, atol=1e-12)
    np.testing.assert_allclose(geometry.soundspaces_to_internal(soundspaces), xyz, atol=1e-12)
    for frame, angles in zip(ANGLES, (sofa, pyroom, dcase), strict=True):
        assert getattr(geometry, f"internal_to_{frame}")(azimuth, elevation) == angles, frame
        assert getattr(geometry, f"{frame}_to_internal")(*angles) == (azimuth, elevation), frame
    assert geometry.clock_hour(azimuth) == hour and geometry.azimuth_of_hour(hour) == azimuth
    assert word in geometry.direction_words(xyz)
    assert geometry.bat_azimuth_class(azimuth) == azimuth_class
    assert geometry.bat_elevation_class(elevation) == elevation_class
    assert np.round(pyroomacoustics.directivities.DirectionVector(*pyroom).unit_vector, 9) == pytest.approx(xyz)


def test_all_frames_agree_on_random_directions():
    rng = np.random.default_rng(0)
    xyz = rng.standard_normal((1000, 3))
    xyz /= np.linalg.norm(xyz, axis=1, keepdims=True)
    azimuth, elevation, distance = geometry.vector_to_direction(xyz)
    np.testing.assert_allclose(distance, 1.0)
    np.testing.assert_allclose(geometry.direction_to_vector(azimuth, elevation), xyz, atol=1e-12)
    assert ((azimuth > -180) & (azimuth <= 180)).all()
    there = geometry.internal_to_soundspaces(xyz)
    np.testing.assert_allclose(geometry.soundspaces_to_internal(there), xyz, atol=1e-12)
    for frame, low, high in (("sofa", 0, 360), ("pyroomacoustics", 0, 360), ("dcase", -180, 180)):
        angles = getattr(geometry, f"internal_to_{frame}")(azimuth, elevation)
        assert ((angles[0] >= low) & (angles[0] < high)).all(), frame
        again = getattr(geometry, f"{frame}_to_internal")(*angles)
        np.testing.assert_allclose(geometry.direction_to_vector(*again), xyz, atol=1e-9, err_msg=frame)
    colatitude = np.deg2rad(geometry.internal_to_pyroomacoustics(azimuth, elevation)[1])
    np.testing.assert_allclose(np.cos(colatitude), xyz[:, 2], atol=1e-12)
    for (x, y, z), (right, up, behind), degrees in zip(xyz, there, azimuth, strict=True):
        words = geometry.direction_words((x, y, z))
        # the words of BAT by its own axes (released code): right/left by dx, front/behind by -dz, above/below by dy
        assert words == (
            "right" if right > 0 else "left",
            "front" if -behind > 0 else "behind",
            "above" if up > 0 else "below",
        )
        hour = geometry.clock_hour(degrees)
        off = geometry.wrap_azimuth_deg(geometry.azimuth_of_hour(hour) - degrees)
        assert abs(off) <= 15
        if hour not in (12, 6):
            assert words[0] == ("right" if hour < 6 else "left")
        if hour not in (3, 9):
            assert words[1] == ("behind" if 3 < hour < 9 else "front")


def test_the_clock_goes_round():
    assert [geometry.clock_hour(geometry.azimuth_of_hour(hour)) for hour in range(1, 13)] == list(range(1, 13))
    assert [geometry.clock_hour(a) for a in (14, -14, -16, 344, 196, -720)] == [12, 12, 1, 1, 5, 12]
    assert [geometry.clock_hour(a) for a in (15, 45, -15)] == [12, 11, 1]  # half-way: the later hour
    for hour in (0, 13, 2.5):
        with pytest.raises(SpatialLLMError, match="give 1 to 12"):
            geometry.azimuth_of_hour(hour)


def official_classes(dx, dy, dz):
    """The formulas of Spatial-AST's `data/dataset.py`, from source minus sensor in SoundSpaces axes (y up, -z front)."""
    distance = round(2 * math.sqrt(dx**2 + dy**2 + dz**2))
    azimuth = (round(math.degrees(math.atan2(-dz, dx))) + 360) % 360
    elevation = (round(math.degrees(math.atan(dy / math.sqrt(dx**2 + dz**2)))) + 90) % 180
    return distance, azimuth, elevation


def our_classes(delta):
    azimuth, elevation, distance = geometry.vector_to_direction(geometry.soundspaces_to_internal(delta))
    return (
        geometry.bat_distance_class(distance),
        geometry.bat_azimuth_class(azimuth),
        geometry.bat_elevation_class(elevation),
    )


def test_classes_equal_the_official_formulas_on_random_positions():
    rng = np.random.default_rng(0)
    for delta in rng.uniform(-5, 5, (1000, 3)):
        classes = official_classes(*delta)
        assert our_classes(delta) == classes
        azimuth, elevation, _ = geometry.vector_to_direction(geometry.soundspaces_to_internal(delta))
        back = geometry.azimuth_from_bat_class(classes[1]), geometry.elevation_from_bat_class(classes[2])
        assert geometry.great_circle_deg(azimuth, elevation, *back) < 0.75


# exactly half-way between two classes: banker's rounding takes the even one, from positions as from the formulas
@pytest.mark.parametrize(("metres", "distance_class"), [(0.25, 0), (0.75, 2), (1.25, 2), (1.75, 4), (2.25, 4), (9.75, 20)])
@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 0, -1), (-1, 0, 0)])
def test_half_way_goes_to_the_even_class(metres, distance_class, axis):
    delta = np.multiply(axis, metres)
    assert our_classes(delta) == official_classes(*delta)
    assert our_classes(delta)[0] == distance_class


@pytest.mark.parametrize(("metres", "distance_class"), [(0.25, 0), (0.75, 2), (2.4, 5), (10.0, 20)])
def test_distance_class_and_its_centre(metres, distance_class):
    assert geometry.bat_distance_class(metres) == distance_class
    assert geometry.distance_from_bat_class(distance_class) == distance_class / 2


def test_half_degrees_go_to_the_even_class():
    assert [geometry.bat_elevation_class(e) for e in (0.5, 1.5, -0.5, -1.5, 88.5)] == [90, 92, 90, 88, 178]
    assert [geometry.bat_azimuth_class(a) for a in (0.5, 1.5, -90.5)] == [90, 92, 0]


def test_kept_bug_straight_up_wraps_to_the_class_of_straight_down():
    """The official elevation labels end at 179: +90, and all that rounds to it, becomes 0, which is -90."""
    steep = (0.0, 5.0, -0.01)  # 89.9 degrees up; official code divides by zero only when exactly above
    assert official_classes(*steep)[2] == our_classes(steep)[2] == 0
    assert geometry.bat_elevation_class(90) == geometry.bat_elevation_class(-90) == 0
    assert our_classes((0.0, 2.0, 0.0)) == (4, 90, 0)
    with pytest.raises(ZeroDivisionError):
        official_classes(0.0, 2.0, 0.0)


def test_distance_beyond_the_last_class_is_refused():
    with pytest.raises(SpatialLLMError, match=r"10\.3 m is class 21, expected 0 to 20"):
        geometry.bat_distance_class(10.3)


def test_wrapping_keeps_the_half_open_interval():
    np.testing.assert_allclose(geometry.wrap_azimuth_deg([180, -180, 540, 359, 181, 0]), [180, 180, 180, -1, -179, 0])


REGIONS = list(itertools.product((-1, 0, 1), repeat=3))


def test_distance_to_a_region_is_the_least_over_its_points():
    """Against sampled points of all 27 regions, and the points on their borders, which a sample seldom meets."""
    rng = np.random.default_rng(4)
    points = rng.normal(size=(40_000, 3))
    flat = np.where(rng.random((20_000, 3)) < 0.4, 0.0, rng.normal(size=(20_000, 3)))  # on planes and axes
    points = np.concatenate([points, flat[np.any(flat != 0, axis=1)]])
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    directions = np.concatenate([rng.normal(size=(20, 3)), np.eye(3), -np.eye(3), [[-1, -1, -1], [-1, 0, -2], [0, -3, 1]]])
    for signs in REGIONS:
        inside = points[np.all(points * signs >= 0, axis=1)]
        unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        least = np.rad2deg(np.arccos(np.clip(np.max(unit @ inside.T, axis=1), -1, 1)))
        found = geometry.region_distance_deg(directions, np.broadcast_to(signs, directions.shape))
        # no sampled point is nearer, and one is nearly as near (a ring of samples is some degrees wide)
        assert np.all(found <= least + 1e-5), signs
        np.testing.assert_allclose(found, least, atol=2.5, err_msg=str(signs))


def test_distance_to_a_region_of_known_pairs():
    left_front_above, of = (1, 1, 1), geometry.region_distance_deg
    assert of([1, 2, 3], left_front_above) == 0 and of([1, 0, 0], left_front_above) == 0  # inside, and on the border
    vector = geometry.direction_to_vector
    assert of(vector(-30, 0), (0, 1, 0)) == pytest.approx(30)  # right by 30 degrees, "left"
    assert of(vector(120, 0), left_front_above) == pytest.approx(30)
    assert of(vector(45, -20), left_front_above) == pytest.approx(20)
    assert of(vector(135, 0), (1, 0, 0)) == pytest.approx(45)
    assert of([-1, 0, 0], (1, 0, 0)) == 90 and of([-1, 0, 0], left_front_above) == 90  # the axes of the plane are as near
    assert of([-1, -1, -1], left_front_above) == pytest.approx(90 + math.degrees(math.asin(1 / math.sqrt(3))))
    assert of([-1, -2, -3], left_front_above) == pytest.approx(90 + math.degrees(math.asin(1 / math.sqrt(14))))
    assert of([-1, -2, -3], (0, 0, 0)) == 0 and of([-7, 1e-9, 0], left_front_above) == pytest.approx(90)
    assert np.isnan(of([1, 0, 0], (1, np.nan, 1)))
    assert of(np.ones((4, 1, 3)), np.ones((1, 5, 3))).shape == (4, 5)


def test_great_circle_of_known_pairs():
    assert geometry.great_circle_deg(0, 0, 90, 0) == pytest.approx(90)
    assert geometry.great_circle_deg(10, 90, -120, 90) == pytest.approx(0, abs=1e-9)
    assert geometry.great_circle_deg(0, 30, 180, 30) == pytest.approx(120)
    assert geometry.great_circle_deg(179.999, 0, -179.999, 0) == pytest.approx(0.002, rel=1e-3)


def test_direction_words():
    assert geometry.direction_words((1, -2, -0.5)) == ("right", "front", "below")
    assert geometry.direction_words((-1, 2, 0.5)) == ("left", "behind", "above")
