"""Events of every kind of file: frame labels, timelines, manifests, lines of events and of captions; and what is refused."""

import dataclasses
import json

import numpy as np
import pytest

from spatial_llm.data.record import Known
from spatial_llm.errors import ManifestError, SpatialLLMError
from spatial_llm.evaluation.metrics.events.event import TrackPoint
from spatial_llm.evaluation.metrics.events.tracks import follow
from spatial_llm.evaluation.scoring.event_files import EventFileSettings, read_events
from spatial_llm.geometry import direction_to_vector, vector_to_direction
from spatial_llm.questions.facts import HeardSource
from spatial_llm.scenes.motion.track import places_of
from spatial_llm.scenes.scene import SceneTruth, SourceTruth
from spatial_llm.scenes.scene_json import scene_to_dict
from tests.data.importing.dcase_folder import frames, write_csv
from tests.evaluation.fixtures_events import SCENES, records, write_events_manifest
from tests.scenes import small

STARSS = EventFileSettings(data_set="starss23-foa")
OWN = EventFileSettings(classes=["bell", "dog"])


def written(path, *lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def spans(events):
    return [(event.label, round(event.onset_s, 6), round(event.offset_s, 6)) for event in events]


def test_frame_labels_become_events_by_class_and_source(tmp_path):
    rows = (
        frames(5, 20, 1, 1, 40, 10)
        + frames(24, 40, 1, 1, 44, 12)
        + frames(50, 50, 1, 1, 44, 12)
        + frames(0, 9, 8, 0, -180, 0, 300)
    )
    write_csv(tmp_path / "sub" / "fold4_room1_mix001.csv", rows)
    write_csv(tmp_path / "fold4_room1_mix002.csv", [])
    found = read_events(tmp_path, STARSS)
    assert set(found.sha256) == {"sub/fold4_room1_mix001.csv", "fold4_room1_mix002.csv"}
    assert found.recordings["fold4_room1_mix002"] == ()
    events = found.recordings["fold4_room1_mix001"]
    # a pause of 0.3 s is none, one of 0.9 s is
    assert spans(events) == [("music", 0.0, 1.0), ("male speech", 0.5, 4.1), ("male speech", 5.0, 5.1)]
    assert events[0].track[0] == pytest.approx(TrackPoint(0.05, -180.0, 0.0, 3.0)) and len(events[1].track) == 33
    assert events[1].source == events[2].source
    apart = read_events(tmp_path, EventFileSettings(data_set="starss23-foa", joining_gap_s=0.2))
    assert spans(apart.recordings["fold4_room1_mix001"])[1:3] == [("male speech", 0.5, 2.1), ("male speech", 2.4, 4.1)]


def test_sounds_under_one_number_at_one_time_are_told_apart(tmp_path):
    """In STARSS, several sounds that are no actors share the number 0."""
    write_csv(tmp_path / "fold4_room1_mix001.csv", frames(0, 9, 8, 0, 50, 0) + frames(5, 14, 8, 0, -50, 0))
    events = read_events(tmp_path, STARSS).recordings["fold4_room1_mix001"]
    assert spans(events) == [("music", 0.0, 1.5), ("music", 0.5, 1.0)] and events[0].source != events[1].source


def test_labels_of_ones_own_with_and_without_a_distance(tmp_path):
    write_csv(tmp_path / "far.csv", [(0, 1, 0, 10, 5, 250)])
    write_csv(tmp_path / "near.csv", [(0, 0, 0, 10, 5)])
    found = read_events(tmp_path, OWN).recordings
    assert found["far"][0].label == "dog" and found["far"][0].track[0].distance_m == 2.5
    assert found["near"][0].label == "bell" and found["near"][0].track[0].distance_m is None
    write_csv(tmp_path / "far.csv", [(0, 2, 0, 10, 5, 250)])
    with pytest.raises(ManifestError, match=r"far.csv:1: class is '2'; expected the number of a class: 0 bell, 1 dog"):
        read_events(tmp_path, OWN)


@pytest.mark.parametrize("settings", [EventFileSettings(), EventFileSettings("starss23-foa", ["bell"])])
def test_the_names_of_the_classes_are_never_guessed(tmp_path, settings):
    write_csv(tmp_path / "a.csv", [(0, 1, 0, 10, 5, 250)])
    with pytest.raises(ManifestError, match="either a data_set or of classes"):
        read_events(tmp_path, settings)


def row(start_s, end_s, azimuth_deg=None, **events):
    return {
        "start_s": start_s, "end_s": end_s, "level_dbfs": -20.0, "quiet": not events, "events": events or None,
        "azimuth_deg": azimuth_deg, "elevation_deg": None if azimuth_deg is None else 5.0,
        "distance_m": None if azimuth_deg is None else 2.0, "answers": {},
    }  # fmt: skip


HEADER = {"recording": "monday/kitchen.wav", "questions": [], "window_s": 2.0, "hop_s": 1.0}
ROWS = [
    row(0.0, 2.0, 10.0, bell=0.9, dog=0.6),
    row(1.0, 3.0, 20.0, bell=0.8, dog=0.4),
    row(2.0, 4.0),
    row(3.0, 5.0, -30.0, dog=0.7, bell=0.6),
    row(4.0, 5.5, -30.0, dog=0.2),
]


@pytest.mark.parametrize("suffix", [".jsonl", ".json"])
def test_neighbouring_windows_of_a_timeline_are_one_event(tmp_path, suffix):
    lines = [HEADER, *ROWS] if suffix == ".jsonl" else [{**HEADER, "rows": ROWS}]
    found = read_events(written(tmp_path / f"timeline{suffix}", *lines), EventFileSettings())
    events = found.recordings["kitchen"]
    assert spans(events) == [("dog", 0.0, 2.0), ("bell", 0.0, 3.0), ("bell", 3.0, 5.0), ("dog", 3.0, 5.0)]
    # the place in a window is that of its first class alone
    assert [event.track for event in events] == [
        (), (TrackPoint(1.0, 10.0, 5.0, 2.0), TrackPoint(2.0, 20.0, 5.0, 2.0)), (), (TrackPoint(4.0, -30.0, 5.0, 2.0),)
    ]  # fmt: skip
    sure = read_events(tmp_path / f"timeline{suffix}", EventFileSettings(least_probability=0.75))
    assert spans(sure.recordings["kitchen"]) == [("bell", 0.0, 3.0)]


def test_a_timeline_without_heads_or_of_no_file_is_refused(tmp_path):
    deaf = [{**ROWS[0], "events": None}]
    odd = [{**ROWS[0], "start_s": "early"}]
    for lines in ([HEADER, *deaf], [HEADER, *odd], [{**HEADER, "recording": None}, *ROWS]):
        with pytest.raises(ManifestError, match="is no timeline of a file with what the encoder's heads heard"):
            read_events(written(tmp_path / "timeline.jsonl", *lines), EventFileSettings())


def test_the_events_of_a_manifest_are_the_truth_of_its_scenes(tmp_path):
    found = read_events(write_events_manifest(tmp_path / "eval.jsonl"), EventFileSettings()).recordings
    assert set(found) == set(SCENES)
    assert spans(found["one"]) == [("bell", 0.112, 0.52), ("rain", 0.4, 1.0)]
    assert spans(found["three"]) == [("bell", 0.25, 0.75)]  # the other one is never heard
    assert found["one"][1].track[0] == pytest.approx(TrackPoint(0.4, -100.0, 0.0, 1.5), abs=0.01)
    assert [event.source for event in found["one"]] == [0, 1]


@pytest.mark.parametrize("turns", [False, True])
def test_what_moves_has_a_track_that_is_exact_in_the_middle_of_each_frame(tmp_path, turns):
    """A source that walks by, or one that rests around a turning listener: places by hand from the positions."""
    path = (
        ()
        if turns
        else tuple((time_s, small.position(azimuth_deg, 0.0, 2.0)) for time_s, azimuth_deg in ((0.0, 60.0), (1.0, -60.0)))
    )
    source = dataclasses.replace(
        small.source(60.0, "synth:rain/1"), path=path, position_m=path[0][1] if path else small.position(60.0)
    )
    headings = ((0.0, 40.0), (1.0, 100.0)) if turns else ()
    listener = dataclasses.replace(small.LISTENER, headings=headings)
    times = 0.105, 0.95
    place = (float(each[0]) for each in places_of(listener, source, np.array([times[0]])))
    truth = SceneTruth((SourceTruth(*(round(value, 4) for value in place), *times),))
    scene = dataclasses.replace(records()[0].scene, sources=(source,), listener=listener, truth=truth, id="walk")
    record = dataclasses.replace(records()[0], scene=scene, recording_id="walk")
    (event,) = read_events(written(tmp_path / "eval.jsonl", record.to_dict()), EventFileSettings()).recordings["walk"]
    assert [point.time_s for point in event.track] == pytest.approx([0.105, *(np.arange(1, 9) + 0.5) / 10, 0.95])
    for time_s, azimuth_deg, elevation_deg, distance_m in event.track:
        if turns:
            expected = 60.0 - 60.0 * time_s, 0.0, 1.5
        else:
            begin, end = (2.0 * direction_to_vector(angle_deg, 0.0) for angle_deg in (60.0, -60.0))
            expected = vector_to_direction((1 - time_s) * begin + time_s * end)
        assert (azimuth_deg, elevation_deg, distance_m) == pytest.approx(expected, abs=0.02)
    shifted = dataclasses.replace(
        event, track=tuple(point._replace(azimuth_deg=point.azimuth_deg + 4) for point in event.track)
    )
    found = follow([event], [shifted])
    assert found.matched == 8 and found.error_deg / 8 == pytest.approx(4.0)


def test_scenes_are_read_without_questions_as_with_them(tmp_path):
    scene = records()[0].scene
    found = read_events(written(tmp_path / "scenes.jsonl", scene_to_dict(scene)), EventFileSettings()).recordings
    asked = read_events(write_events_manifest(tmp_path / "eval.jsonl"), EventFileSettings()).recordings
    assert found == {scene.id: asked["one"]}
    silent = written(tmp_path / "silent.jsonl", scene_to_dict(dataclasses.replace(scene, truth=None)))
    with pytest.raises(ManifestError, match="has no truth"):
        read_events(silent, EventFileSettings())
    broken = written(tmp_path / "broken.jsonl", scene_to_dict(scene) | {"duration_s": -1.0})
    with pytest.raises(ManifestError, match=r"broken\.jsonl:1"):
        read_events(broken, EventFileSettings())


def test_a_manifest_that_does_not_say_when_is_refused_by_record(tmp_path):
    record = records()[0]
    path = written(
        tmp_path / "eval.jsonl", dataclasses.replace(record, scene=dataclasses.replace(record.scene, truth=None)).to_dict()
    )
    with pytest.raises(ManifestError, match="record 'one-0' does not say from when to when"):
        read_events(path, EventFileSettings())


def test_annotated_sounds_of_a_file_are_events_as_far_as_their_place_is_known(tmp_path):
    sounds = (HeardSource("bell", 20.0, None, 2.0, 0.5, 1.5), HeardSource("dog", None, None, None, 1.0, 3.0))
    record = dataclasses.replace(records()[0], scene=None, audio="one.wav", known=Known(sounds=sounds))
    found = read_events(written(tmp_path / "eval.jsonl", record.to_dict()), EventFileSettings()).recordings["one"]
    assert spans(found) == [("bell", 0.5, 1.5), ("dog", 1.0, 3.0)]
    assert [event.track for event in found] == [(TrackPoint(0.5, 20.0, None, 2.0),), ()]


def test_lines_of_events_and_of_captions(tmp_path):
    event = {"label": "Bell", "onset_s": 0, "offset_s": 1.5, "track": [[0.5, 30.0], [1.0, 40, None, 2.5]], "source": "x"}
    told = "1.0 to 2.0 s dog, left, azimuth 60 degrees, 2m; 3.0 s bell"
    path = written(
        tmp_path / "told.jsonl",
        {"recording": "a", "events": [event]},
        {"recording": "b", "caption": told},
        {"recording": "c", "caption": "a dog, I think"},
        {"recording": "d", "events": []},
    )
    found = read_events(path, EventFileSettings())
    (bell,) = found.recordings["a"]
    assert (bell.label, bell.source) == ("bell", "x")
    assert bell.track == (TrackPoint(0.5, 30.0), TrackPoint(1.0, 40, None, 2.5))
    assert spans(found.recordings["b"]) == [("dog", 1.0, 2.0), ("bell", 3.0, 3.1)]
    assert found.recordings["b"][0].track == (TrackPoint(1.0, 60.0, None, 2.0),)
    assert found.unparsed == ["c"] and found.recordings["c"] == found.recordings["d"] == ()
    with pytest.raises(ManifestError, match=r"told.jsonl:3: caption 'a dog, I think' of 'c' is none with times"):
        read_events(path, EventFileSettings(), must_parse=True)


def test_of_predictions_the_captions_with_times_are_read(tmp_path):
    asked = {"recording_id": "one", "type": "caption", "question_type": "CAPTION", "question": "What sounds when?"}
    lines = [
        {"id": "a", **asked, "answer": "0 to 1 s dog", "prediction": "0.1 to 0.5 s bell, left, front, 1m"},
        {"id": "b", **asked, "recording_id": "two", "answer": "0 to 1 s dog", "prediction": "no idea"},
        {
            "id": "c",
            **asked,
            "recording_id": "three",
            "question_type": "SPAN",
            "answer": "0 to 1 s",
            "prediction": "0 to 1 s",
        },
    ]
    found = read_events(written(tmp_path / "predictions.jsonl", *lines), EventFileSettings())
    assert {name: spans(events) for name, events in found.recordings.items()} == {"one": [("bell", 0.1, 0.5)], "two": []}
    assert found.answers and found.unparsed == ["two"]
    with pytest.raises(ManifestError, match=r"jsonl:2: recording 'one' stands twice"):
        read_events(written(tmp_path / "predictions.jsonl", lines[0], lines[0]), EventFileSettings())
    with pytest.raises(ManifestError, match="no answer in it is a caption with times"):
        read_events(written(tmp_path / "predictions.jsonl", lines[2]), EventFileSettings())


def test_captions_in_words_are_read_leniently_with_the_names_of_the_reference(tmp_path):
    path = written(tmp_path / "told.jsonl", {"recording": "a", "caption": "A dog barks on the left from 1.1 to 2.4 s."})
    found = read_events(path, EventFileSettings(reading="lenient"), known={"dog"})
    assert spans(found.recordings["a"]) == [("dog", 1.1, 2.4)] and not found.unparsed
    assert read_events(path, EventFileSettings()).unparsed == ["a"]


GOOD = {"label": "bell", "onset_s": 0.0, "offset_s": 1.0}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([{"recording": "a", "events": [GOOD]}, {"recording": "a", "events": []}], r":2: recording 'a' stands twice"),
        ([{"recording": "a"}], r":1: has recording; expected recording, a name, and either"),
        ([{"recording": "", "events": []}], "expected recording, a name"),
        ([{"recording": "a", "events": [], "caption": ""}], "either events or caption"),
        ([{"recording": "a", "events": GOOD}], "expected a list of events"),
        (
            [{"recording": "a", "events": [{**GOOD, "loud": 1}]}],
            r"events\[0\]: has label, onset_s, offset_s, loud; expected",
        ),
        ([{"recording": "a", "events": ["bell"]}], r"events\[0\]: has bell"),
        ([{"recording": "a", "events": [{**GOOD, "onset_s": "0"}]}], "something else than times as numbers"),
        ([{"recording": "a", "events": [{**GOOD, "onset_s": True}]}], "something else than times as numbers"),
        ([{"recording": "a", "events": [{**GOOD, "track": [[1.0]]}]}], "something else than times as numbers"),
        ([{"recording": "a", "events": [{**GOOD, "track": [[1.0, None]]}]}], "something else than times as numbers"),
        ([{"recording": "a", "events": [{**GOOD, "label": 3}]}], "expected a name, and a name or number"),
        ([{"recording": "a", "events": [{**GOOD, "offset_s": 0.0}]}], "recording 'a': event 0 .* ends before it lasts"),
        ([{"file": "a"}], "begins with the keys file; expected a manifest, predictions, a timeline"),
    ],
)
def test_lines_that_are_none_are_refused_with_their_place(tmp_path, lines, words):
    with pytest.raises(ManifestError, match=words) as caught:
        read_events(written(tmp_path / "told.jsonl", *lines), EventFileSettings())
    assert "told.jsonl" in str(caught.value)


def test_nan_is_refused_by_line(tmp_path):
    (tmp_path / "told.jsonl").write_text('{"recording": "a", "events": [{"label": "b", "onset_s": NaN, "offset_s": 1}]}\n')
    with pytest.raises(ManifestError, match=r"told.jsonl:1: events\[0\].onset_s: NaN is not JSON"):
        read_events(tmp_path / "told.jsonl", EventFileSettings())


def test_files_that_are_none(tmp_path):
    with pytest.raises(ManifestError, match="no such file or folder"):
        read_events(tmp_path / "none", STARSS)
    with pytest.raises(ManifestError, match="neither CSV nor JSONL"):
        read_events(tmp_path, STARSS)
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.jsonl").touch()
    with pytest.raises(ManifestError, match="both CSV and JSONL"):
        read_events(tmp_path, STARSS)
    (tmp_path / "c.txt").touch()
    with pytest.raises(ManifestError, match=r"c\.txt: expected CSV of frame labels"):
        read_events(tmp_path / "c.txt", STARSS)
    with pytest.raises(SpatialLLMError, match="least_probability is 2"):
        EventFileSettings(least_probability=2.0)
