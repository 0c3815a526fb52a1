"""Events of a timeline: merged over windows, followed in direction, and written so that other readers find the same."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from spatial_llm.encoders.frame_head import Frames
from spatial_llm.errors import SceneError, SpatialLLMError
from spatial_llm.model.timeline import Timeline, TimelineRow
from spatial_llm.model.timeline_events import EventSettings, events_of, events_of_frames, spans_of, write_heard_labels
from spatial_llm.scenes.motion.frame_labels import Labelled, write_frame_labels

EXACT = EventSettings(smoothing=1)


def window(start_s: float, azimuth_deg: float | None = None, answer: str | None = None, **events: float) -> TimelineRow:
    """A window of 2 s; quiet where nothing is given."""
    told = {} if azimuth_deg is None else {"azimuth_deg": azimuth_deg, "elevation_deg": 0.0, "distance_m": 2.0}
    quiet = not events and answer is None
    answers = {} if answer is None else {"what?": answer}
    return TimelineRow(start_s, start_s + 2.0, -30.0, quiet, None if quiet else events, answers=answers, **told)


def test_windows_in_a_row_are_one_event_with_one_direction_over_time():
    starts = np.arange(0, 20, 0.5)
    rows = [window(s, 90 - 6 * (s + 1 - 5), bell=0.9) if 4 <= s <= 12 else window(s) for s in starts]
    (event,) = events_of(rows, EXACT)
    # At 4.7 s, 0.3 of the weight of all windows is on those that hold it; the means are symmetric in time.
    assert (
        event.label == "bell"
        and event.onset_s == pytest.approx(4.5, abs=0.2)
        and event.offset_s == pytest.approx(13.5, abs=0.2)
    )
    times_s, azimuth_deg, _, distance_m = np.array(event.places).T
    assert np.allclose(np.diff(times_s), 0.1) and np.allclose(distance_m, 2.0, atol=1e-3)
    inside = (times_s > 5) & (times_s < 13)
    assert np.abs(azimuth_deg - (90 - 6 * (times_s - 5)))[inside].max() < 0.1


def test_a_direction_passes_behind_the_listener_without_a_jump_through_the_front():
    rows = [window(s, float(180 - abs(20 * (s - 4))) * (1 if s <= 4 else -1), bell=0.9) for s in np.arange(0, 8, 0.5)]
    (event,) = events_of(rows, EXACT)
    assert np.abs(np.array(event.places)[:, 1]).min() > 90


def test_places_are_those_of_the_most_probable_event_only():
    rows = [window(s, 60.0, bell=0.9, dog=0.5) for s in np.arange(0, 4, 0.5)]
    rows += [window(s, -60.0, dog=0.9, bell=0.5) for s in np.arange(4, 8, 0.5)]
    bell, dog = sorted(events_of(rows, EXACT), key=lambda event: event.label)
    assert (bell.onset_s, dog.onset_s) == (0.0, 0.0)
    assert {round(place[1]) for place in bell.places} == {60} and {round(place[1]) for place in dog.places} == {-60}
    only = [window(s, 60.0, bell=0.9, dog=0.5) for s in np.arange(0, 4, 0.5)]
    assert next(event for event in events_of(only) if event.label == "dog").places == ()


def test_gaps_are_joined_and_short_events_left_out_as_asked():
    heard = [0, 0.5, 1, 1.5, 6, 6.5, 7]
    rows = [window(s, 0.0, bell=0.9) if s in heard else window(s) for s in np.arange(0, 10, 0.5)]
    apart, joined = events_of(rows, EXACT), events_of(rows, dataclasses.replace(EXACT, joining_gap_s=4.0))
    assert len(apart) == 2 and len(joined) == 1 and joined[0].offset_s == apart[1].offset_s
    assert events_of(rows, dataclasses.replace(EXACT, shortest_s=9.0)) == []
    assert events_of([window(0.0), window(1.0)]) == []


def test_smoothing_averages_directions_as_directions():
    rows = [window(s, a, bell=0.9) for s, a in zip(np.arange(0, 3, 0.5), [170, -170, 170, -170, 170, -170], strict=True)]
    (event,) = events_of(rows, EventSettings(smoothing=3))
    assert np.abs(np.array(event.places)[5:-5, 1]).min() > 175


def test_answers_over_time_are_spans():
    rows = [window(s, answer=answer) for s, answer in zip([0, 1, 2, 3], ["left", "left", "right", "right"], strict=True)]
    rows.append(window(4.0))
    assert spans_of(rows, "what?") == [(0.0, 2.5, "left"), (2.5, 4.5, "right")]
    timeline = Timeline({"questions": ["what?"]}, rows)
    assert timeline.spans("what?") == spans_of(rows, "what?")
    with pytest.raises(SpatialLLMError, match="'where\\?' was not asked; asked were \\['what\\?'\\]"):
        timeline.spans("where?")


def test_a_model_without_heads_has_no_events():
    row = dataclasses.replace(window(0.0, answer="left"), events=None)
    with pytest.raises(SpatialLLMError, match="saved without heads"):
        events_of([row])


@pytest.mark.parametrize("given", [{"least_probability": 0.0}, {"joining_gap_s": -1.0}, {"smoothing": 2}])
def test_settings_that_cannot_be_are_refused(given):
    with pytest.raises(SpatialLLMError, match="expected"):
        EventSettings(**given)


def test_frame_labels_are_whole_numbers_in_dcase_ranges(tmp_path):
    frames = np.array([3, 4])
    source = Labelled("dog", frames, np.array([180.0, -179.6]), np.array([10.4, -0.4]), np.array([1.234, 0.001]))
    write_frame_labels([source], ["bell", "dog"], tmp_path / "labels.csv")
    assert (tmp_path / "labels.csv").read_text() == "3,1,0,-180,10,123\n4,1,0,-180,0,1\n"
    with pytest.raises(SceneError, match="class 'dog', which is not among bell"):
        write_frame_labels([source], ["bell"], tmp_path / "other.csv")
    rows = [window(s, 90.0, bell=0.9) for s in np.arange(0, 3, 0.5)]
    assert write_heard_labels(events_of(rows), tmp_path / "heard.csv") == ["bell"]
    lines = (tmp_path / "heard.csv").read_text().splitlines()
    assert lines[0] == "0,0,0,90,0,200" and len(lines) == round(events_of(rows)[0].offset_s * 10)


def frames_of(**activity: list[float]) -> Frames:
    """Rows of 0.16 s; the direction of class k in row r is 10 r degrees to the left, at (k + 1) m."""
    rows = np.array(list(activity.values())).T
    azimuth_deg = np.broadcast_to(10.0 * np.arange(len(rows))[:, None], rows.shape)
    distance_m = np.broadcast_to(np.arange(1.0, rows.shape[1] + 1), rows.shape)
    return Frames(tuple(activity), 0.16, rows, azimuth_deg, np.zeros_like(rows), distance_m)


def test_events_of_a_frame_head_are_runs_of_active_rows():
    frames = frames_of(bell=[0.2, 0.5, 0.9, 0.3, 0.6, 0.1, 0.0, 0.5], dog=[0.49, 0.9, 0.9, 0.0, 0.0, 0.0, 0.0, 0.0])
    apart = events_of_frames(frames, EventSettings(0.5, 0.0, 0.0, 1))
    times = [(event.label, event.onset_s, event.offset_s) for event in apart]
    assert times == [("bell", 0.16, 0.48), ("dog", 0.16, 0.48), ("bell", 0.64, 0.8), ("bell", 1.12, 1.28)]
    assert apart[1].places == ((0.24, 10.0, 0.0, 2.0), (0.4, 20.0, 0.0, 2.0))
    dog, joined, late = events_of_frames(frames, EventSettings(0.5, 0.2, 0.0, 1))
    assert (joined.onset_s, joined.offset_s, late.onset_s) == (0.16, 0.8, 1.12), "one row is 0.16 s"
    assert [place[0] for place in joined.places] == [0.24, 0.4, 0.72], "the pause has no place"
    assert dog == apart[1]
    assert len(events_of_frames(frames, EventSettings(0.5, 0.32, 0.0, 1))) == 2, "a pause of just this length is joined"
    assert events_of_frames(frames, EventSettings(0.5, 0.0, 0.3, 1)) == apart[:2], "others are shorter than 0.3 s"
    assert [event.label for event in events_of_frames(frames, EventSettings(0.85, 0.0, 0.0, 1))] == ["dog", "bell"]
    assert events_of_frames(frames, EventSettings(1.0, 0.0, 0.0, 1)) == []


def test_places_of_a_frame_head_are_averaged_over_rows_as_asked():
    frames = frames_of(bell=[0.0, 0.9, 0.9, 0.9, 0.0], dog=[0.9] * 5)
    bell = next(event for event in events_of_frames(frames, EventSettings(0.5, 0.0, 0.0, 3)) if event.label == "bell")
    assert [place[1] for place in bell.places] == pytest.approx([15.0, 20.0, 25.0], abs=0.01)


def test_events_of_a_frame_head_are_written_in_every_frame_of_dcase(tmp_path):
    frames = frames_of(bell=[0.0, 0.9, 0.9, 0.0, 0.0], dog=[0.0, 0.0, 0.0, 0.9, 0.9])
    events = events_of_frames(frames, EventSettings(0.5, 0.0, 0.0, 1))
    assert write_heard_labels(events, tmp_path / "heard.csv") == ["bell", "dog"]
    lines = [[int(value) for value in line.split(",")] for line in (tmp_path / "heard.csv").read_text().splitlines()]
    # 0.16 to 0.48 s are frames 2 to 4, of which the middles 0.25 and 0.35 s are in rows 1 and 2 ... each at the nearest row.
    assert [line[:2] + line[3:4] for line in lines] == [
        [2, 0, 10], [3, 0, 20], [4, 0, 20], [5, 1, 30], [6, 1, 40], [7, 1, 40]
    ]  # fmt: skip


def test_hours_take_no_more_memory_than_their_windows(tmp_path):
    """Frames times windows would be 1.3 GB here, and a terabyte for a day."""
    rows = [window(s, 30.0, bell=0.9) if s < 3000 else window(s) for s in np.arange(0, 4000, 1.0).tolist()]
    tracemalloc.start()
    (event,) = events_of(rows)
    write_heard_labels([event], tmp_path / "heard.csv")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert event.onset_s == 0.0 and event.offset_s == pytest.approx(3000, abs=1.0) and len(event.places) > 29_000
    assert most < 60e6
