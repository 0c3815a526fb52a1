"""Directions over time: angles that are known, invariance to turning everything, coverage, and switches of identity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatial_llm.evaluation.metrics.events.event import TrackPoint
from spatial_llm.evaluation.metrics.events.tracks import Followed, follow, places_at
from spatial_llm.geometry import direction_to_vector, great_circle_deg, wrap_azimuth_deg
from tests.evaluation.metrics.events.making import moving

WALK = ((0.0, -60.0, 0.0, 2.0), (4.0, 60.0, 0.0, 2.0))  # 30 degrees a second


def mean_deg(found: Followed) -> float:
    return found.error_deg / found.matched


def shifted(points, azimuth_deg=0.0, elevation_deg=0.0, factor=1.0):
    return [(t, a + azimuth_deg, e + elevation_deg, d * factor) for t, a, e, d in points]


def test_a_constant_offset_is_the_error_and_a_factor_the_error_of_the_distance():
    found = follow([moving("car", 0, 4, *WALK)], [moving("car", 0, 4, *shifted(WALK, 7.0, factor=1.25))])
    assert found[:3] == (1, 40, 40) and found.switches == 0
    assert mean_deg(found) == pytest.approx(7.0)
    assert found.distance_error / found.distance_frames == pytest.approx(0.25)


def test_an_offset_in_azimuth_is_less_of_an_angle_higher_up():
    high = [(t, a, 60.0, d) for t, a, _, d in WALK]
    # sparse points would cut the corner over the pole differently, so both stand still
    found = follow([moving("car", 0, 1, high[0])], [moving("car", 0, 1, shifted(high[:1], 20.0)[0])])
    assert mean_deg(found) == pytest.approx(float(great_circle_deg(0, 60, 20, 60)))
    assert mean_deg(found) < 10.1


def test_coverage_is_the_share_of_frames_whose_middle_is_told():
    own = [moving("car", 0.0, 4.0, *WALK)]
    found = follow(own, [moving("car", 1.04, 2.0, *WALK)])  # the middle of the frame from 1.0 to 1.1 is in it
    assert (found.frames, found.matched) == (40, 10) and found.error_deg == pytest.approx(0)
    assert follow(own, [moving("bus", 0.0, 4.0, *WALK)]).matched == 0
    assert follow(own, [moving("car", 0.0, 4.0)]).matched == 0
    assert follow([moving("car", 0.0, 4.0)], own) == Followed()
    assert follow([moving("car", 0.96, 1.04, WALK[0])], own).frames == 0


def test_frames_of_ten_hertz_labels_are_all_counted():
    """0.1 * 3 is more than 0.3 in floats; each frame k from 3 to 8 counts once."""
    own = moving("car", 0.1 * 3, 0.1 * 9, *((0.1 * k + 0.05, float(k), None, None) for k in range(3, 9)))
    found = follow([own], [own])
    assert (found.frames, found.matched, found.error_deg, found.distance_frames) == (6, 6, 0.0, 0)


def test_an_event_from_the_middle_of_a_frame_has_that_frame_wherever_it_is():
    """0.1 * 1.5 / 0.1 is not 1.5 in floats."""
    for frame in range(300):
        own = moving("car", 0.1 * (frame + 0.5), 0.1 * (frame + 1.5), (0, 0.0))
        assert follow([own], [own]).matched == 1, frame


def test_where_either_elevation_is_unknown_both_are_level():
    found = follow([moving("car", 0, 1, (0, 10.0, 40.0))], [moving("car", 0, 1, (0, 25.0, None))])
    assert mean_deg(found) == pytest.approx(15.0)


def crossing(first_source=None, second_source=None, swapped_at=None):
    """Two cars that cross in front after 2 s, at 60 degrees a second to each other; from `swapped_at` on with their sources
    exchanged."""
    back = tuple((t, -a, e, d) for t, a, e, d in WALK)
    if swapped_at is None:
        return [moving("car", 0, 4, *WALK, source=first_source), moving("car", 0, 4, *back, source=second_source)]
    return [
        moving("car", start_s, end_s, *points, source=source)
        for start_s, end_s, sources in ((0, swapped_at, (1, 2)), (swapped_at, 4, (2, 1)))
        for points, source in zip((WALK, back), sources, strict=True)
    ]


def test_tracks_that_cross_keep_their_identity():
    found = follow(crossing(), crossing(1, 2))
    assert (found.matched, found.switches) == (80, 0) and found.error_deg == pytest.approx(0, abs=1e-6)


def test_exchanged_sources_are_two_switches():
    found = follow(crossing(), crossing(swapped_at=3))
    assert (found.matched, found.switches) == (80, 2) and found.error_deg == pytest.approx(0, abs=1e-6)


def test_a_prediction_that_goes_the_other_way_is_left_when_it_is_too_far_off():
    """Two predictions bounce where the cars cross: a pair is kept up to 20 degrees, then each changes to the nearer one."""
    bounce = [
        moving("car", 0, 4, (0, -60, 0, 2), (2, 0, 0, 2), (4, -60, 0, 2), source=1),
        moving("car", 0, 4, (0, 60, 0, 2), (2, 0, 0, 2), (4, 60, 0, 2), source=2),
    ]
    found = follow(crossing(), bounce)
    assert found.switches == 2 and found.matched == 80
    # Kept for six frames after 2 s, while 3, 9, ... degrees apart, in both tracks; 21 degrees are too many.
    assert found.error_deg == pytest.approx(2 * (3 + 9 + 15), abs=0.5)


def test_an_event_in_pieces_of_one_source_is_one_identity_and_without_sources_a_switch():
    own, ends = [moving("car", 0, 4, *WALK)], ((0, 2), (2.5, 4))
    for source, switches in ((3, 0), (None, 1)):
        found = follow(own, [moving("car", *end, *WALK, source=source) for end in ends])
        assert (found.switches, found.matched) == (switches, 35)


def test_two_predictions_for_one_event_count_once():
    found = follow([moving("car", 0, 1, (0, 0.0))], [moving("car", 0, 1, (0, 30.0)), moving("car", 0, 1, (0, -10.0))])
    assert found.matched == 10 and mean_deg(found) == pytest.approx(10.0)


ANGLES = st.tuples(st.floats(-179, 179), st.floats(-80, 80))


@settings(max_examples=60, deadline=None)
@given(st.lists(ANGLES, min_size=4, max_size=4), st.floats(-180, 180))
def test_turning_everything_or_exchanging_left_and_right_changes_nothing(angles, turn_deg):
    def tracks(change):
        points = [
            [(t, change(a), e, 1.0) for t, (a, e) in zip((0.0, 1.0), pair, strict=True)] for pair in (angles[:2], angles[2:])
        ]
        return [[moving("car", 0, 1, *each)] for each in points]

    plain = follow(*tracks(lambda a: a))
    turned = follow(*tracks(lambda a: float(wrap_azimuth_deg(a + turn_deg))))
    mirrored = follow(*tracks(lambda a: -a))
    assert turned.error_deg == pytest.approx(plain.error_deg, abs=1e-6)
    assert mirrored.error_deg == pytest.approx(plain.error_deg, abs=1e-6)


@settings(deadline=None)
@given(ANGLES, ANGLES, st.floats(0, 1))
def test_between_two_points_a_direction_is_on_the_arc_at_its_share(first, second, share):
    arc_deg = float(great_circle_deg(*first, *second))
    if arc_deg > 179.9:
        return
    event = moving("car", 0, 1, (0.0, *first, 1.0), (1.0, *second, 3.0))
    azimuth_deg, elevation_deg, distance_m = places_at(event, np.array([share]))[0]
    # the cosine of nearly nothing is coarse, so the tolerance is that of degrees which matter
    assert float(great_circle_deg(*first, azimuth_deg, elevation_deg)) == pytest.approx(share * arc_deg, abs=1e-4)
    assert float(great_circle_deg(*second, azimuth_deg, elevation_deg)) == pytest.approx((1 - share) * arc_deg, abs=1e-4)
    assert distance_m == pytest.approx(1 + 2 * share)


def test_across_the_back_the_short_way_and_at_the_ends_the_last_place():
    event = moving("car", 0, 3, (1.0, 170.0, None), (2.0, -170.0, None))
    found = places_at(event, np.array([0.0, 1.5, 3.0]))
    assert np.abs(found[:, 0]) == pytest.approx([170, 180, 170])
    assert found[0, 0] == pytest.approx(170) and np.isnan(found[:, 1:]).all()


def test_between_opposite_directions_the_nearer_in_time_counts():
    event = moving("car", 0, 1, (0.0, 0.0, 0.0), (1.0, 180.0, 0.0))
    found = direction_to_vector(*places_at(event, np.array([0.2, 0.8]))[:, :2].T)
    assert found == pytest.approx(np.array([[1, 0, 0], [-1, 0, 0]]), abs=1e-9)


def test_a_single_point_holds_for_the_whole_event():
    assert TrackPoint(5.0, 1.0, 2.0, 3.0)[1:] == tuple(
        places_at(moving("a", 0, 1, (5.0, 1.0, 2.0, 3.0)), np.zeros(1))[0].round(9)
    )
