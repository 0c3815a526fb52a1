"""Truth: times as they are heard in the recording, directions of the stored positions, and what cannot be known is None."""

import dataclasses

import numpy as np
import pytest

from spatial_llm.audio.formats import parse_format
from spatial_llm.geometry import SPEED_OF_SOUND_M_S
from spatial_llm.scenes.events import EVENT_CLASSES
from spatial_llm.scenes.render import render_scene
from spatial_llm.scenes.scene import Listener, Overlap, Room, direction_of
from spatial_llm.scenes.scene_json import scene_from_dict, scene_to_dict
from spatial_llm.scenes.truth import active_span, derive_truth, truth_of
from tests.scenes.small import ANECHOIC, RATE, ROOM, bank, decaying, mirror, position, scene, source

MONO = parse_format("mono")


def burst(begin_s: float, end_s: float, length_s: float) -> np.ndarray:
    """Noise between two times, silence (60 dB below) around it."""
    sound = 1e-3 * np.random.default_rng(0).standard_normal(round(length_s * RATE))
    sound[round(begin_s * RATE) : round(end_s * RATE)] *= 1e3
    return sound.astype(np.float32)


@pytest.mark.parametrize("label", EVENT_CLASSES)
def test_onset_and_offset_are_those_of_the_recording(tmp_path, label):
    heard = scene(source(30.0, f"synth:{label}/5", onset_s=0.317, offset_s=1.2), duration_s=1.5, room=ANECHOIC)
    known = truth_of(heard, tmp_path).sources[0]
    recording = np.abs(render_scene(heard, tmp_path, MONO)[0])
    # Anechoic: the dry sound, some milliseconds later. Its loudest 10 ms set the threshold, as they do in the truth.
    loudest = max(np.sqrt(np.mean(recording[i : i + 320] ** 2)) for i in range(0, len(recording), 160))
    above = np.flatnonzero(recording > 0.01 * loudest) / RATE
    assert abs(known.onset_s - above[0]) < 0.012
    assert abs(known.offset_s - above[-1]) < 0.012
    assert 0.317 + 1.5 / SPEED_OF_SOUND_M_S - 1e-3 <= known.onset_s < known.offset_s <= 1.21


def test_silence_in_the_recording_and_the_way_through_the_air_count():
    heard = scene(source(0.0, onset_s=0.2), source(90.0, onset_s=0.1, offset_s=0.45), source(180.0), duration_s=1.0)
    dry = [burst(0.1, 0.3, 0.5), burst(0.2, 0.9, 1.0), burst(0.0, 2.0, 2.0)]
    way_s = round(1.5 / SPEED_OF_SOUND_M_S, 3)
    known = derive_truth(heard, dry, 0.3, [1.0, 2.0, 3.0], propagation_delay=True)
    times = [(each.onset_s, each.offset_s) for each in known.sources]
    np.testing.assert_allclose(times, [(0.3 + way_s, 0.5 + way_s), (0.3 + way_s, 0.45 + way_s), (way_s, 1.0)], atol=0.0011)
    without = derive_truth(heard, dry, 0.3, [1.0, 2.0, 3.0], propagation_delay=False)
    np.testing.assert_allclose([each.onset_s for each in without.sources], [0.3, 0.3, 0.0], atol=0.0011)
    pairs = [(overlap.first, overlap.second) for overlap in known.overlaps]
    assert pairs == [(0, 1), (0, 2), (1, 2)]
    first = known.overlaps[0]
    assert (first.begin_s, first.end_s) == (max(times[0][0], times[1][0]), min(times[0][1], times[1][1]))


def test_no_overlap_where_one_ends_before_the_other_begins():
    heard = scene(source(0.0, offset_s=0.3), source(90.0, onset_s=0.5), duration_s=1.0)
    known = derive_truth(heard, [burst(0, 1, 1)] * 2, None, [None, None], False)
    assert known.overlaps == () and known.rt60_s is None and known.sources[0].drr_db is None
    known = derive_truth(heard, [burst(0, 1, 1)] * 2, float("nan"), [float("inf"), 1.23456], False)
    assert known.rt60_s is None and [each.drr_db for each in known.sources] == [None, 1.235]


