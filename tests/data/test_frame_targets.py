"""What a frame head is taught, against geometry worked out by hand; and truth, rows and events, there and back."""

import dataclasses
import math

import numpy as np
import pytest

from spatial_llm.data.frame_targets import places_in_rows, sources_in_rows
from spatial_llm.data.record import Pair, Record
from spatial_llm.encoders.frame_head import Frames
from spatial_llm.encoders.token_layout import TokenLayout
from spatial_llm.errors import ManifestError
from spatial_llm.model.timeline_events import EventSettings, events_of_frames
from spatial_llm.scenes.motion.frame_labels import labelled_sources
from spatial_llm.scenes.scene import Listener, Room, Scene, SceneTruth, Source, SourceTruth, place_at

ROWS, ROW_S = 16, 0.25
LAYOUT = TokenLayout(3, (ROWS, 2), ((0, 8),), ROW_S)
ROOM = Room("r", (8.0, 8.0, 3.0), 0.5)
CENTRE = (4.0, 4.0, 1.5)
LABELS = ["bell", "dog"]


def record_of(*sounds: tuple[Source, float, float], listener: Listener | None = None, duration_s: float = 4.0) -> Record:
    """A scene of sources with the times at which they are heard."""
    listener = Listener(CENTRE) if listener is None else listener
    truth = SceneTruth(
        tuple(SourceTruth(*place_at(listener, source, onset_s), onset_s, offset_s) for source, onset_s, offset_s in sounds)
    )
    sources = tuple(source for source, _, _ in sounds)
    scene = Scene("s", "train", 0, duration_s, 32000, ROOM, listener, sources, truth=truth)
    return Record("q", "s", "A", "CLASSIFICATION", "?", "bell", {"labels": ["bell"]}, "train", 32000, scene=scene)


def at(label: str, offset_m: tuple[float, float, float], *further: tuple[float, tuple[float, float, float]]) -> Source:
    """A source at an offset from the listener in the room's axes, or on a path of (time, offset)."""
    place = tuple(a + b for a, b in zip(CENTRE, offset_m, strict=True))
    path = tuple((time_s, tuple(a + b for a, b in zip(CENTRE, offset, strict=True))) for time_s, offset in further)
    return Source(label, f"synth:{label}/1", place, path=path)


def taught(record: Record) -> np.ndarray:
    return places_in_rows(sources_in_rows(record, LAYOUT, LABELS), LABELS, ROWS).numpy()


def rows_of(places: np.ndarray, label: str) -> list[int]:
    return np.flatnonzero(np.abs(places[:, LABELS.index(label), :3]).sum(axis=-1)).tolist()


def test_a_still_source_has_its_place_in_the_rows_of_which_it_sounds_for_half_or_more():
    # 0.60 s lies in the middle of row 2 (0.50 to 0.75): more than half of it is heard; 1.10 s ends row 4 before its half.
    places = taught(record_of((at("bell", (0.0, 2.0, 0.0)), 0.6, 1.1)))
    assert rows_of(places, "bell") == [2, 3] and rows_of(places, "dog") == []
    np.testing.assert_allclose(places[2, 0], [0, 1, 0, math.log(2.0)], atol=1e-6)
    assert rows_of(taught(record_of((at("bell", (0.0, 2.0, 0.0)), 0.65, 1.15))), "bell") == [3, 4]


def test_a_sound_shorter_than_half_a_row_is_in_the_row_of_its_middle():
    short = record_of((at("bell", (1.0, 0.0, 0.0)), 0.95, 1.01))
    assert rows_of(taught(short), "bell") == [3]
    assert rows_of(taught(record_of((at("bell", (1.0, 0.0, 0.0)), 0.95, 0.95))), "bell") == [], "never heard"
    assert len(labelled_sources(short.scene, ROW_S)[0].frames) == 0, "frame labels of DCASE leave it out, as before"


