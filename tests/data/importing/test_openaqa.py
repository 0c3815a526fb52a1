"""OpenAQA's layout: read row by row; what is missing named with counts; mono only where it is asked for."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_llm.data.importing.json_rows import read_rows
from spatial_llm.data.importing.openaqa import OpenAqaArguments, import_openaqa, labels_of
from spatial_llm.data.records import read_manifest
from spatial_llm.errors import ManifestError

PREFIX = "/data/sls/audioset/"


def row(name: str, instruction: str = "What rings?", output: str = "A bell rings.", **changes: object) -> dict:
    return {
        "instruction": instruction, "input": "", "audio_id": f"{PREFIX}{name}", "dataset": "as_strong_train",
        "task": "open-ended question", "output": output,
    } | changes  # fmt: skip


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """audio/a.flac of two channels, audio/sub/b.wav and c.wav of one, and openaqa.json by `json.dump(indent=1)`."""
    audio, random = tmp_path / "audio", np.random.default_rng(0)
    (audio / "sub").mkdir(parents=True)
    for name, channels in (("a.flac", 2), ("sub/b.wav", 1), ("c.wav", 1)):
        soundfile.write(audio / name, 0.1 * random.standard_normal((16_000, channels)), 16_000)
    write(
        tmp_path,
        [
            row("a.flac"),
            row("a.flac", "Which sound is there?", "Labels: Bell; Speech", task="cla_label"),
            row("sub/b.wav", "Is it loud: very?", "It \"is\" {loud}, [so] to speak.", dataset="clotho"),
        ],
    )  # fmt: skip
    return tmp_path


def write(folder: Path, rows: list) -> Path:
    path = folder / "openaqa.json"
    path.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return path


def given(folder: Path, **changes: object) -> OpenAqaArguments:
    fields = {"json": str(folder / "openaqa.json"), "audio": str(folder / "audio"), "out": str(folder / "out")}
    return OpenAqaArguments(**fields | {"strip": PREFIX, "mono": "both_ears"} | changes)


def test_rows_become_records_with_their_recordings(release: Path) -> None:
    about = import_openaqa(given(release), progress=False)
    records = read_manifest(release / "out" / "train.jsonl")
    assert [(one.question, one.answer) for one in records] == [
        ("What rings?", "A bell rings."),
        ("Which sound is there?", "Labels: Bell; Speech"),
        ("Is it loud: very?", 'It "is" {loud}, [so] to speak.'),
    ]
    assert {one.type for one in records} == {"open"} and {one.sampling_rate for one in records} == {16_000}
    assert len({one.recording_id for one in records}) == about["recordings"] == 2
    assert about["questions"] == 3 and about["tasks"] == {"cla_label": 1, "open-ended question": 2}
    copied = release / "out" / records[0].audio
    assert copied.read_bytes() == (release / "audio" / "a.flac").read_bytes()
    heard, rate = soundfile.read(release / "out" / records[2].audio)
    mono, _ = soundfile.read(release / "audio" / "sub" / "b.wav")
    assert rate == 16_000 and np.array_equal(heard, np.stack([mono, mono], axis=1))
    assert json.loads((release / "out" / "import.json").read_text())["mono"] == "both_ears"


def test_labels_stand_behind_the_last_colon(release: Path) -> None:
    import_openaqa(given(release, labels="output", tasks=["cla_label"], split="eval"), progress=False)
    (record,) = read_manifest(release / "out" / "eval.jsonl")
    assert record.known.labels == ("Bell", "Speech")
    assert labels_of("Closed: caption: dog") == ("dog",)
    assert labels_of("cough") == ("cough",)
    with pytest.raises(ManifestError, match=r"1 rows: no label behind the last colon of output \(entry 0\)"):
        write(release, [row("a.flac", output="Labels: ")])
        import_openaqa(given(release, labels="output"), progress=False)


def test_what_is_missing_is_named_with_counts_and_nothing_is_written(release: Path) -> None:
    whole = [row("a.flac"), row("gone.flac"), row("gone.flac", dataset="fsd50k"), row("lost.flac"), row("c.wav")]
    broken = [
        {"instruction": "What?", "output": "It."},
        row("a.flac", output=""),
        row("a.flac", output=7),
        row("a.flac", input="hi"),
    ]
    write(release, whole + broken)
    with pytest.raises(ManifestError) as refused:
        import_openaqa(given(release, mono="refuse", tasks=["open-ended question", "music"]), progress=False)
    told = str(refused.value)
    for part in (
        "1 rows: no field audio_id (entry 5)",
        "1 rows: output is empty (entry 6)",
        "1 rows: output is no text (entry 7)",
        "1 rows: a text in input",
        "no row of task 'music'; there are 6 open-ended question",
        "2 recordings of 3 rows are missing (/data/sls/audioset/gone.flac, /data/sls/audioset/lost.flac; by dataset: "
        "2 as_strong_train, 1 fsd50k)",
        "1 recordings have one channel (/data/sls/audioset/c.wav)",
        "--mono both_ears",
        "Nothing was written",
    ):
        assert part in told
    assert not (release / "out").exists()


def test_missing_recordings_can_be_left_out_and_are_counted(release: Path) -> None:
    write(release, [row("a.flac"), row("gone.flac"), row("empty", audio_id="empty"), row("b", audio_id="/elsewhere/b.wav")])
    about = import_openaqa(given(release, missing="leave_out"), progress=False)
    assert (about["questions"], about["recording_missing"], about["without_recording"]) == (1, 2, 1)
    assert about["missing_of_dataset"] == {"as_strong_train": 2}
    write(release, [row("gone.flac")])
    with pytest.raises(ManifestError, match="no row is left"):
        import_openaqa(given(release, missing="leave_out"), progress=False)


def test_a_recording_never_comes_from_outside_of_the_folder(release: Path) -> None:
    soundfile.write(release / "secret.wav", np.zeros((16_000, 2)), 16_000)
    write(release, [row("../secret.wav")])
    with pytest.raises(ManifestError, match="1 recordings of 1 rows are missing"):
        import_openaqa(given(release), progress=False)


def test_damaged_recordings_and_those_of_many_channels_are_refused(release: Path) -> None:
    (release / "audio" / "text.wav").write_text("no sound")
    soundfile.write(release / "audio" / "many.wav", np.zeros((16_000, 4)), 16_000)
    write(release, [row("text.wav"), row("many.wav")])
    with pytest.raises(
        ManifestError, match=r"a recording that cannot be read.*; 1 rows: a recording of more than two channels"
    ):
        import_openaqa(given(release), progress=False)


def test_an_array_of_any_length_is_read_row_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(f"{number}.flac", 'a {[\\" ü' * (number % 7)) for number in range(50)]
    path, seen = write(tmp_path, rows), []
    for chunk in (1, 7, 2**20):
        monkeypatch.setattr("spatial_llm.data.importing.json_rows._CHUNK", chunk)
        assert list(read_rows(path, seen.append)) == rows
    assert sum(seen) == 3 * len(path.read_text())
    path.write_text("[]")
    assert list(read_rows(path)) == []
    monkeypatch.setattr("spatial_llm.data.importing.json_rows._LONGEST", 300)
    monkeypatch.setattr("spatial_llm.data.importing.json_rows._CHUNK", 100)
    path.write_text('[{"a": ' + "1" * 4_000)
    with pytest.raises(ManifestError, match="entry 0"):
        list(read_rows(path))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1}', "'{' stands where '\\[' is expected"),
        ('[{"a": 1}', "the end of the file"),
        ('[{"a": 1}, {"b": ', "entry 1"),
        ('[{"a": 1} {"b": 2}]', "'{' stands where ',' is expected"),
        ('[{"a": 1}, 3]', "entry 1: '3' stands where an object begins"),
        ('[{"a": 1}] [', "stands behind the end"),
        ("", "the end of the file"),
    ],
)
def test_what_is_no_array_of_objects_is_refused(text: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text(text)
    with pytest.raises(ManifestError, match=words):
        list(read_rows(path))


def test_a_file_that_is_not_there_or_not_utf_8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such file"):
        list(read_rows(tmp_path / "none.json"))
    (tmp_path / "latin.json").write_bytes(b'[{"a": "\xfc"}]')
    with pytest.raises(ManifestError, match="not UTF-8"):
        list(read_rows(tmp_path / "latin.json"))
