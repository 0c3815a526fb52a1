"""Recordings longer than the window: every window in its place, the same bytes after any number of stops."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_llm.audio.io import read_audio
from spatial_llm.errors import AudioError, SpatialLLMError
from spatial_llm.model import SpatialLLM
from spatial_llm.model import timeline as module
from spatial_llm.shipped.render import read_shipped

EVENT = "What sound events can you hear in the audio clip?"
AT_S, LASTS_S = 7.3, 14.0


@pytest.fixture(scope="module")
def tiny() -> SpatialLLM:
    return SpatialLLM.from_pretrained("tiny")


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A shipped recording in the midst of faint noise, and the label of what sounds there."""
    scene, recording = next((scene, path) for scene, path in read_shipped() if len(scene.sources) == 1)
    sound, rate = read_audio(recording)
    whole = 3e-5 * np.random.default_rng(0).standard_normal((2, round(LASTS_S * rate))).astype(np.float32)
    start = round(AT_S * rate)
    whole[:, start : start + sound.shape[1]] += sound
    path = tmp_path_factory.mktemp("long") / "long.wav"
    soundfile.write(path, whole.T, rate, subtype="PCM_24")
    return path, scene.sources[0].label


def test_an_event_is_found_within_one_hop(tiny: SpatialLLM, long: tuple[Path, str]) -> None:
    path, label = long
    found = tiny.timeline(path, EVENT, hop_s=0.5, progress=False)
    assert [row.start_s for row in found.rows] == [0.5 * number for number in range(25)]
    loud = [row for row in found.rows if not row.quiet]
    best = max(loud, key=lambda row: row.level_dbfs)
    assert abs(best.start_s - AT_S) <= 0.5
    assert best.answers[EVENT] == label == next(iter(best.events))
    assert all(row.end_s > AT_S and row.start_s < AT_S + 2.0 for row in loud), "nothing is told of the noise around it"
    assert all(row.answers == {} and row.events is None for row in found.rows if row.quiet)


def test_each_row_tells_what_listening_to_that_window_tells(tiny: SpatialLLM, long: tuple[Path, str]) -> None:
    waveform, rate = read_audio(long[0])
    for row in tiny.timeline(long[0], [EVENT], progress=False).rows:
        if not row.quiet:
            heard = tiny.listen(waveform[:, round(row.start_s * rate) : round(row.end_s * rate)], rate)
            assert row.answers == {EVENT: str(heard.ask(EVENT))}
            assert row.azimuth_deg == heard.azimuth.best and row.distance_m == heard.distance.best