def test_a_source_that_passes_in_front_from_left_to_right():
    passing = at("dog", (1.0, 2.0, 0.0), (0.0, (1.0, 2.0, 0.0)), (4.0, (1.0, -2.0, 0.0)))
    places = taught(record_of((passing, 0.0, 4.0)))
    assert rows_of(places, "dog") == list(range(ROWS))
    y = 2.0 - (np.arange(ROWS) + 0.5) * ROW_S  # 1 m/s, 1 m in front
    expected = np.stack([np.ones(ROWS), y, np.zeros(ROWS)], axis=1)
    distance_m = np.hypot(1.0, y)
    np.testing.assert_allclose(places[:, 1, :3], expected / distance_m[:, None], atol=1e-6)
    np.testing.assert_allclose(places[:, 1, 3], np.log(distance_m), atol=1e-6)


def test_a_listener_who_turns_hears_a_still_source_go_the_other_way():
    turning = Listener(CENTRE, 0.0, ((1.0, 0.0), (3.0, 180.0)))
    places = taught(record_of((at("bell", (3.0, 0.0, 0.0)), 0.0, 4.0), listener=turning))
    heading = np.deg2rad(np.interp((np.arange(ROWS) + 0.5) * ROW_S, [1.0, 3.0], [0.0, 180.0]))
    np.testing.assert_allclose(places[:, 0, 0], np.cos(heading), atol=1e-6)
    np.testing.assert_allclose(places[:, 0, 1], -np.sin(heading), atol=1e-6)


def test_of_two_sources_of_one_class_the_nearer_is_taught_row_by_row():
    near, far = at("bell", (0.0, 1.0, 0.0)), at("bell", (0.0, -3.0, 0.0))
    for sounds in ([(far, 0.0, 4.0), (near, 1.0, 2.0)], [(near, 1.0, 2.0), (far, 0.0, 4.0)]):
        places = taught(record_of(*sounds, (at("dog", (2.0, 0.0, 0.0)), 0.0, 1.0)))
        assert np.sign(places[:, 0, 1]).tolist() == [-1] * 4 + [1] * 4 + [-1] * 8
        assert rows_of(places, "dog") == [0, 1, 2, 3]


def test_truth_rows_and_events_are_the_truth_within_half_a_row():
    generator = np.random.default_rng(0)
    for _ in range(20):
        onsets, lengths = generator.uniform(0, 2, 2), generator.uniform(0.5, 1.9, 2)
        sounds = [
            (at(label, tuple(generator.uniform(0.5, 3.0, 3) * (1, -1, 0.4))), float(onset), float(onset + length))
            for label, onset, length in zip(LABELS, onsets, lengths, strict=True)
        ]
        record = record_of(*sounds)
        places = taught(record)
        frames = Frames.of(np.abs(places[..., :3]).sum(axis=-1) > 0, places, tuple(LABELS), ROW_S)
        events = events_of_frames(frames, EventSettings(0.5, 0.0, 0.0, 1))
        assert len(events) == 2
        for source, onset_s, offset_s in sounds:
            (event,) = (event for event in events if event.label == source.label)
            assert abs(event.onset_s - onset_s) <= ROW_S / 2 and abs(event.offset_s - offset_s) <= ROW_S / 2
            place = place_at(record.scene.listener, source, onset_s)
            np.testing.assert_allclose(np.array(event.places)[:, 1:], np.tile(place, (len(event.places), 1)), atol=1e-3)
            assert event.places[0][0] == pytest.approx(event.onset_s + ROW_S / 2)


def test_what_does_not_say_when_and_where_is_refused_by_name():
    record = record_of((at("bell", (1.0, 0.0, 0.0)), 0.0, 1.0))
    pair = dataclasses.replace(record, scene=None, pairs=(Pair("a.wav", "r.npy", ("bell",), 0.0, 0.0, 1.0),))
    for silent in (pair, dataclasses.replace(record, scene=dataclasses.replace(record.scene, truth=None))):
        with pytest.raises(ManifestError, match="'q' does not say from when to when"):
            sources_in_rows(silent, LAYOUT, LABELS)
    with pytest.raises(ManifestError, match=r"'q': its scene lasts 5 s, the window of the encoder 4 s"):
        sources_in_rows(record_of((at("bell", (1.0, 0.0, 0.0)), 0.0, 1.0), duration_s=5.0), LAYOUT, LABELS)
    with pytest.raises(ManifestError, match="'q': class 'bell' is not among dog"):
        sources_in_rows(record, LAYOUT, ["dog"])