def test_a_sound_that_is_silent_as_it_plays_has_no_length():
    heard = scene(source(onset_s=0.999), source(onset_s=0.4), duration_s=1.0)
    known = derive_truth(heard, [burst(0.5, 0.6, 1.0) * 0, np.zeros(RATE, dtype=np.float32)], 0.3, [0.0, 0.0], True)
    late, silent = known.sources
    assert late.onset_s == late.offset_s == 1.0  # on the way when the recording ends
    assert silent.onset_s == silent.offset_s == pytest.approx(0.404)
    assert known.overlaps == ()
    assert active_span(np.zeros(1000), RATE) is None


def test_span_is_exact_to_the_sample():
    sound = np.zeros(5000)
    sound[1234:4001] = 1.0
    sound[4500] = 0.009  # 41 dB below
    assert active_span(sound, RATE) == (1234, 4001)
    assert active_span(np.eye(1, 999, 998)[0], RATE) == (998, 999)


def test_directions_are_those_of_the_stored_positions_and_go_through_json(tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(50):
        listener = Listener(tuple(rng.uniform(1, 2, 3).round(4).tolist()), round(float(rng.uniform(-180, 180)), 4))
        sources = [dataclasses.replace(source(), position_m=tuple(rng.uniform(0.1, 2.9, 3).round(4).tolist()))]
        made = dataclasses.replace(scene(source()), listener=listener, sources=tuple(sources))
        known = derive_truth(made, [burst(0, 1, 1)], 0.3, [0.0], True)
        made = dataclasses.replace(made, truth=known)
        assert scene_from_dict(scene_to_dict(made)) == made  # which checks the truth against the positions
        found = known.sources[0]
        wanted = direction_of(listener, sources[0].position_m)
        np.testing.assert_allclose((found.azimuth_deg, found.elevation_deg, found.distance_m), wanted, atol=6e-5)
        assert all(value == round(value, 4) for value in (found.azimuth_deg, found.elevation_deg, found.distance_m))
    assert known.volume_m3 == 90.0 and dataclasses.replace(made, truth=None) != made


@pytest.mark.parametrize(("y", "azimuth_deg"), [(2.5, 180.0), (2.5 - 1e-9, 180.0), (2.5 + 1e-9, 180.0)])
def test_straight_behind_is_plus_180(y, azimuth_deg):
    made = scene(dataclasses.replace(source(), position_m=(1.0, y, 1.5)))
    made = dataclasses.replace(made, listener=Listener((3.0, 2.5, 1.5), 0.0))
    assert derive_truth(made, [burst(0, 1, 1)], None, [None], True).sources[0].azimuth_deg == azimuth_deg


def test_truth_of_a_bank_and_of_a_simulated_room(tmp_path):
    bank(tmp_path / "bank", [60.0, -60.0], {parse_format("binaural"): [decaying(2, 4000, 0)] * 2})
    banked = scene(source(60.0, response=0), source(-60.0, response=1), bank="bank")
    known = truth_of(banked, tmp_path)
    assert known.rt60_s == 0.3 and [each.drr_db for each in known.sources] == [5.0, 5.0] and known.volume_m3 == 90.0
    assert [round(each.azimuth_deg) for each in known.sources] == [60, -60]
    assert known.overlaps == (Overlap(0, 1, known.sources[0].onset_s, min(s.offset_s for s in known.sources)),)
    assert [round(each.azimuth_deg) for each in truth_of(mirror(banked), tmp_path).sources] == [-60, 60]
    reverberant = Room("r", ROOM.size_m, target_rt60_s=0.3, response_s=0.4)
    simulated = truth_of(scene(source(60.0), room=reverberant), tmp_path)
    assert simulated.rt60_s == pytest.approx(0.3, rel=0.2) and -15 < simulated.sources[0].drr_db < 10
    assert truth_of(scene(source(), room=ANECHOIC), tmp_path).sources[0].drr_db is None
    assert position(60.0) == banked.sources[0].position_m