def test_stopped_and_resumed_it_is_the_same_file(
    tiny: SpatialLLM, long: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, stopped = tmp_path / "once.jsonl", tmp_path / "stopped.jsonl"
    options = {"questions": EVENT, "hop_s": 1.0, "quiet_dbfs": -200.0, "max_new_tokens": 3, "progress": False}
    whole = tiny.timeline(long[0], out=at_once, **options)
    row, made = module._Listener.row, []

    def stops(self, *args):
        if len(made) in (3, 7):
            made.append(None)
            raise KeyboardInterrupt
        made.append(row(self, *args))
        return made[-1]

    monkeypatch.setattr(module._Listener, "row", stops)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            tiny.timeline(long[0], out=stopped, **options)
        part = stopped.with_name("stopped.jsonl.part")
        part.write_bytes(part.read_bytes() + b'{"start_s": 3.0, "en')  # as if it was stopped within a line
        assert not stopped.exists()
    resumed = tiny.timeline(long[0], out=stopped, **options)
    assert stopped.read_bytes() == at_once.read_bytes() and resumed.rows == whole.rows
    assert len([each for each in made if each is not None]) == len(whole.rows), "no window is listened to twice"
    assert not list(tmp_path.glob("*.part"))
    monkeypatch.setattr(module._Listener, "row", None)
    assert tiny.timeline(long[0], out=stopped, **options).rows == whole.rows, "finished, it is only read"
    header = json.loads(stopped.read_text().splitlines()[0])
    assert header["questions"] == [EVENT] and {"versions", "git_hash", "recording_sha256"} <= header.keys()


def test_a_timeline_of_something_else_is_not_continued(tiny: SpatialLLM, long: tuple[Path, str], tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    tiny.timeline(long[0], out=out, progress=False)
    with pytest.raises(SpatialLLMError, match="a timeline with another questions, hop s; give another --out"):
        tiny.timeline(long[0], EVENT, hop_s=2.0, out=out, progress=False)


def test_table_and_picture(tiny: SpatialLLM, long: tuple[Path, str], tmp_path: Path) -> None:
    found = tiny.timeline(long[0], EVENT, hop_s=2.0, progress=False)
    lines = found.table().splitlines()
    assert len(lines) == 2 + len(found.rows) and EVENT in lines[0] and long[1] in found.table()
    found.plot(tmp_path / "timeline.png")
    assert (tmp_path / "timeline.png").read_bytes()[:4] == b"\x89PNG"
    assert json.loads(json.dumps(found.to_dict()))["rows"][0]["start_s"] == 0.0


def test_an_array_is_listed_like_its_file(tiny: SpatialLLM, long: tuple[Path, str]) -> None:
    waveform, rate = read_audio(long[0])
    of_array = tiny.timeline(waveform, sampling_rate=rate, progress=False)
    assert of_array.rows == tiny.timeline(long[0], progress=False).rows


def test_whole_numbers_have_the_scale_of_their_type(tiny: SpatialLLM, long: tuple[Path, str]) -> None:
    waveform, rate = read_audio(long[0])
    floats = tiny.timeline(waveform, sampling_rate=rate, progress=False).rows
    words = tiny.timeline((waveform * 32767).round().astype(np.int16), sampling_rate=rate, progress=False).rows
    for one, other in zip(floats, words, strict=True):
        if not one.quiet:
            assert abs(one.level_dbfs - other.level_dbfs) < 0.05
            assert (one.azimuth_deg, one.distance_m) == (other.azimuth_deg, other.distance_m)
    with pytest.raises(AudioError, match="transpose"):
        tiny.timeline(waveform.T, sampling_rate=rate, progress=False)


def test_the_level_of_the_recording_moves_distances_and_is_part_of_the_file(
    tiny: SpatialLLM, long: tuple[Path, str], tmp_path: Path
) -> None:
    own = tiny.processor.taught.level_dbfs_at_1m
    same, louder = (
        tiny.timeline(long[0], progress=False, level_dbfs_at_1m=level, out=tmp_path / str(level))
        for level in (own, own - 20.0)
    )
    assert [row.distance_m for row in same.rows] == [row.distance_m for row in tiny.timeline(long[0], progress=False).rows]
    assert [row.level_dbfs for row in same.rows] == [row.level_dbfs for row in louder.rows]
    nearer = [(one.distance_m, other.distance_m) for one, other in zip(same.rows, louder.rows, strict=True) if not one.quiet]
    assert nearer and all(other < one for one, other in nearer)
    with pytest.raises(SpatialLLMError, match="another level dbfs at 1m"):
        tiny.timeline(long[0], progress=False, level_dbfs_at_1m=own - 20.0, out=tmp_path / str(own))
    with pytest.raises(SpatialLLMError, match="expected dB"):
        tiny.timeline(long[0], progress=False, level_dbfs_at_1m=500.0)


def test_options_that_would_do_nothing_are_refused(tiny: SpatialLLM, long: tuple[Path, str]) -> None:
    with pytest.raises(SpatialLLMError, match="quiet_db: options of questions, and none is asked"):
        tiny.timeline(long[0], progress=False, quiet_db=-40.0)


def test_what_cannot_be_listed_is_refused(tiny: SpatialLLM, long: tuple[Path, str], tmp_path: Path) -> None:
    for hop_s in (0.0, 2.5):
        with pytest.raises(SpatialLLMError, match="hop_s is"):
            tiny.timeline(long[0], hop_s=hop_s, progress=False)
    with pytest.raises(SpatialLLMError, match="out is for the timeline of a file"):
        tiny.timeline(np.ones((2, 32_000), np.float32), sampling_rate=32_000, out=tmp_path / "a", progress=False)
    with pytest.raises(SpatialLLMError, match="give questions"):
        SpatialLLM(tiny.model, tiny.processor).timeline(long[0], progress=False)
    with pytest.raises(SpatialLLMError, match="twice"):
        tiny.timeline(long[0], [EVENT, EVENT], progress=False)
    with pytest.raises(AudioError, match="sampling_rate is None"):
        tiny.timeline(np.ones((2, 32_000), np.float32), progress=False)


def test_what_is_not_heard_stands_in_the_rows_and_is_warned_of_once(
    tiny: SpatialLLM, long: tuple[Path, str], tmp_path: Path
) -> None:
    where = "Where is the piano?"
    with pytest.warns(UserWarning, match="from .* s: the model does not hear the sound 'piano'") as caught:
        found = tiny.timeline(long[0], where, hop_s=0.5, progress=False, out=tmp_path / "rows.jsonl")
    assert sum("piano" in str(each.message) for each in caught) == 1
    noted = [row for row in found.rows if row.notes]
    assert noted and all("'piano'" in row.notes[where][0] for row in noted)
    assert found.table().count("(?) |") == len(noted) and found.table().count("(?) the model does not hear") == 1
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()[1:]]
    assert [line.get("notes", {}) for line in lines] == [row.notes for row in found.rows]
    assert tiny.timeline(long[0], where, hop_s=0.5, progress=False, out=tmp_path / "rows.jsonl").rows == found.rows
